// lint.go has PHP check the syntax of files without running them.

package php

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
)

// lintTimeout bounds a check of many files, after a change of branch for example. What is not checked by then is left
// to the workers' boot.
const lintTimeout = 10 * time.Second

// Lint runs php -l on each file, a few at a time, and returns what it says of those that are broken. All processes
// have ended when it returns.
func Lint(ctx context.Context, pool *config.Pool, files []string) (faults map[string]string, err error) {
	php, err := Find(ctx, pool)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lintTimeout)
	defer cancel()
	faults = map[string]string{}
	var mu sync.Mutex // guards faults
	var all sync.WaitGroup
	queue := make(chan string)
	for range min(len(files), runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for file := range queue {
				if text, broken := lintFile(ctx, php.Path, pool, file); broken {
					mu.Lock()
					faults[file] = text
					mu.Unlock()
				}
			}
		})
	}
	for _, file := range files {
		queue <- file
	}
	close(queue)
	all.Wait()
	return faults, nil
}

func lintFile(ctx context.Context, php string, pool *config.Pool, file string) (text string, broken bool) {
	cmd := exec.CommandContext(ctx, php, "-d", "display_errors=1", "-d", "log_errors=0", "-d", "html_errors=0", "-d",
		"opcache.enable_cli=0", "-l", file)
	cmd.Env = pool.Environ(os.Environ())
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var failed *exec.ExitError
	if ctx.Err() != nil || !errors.As(err, &failed) {
		return "", false
	}
	text, _, _ = strings.Cut(string(out), "Errors parsing ")
	if text = strings.TrimSpace(text); text == "" {
		text = file + " does not parse: " + err.Error()
	}
	return text, true
}
