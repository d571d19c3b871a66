// stage.go starts the servers to be measured and ends them, whatever happens in between.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyTimeout = 60 * time.Second // hello-go may have to be compiled first
	endTimeout   = 10 * time.Second
	greeting     = "Hello, World!"
)

// stage owns a private temporary folder and every process that was started on it. It belongs to one goroutine.
type stage struct {
	dir    string
	actors []*actor
}

// actor is a started process.
type actor struct {
	name    string
	command *exec.Cmd
	log     string // path of what it writes
	done    chan struct{}
	err     error // of Wait; read it after done
}

func newStage() (*stage, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	// nginx and php-fpm give up root, and must still reach their socket and script in here.
	return &stage{dir: dir}, os.Chmod(dir, 0o755)
}

// path returns a path inside the stage's folder.
func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// start runs a program in the foreground, with its output in a log unless it is taken elsewhere already. end ends it.
func (s *stage) start(name string, command *exec.Cmd) (*actor, error) {
	a := &actor{name: name, command: command, log: s.path(fmt.Sprintf("%s.%d.log", name, len(s.actors))),
		done: make(chan struct{})}
	log, err := os.Create(a.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if command.Stdout == nil {
		command.Stdout = log
	}
	command.Stderr = log
	command.SysProcAttr = diesWithUs()
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		a.err = command.Wait()
		close(a.done)
	}()
	s.actors = append(s.actors, a)
	return a, nil
}

// fallen names the processes that ended by themselves, with what they wrote last; nil where none did.
func (s *stage) fallen() error {
	var fallen []error
	for _, a := range s.actors {
		select {
		case <-a.done:
			fallen = append(fallen, fmt.Errorf("%s ended (%v); it wrote:\n%s", a.name, a.err, a.lastLines()))
		default:
		}
	}
	return errors.Join(fallen...)
}

// end stops every process, the last one first, waits for each of them, and removes the folder.
func (s *stage) end() error {
	var left []error
	for i := len(s.actors) - 1; i >= 0; i-- {
		left = append(left, s.actors[i].end())
	}
	return errors.Join(append(left, os.RemoveAll(s.dir))...)
}

// end asks the process to stop, and after endTimeout kills it and its descendants.
func (a *actor) end() error {
	a.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-a.done:
		return nil
	case <-time.After(endTimeout):
	}
	pids := []int{}
	if table, err := readProcesses(); err == nil {
		pids = table.descendants(a.command.Process.Pid)
	}
	a.command.Process.Kill()
	for _, pid := range pids {
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
	}
	<-a.done
	return fmt.Errorf("%s did not stop within %s of SIGTERM and was killed", a.name, endTimeout)
}

// ready waits until the process answers url with the greeting.
func (a *actor) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("no answer within %s", readyTimeout))
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := greets(ctx, url)
		if err == nil {
			return nil
		}
		select {
		case <-a.done:
			return fmt.Errorf("nobody serves %s", url) // fallen tells the rest
		case <-ctx.Done():
			return fmt.Errorf("%s at %s: %w (last try: %v); it wrote:\n%s", a.name, url, context.Cause(ctx), err,
				a.lastLines())
		case <-again.C:
		}
	}
}

// lastLines returns the end of what the process wrote.
func (a *actor) lastLines() string {
	log, err := os.ReadFile(a.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.SplitAfter(string(bytes.TrimSpace(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "")
}

// greets checks that url answers 200 with the greeting: servers are comparable only if they do the same work.
func greets(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != greeting {
		return fmt.Errorf("GET %s: want 200 and %q, got %s and %.200q", url, greeting, response.Status, body)
	}
	return nil
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
