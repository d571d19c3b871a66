// lint.go has PHP check the syntax of files without running them.

package php

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/privilege"
)

// lintTimeout bounds a check of many files, after a change of branch for example. What is not checked by then is left
// to the workers' boot.
const lintTimeout = 10 * time.Second

// atOnce is how many files one process compiles, which keeps them in its memory.
const atOnce = 1000

// compile has opcache compile files, whose names come as input, and tells of each that is sound by its number. Files
// that define the same function are not all sound to it.
const compile = `foreach (explode("\0", stream_get_contents(STDIN)) as $i => $file) {
    try {
        if (@opcache_compile_file($file)) {
            echo "\n` + probeMark + `$i\n";
        }
    } catch (\Throwable) {
    }
}`

// Lint has the pool's PHP read the files, and returns what it says of those that are broken: one process reads a
// thousand, and what it does not find sound is looked at with php -l. unread is how many there was no time for, within
// ten seconds or until ctx ended. All processes have ended when it returns.
func Lint(ctx context.Context, php Binary, pool *config.Pool, files []string) (faults map[string]string, unread int,
	err error) {
	if pool.Kind == config.FPM {
		if php, err = beside(ctx, php, pool); err != nil {
			return nil, 0, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lintTimeout)
	defer cancel()
	suspects := files
	if len(files) > 1 && php.Opcache {
		suspects = nil
		for some := range slices.Chunk(files, atOnce) {
			left, err := suspected(ctx, php, pool, some)
			if err != nil {
				return nil, 0, err
			}
			suspects = append(suspects, left...)
		}
	}
	faults = map[string]string{}
	var mu sync.Mutex // guards faults and unread
	var all sync.WaitGroup
	queue := make(chan string)
	for range min(len(suspects), runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for file := range queue {
				text, broken := lintFile(ctx, php.Path, pool, file)
				mu.Lock()
				if ctx.Err() != nil {
					unread++
				} else if broken {
					faults[file] = text
				}
				mu.Unlock()
			}
		})
	}
	for _, file := range suspects {
		queue <- file
	}
	close(queue)
	all.Wait()
	return faults, unread, nil
}

// suspected are the files that opcache has not said to be sound.
func suspected(ctx context.Context, php Binary, pool *config.Pool, files []string) ([]string, error) {
	var arguments []string
	for _, setting := range []string{"display_errors=0", "opcache.jit=0", "opcache.preload=", "opcache.restrict_api=",
		"opcache.optimization_level=0", "opcache.max_accelerated_files=200",
		"auto_prepend_file=", "auto_append_file="} {
		arguments = append(arguments, "-d", setting)
	}
	cmd, _, clean, err := probing(ctx, php.Path, pool, append(arguments, "-r", compile)...)
	if err != nil {
		return nil, err
	}
	defer clean()
	cmd.Stdin = strings.NewReader(strings.Join(files, "\x00"))
	out, _ := cmd.Output() // what it has not said then is suspect
	sound := make([]bool, len(files))
	for line := range strings.SplitSeq(string(out), "\n") {
		number, marked := strings.CutPrefix(line, probeMark)
		if i, err := strconv.Atoi(number); marked && err == nil && i >= 0 && i < len(files) {
			sound[i] = true
		}
	}
	var suspects []string
	for i, file := range files {
		if !sound[i] {
			suspects = append(suspects, file)
		}
	}
	return suspects, nil
}

// beside finds the command-line PHP of a php-fpm's version, which has no -l itself.
func beside(ctx context.Context, fpm Binary, pool *config.Pool) (Binary, error) {
	parts := strings.SplitN(fpm.Version, ".", 3) // fpmVersion has three numbers
	version := parts[0] + "." + parts[1]
	folder := filepath.Dir(fpm.Path)
	for _, name := range []string{filepath.Join(folder, "../bin/php"+version), filepath.Join(folder, "../bin/php"),
		"php" + version, "php"} {
		own := *pool
		own.PHP = name
		if cli, err := Find(ctx, &own); err == nil && strings.HasPrefix(cli.Version, version+".") {
			return cli, nil
		}
	}
	return Binary{}, fmt.Errorf("there is no command-line PHP %s beside %s: install it (Debian: apt-get install "+
		"php%s-cli)", version, fpm.Path, version)
}

func lintFile(ctx context.Context, php string, pool *config.Pool, file string) (text string, broken bool) {
	cmd := exec.CommandContext(ctx, php, "-d", "display_errors=1", "-d", "log_errors=0", "-d", "html_errors=0", "-d",
		"opcache.enable_cli=0", "-l", file)
	cmd.Env = pool.Environ(os.Environ())
	cmd.WaitDelay = time.Second
	if os.Geteuid() == 0 {
		privilege.RunAs(cmd, pool.Identity)
	}
	out, err := cmd.Output()
	var failed *exec.ExitError
	if ctx.Err() != nil || !errors.As(err, &failed) {
		return "", false
	}
	text, _, found := strings.Cut(string(out), "Errors parsing ")
	if !found { // it could not be opened, for example: that says nothing of what is in it
		return "", false
	}
	if text = strings.TrimSpace(text); text == "" {
		text = file + " does not parse: " + err.Error()
	}
	return text, true
}
