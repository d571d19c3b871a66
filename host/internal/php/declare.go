// declare.go asks a program for Workerman for its Workers.

package php

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/privilege"
	sdkphp "github.com/workerhost/workerhost/sdk-php"
)

// declareTimeout bounds what a program does before it runs its Workers.
const declareTimeout = 30 * time.Second

// declareTo is the variable that has a program for Workerman say what its Workers are, on that descriptor, in place of
// running one.
const declareTo = "WORKERHOST_DECLARE"

// Declare runs the script of a pool that is written for Workerman as far as its Worker::runAll(), in a process of its
// own, to learn which Workers it has. The process has ended when Declare returns.
func Declare(ctx context.Context, pool *config.Pool) ([]config.Declared, error) {
	binary, err := Find(ctx, pool)
	if err != nil {
		return nil, err
	}
	private := new(privilege.Folder)
	defer private.Close()
	sdk, err := private.Files("sdk-php", sdkphp.FS)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, declareTimeout)
	defer cancel()
	command := Command(binary, pool, "", filepath.Join(sdk, Prelude(pool)))
	cmd, _, clean, err := probing(ctx, binary.Path, pool, command[1:]...)
	if err != nil {
		return nil, err
	}
	defer clean()
	answer, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	var said bytes.Buffer
	cmd.Dir, cmd.Env = pool.Directory, append(cmd.Env, declareTo+"=3")
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, fmt.Errorf("%s can't be run: %w", pool.Script, err)
	}
	var text []byte
	read := make(chan struct{})
	go func() {
		defer close(read)
		text, _ = io.ReadAll(io.LimitReader(answer, 1<<20)) // what is cut short is no JSON
	}()
	err = cmd.Wait()
	if ctx.Err() == nil {
		select {
		case <-read:
		case <-time.After(time.Second): // a child that the script has left holds the descriptor
		}
	}
	answer.Close()
	<-read
	var declared struct {
		Workers []config.Declared
		Error   string
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s did not come to Worker::runAll() within %s; it said: %s", pool.Script,
			declareTimeout, lastWords(said.String()))
	case json.Unmarshal(text, &declared) == nil && declared.Error != "":
		return nil, fmt.Errorf("%s: %s", pool.Script, declared.Error)
	case len(declared.Workers) == 0 && err != nil:
		return nil, fmt.Errorf("%s did not come to Worker::runAll() (%w); it said: %s", pool.Script, err,
			lastWords(said.String()))
	case len(declared.Workers) == 0:
		return nil, fmt.Errorf("%s ended without Worker::runAll(), which a program for Workerman calls; it said: %s",
			pool.Script, lastWords(said.String()))
	}
	return declared.Workers, nil
}

// lastWords is the end of what a script has printed, where the error stands.
func lastWords(said string) string {
	said = strings.TrimSpace(said)
	if said == "" {
		return "nothing"
	}
	const most = 2000
	if len(said) > most {
		said = "… " + said[len(said)-most:]
	}
	return said
}
