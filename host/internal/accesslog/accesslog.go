// Package accesslog writes one line for each request, behind the requests' backs. A request formats its own line and
// leaves it in a channel; if whoever reads the log is too slow, lines are dropped and counted, and no request waits.
package accesslog

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/quiet"
)

// Log is where all listeners of a host note the requests that they have answered. Its methods are safe for concurrent
// use.
type Log struct {
	json bool
	path string // "" is standard output
	log  hclog.Logger

	lines   chan *[]byte
	reopen  chan struct{}
	quit    chan struct{}
	done    chan struct{}
	once    sync.Once
	users   atomic.Int64 // requests whose lines are still to come, plus one until Retire
	dropped atomic.Int64 // since it was last said
	lost    *atomic.Uint64

	// the writer's own
	file     *os.File
	to       *bufio.Writer
	buffered uint64         // lines in it
	failed   bool           // the last write failed, and that was said
	slow     quiet.Throttle // of lines that were dropped
}

const (
	waitingLines  = 4096 // of at most 8 KiB or so
	flushInterval = 100 * time.Millisecond
	closePatience = 2 * time.Second
)

// Open begins a log. to is "text" or "json", for standard output, or the path of a file, which is JSON if
// its name ends in .json. Text is the combined format of Apache and nginx, followed by fields of our own. lost counts
// the lines that are missing, since nobody took them fast enough or they could not be written; it outlives the log,
// and nil is nobody's.
func Open(to string, lost *atomic.Uint64, log hclog.Logger) (*Log, error) {
	if to == "text" || to == "json" {
		return newLog(to, lost, log, os.Stdout), nil
	}
	file, err := openLog(to)
	if err != nil {
		return nil, err
	}
	return newLog(to, lost, log, file), nil
}

func newLog(to string, lost *atomic.Uint64, log hclog.Logger, file *os.File) *Log {
	if lost == nil {
		lost = new(atomic.Uint64)
	}
	if log == nil {
		log = hclog.NewNullLogger()
	}
	a := &Log{
		json: to == "json" || strings.HasSuffix(to, ".json"), log: log, lost: lost, file: file,
		to:    bufio.NewWriterSize(file, 64<<10),
		lines: make(chan *[]byte, waitingLines), reopen: make(chan struct{}, 1), quit: make(chan struct{}),
		done: make(chan struct{}),
	}
	if to != "text" && to != "json" {
		a.path = to
	}
	a.users.Store(1)
	go a.write() // ends with Close, or when the last user has gone
	return a
}

func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("access log: %w; create its folder and make it writable, or change [http] access_log",
			err)
	}
	return f, nil
}

// Reopen lets go of the file and opens its path anew, once what came before is written: whoever rotates logs calls it
// after renaming the file. Without a file it does nothing.
func (a *Log) Reopen() {
	select {
	case a.reopen <- struct{}{}:
	default: // one is due already
	}
}

// Retain says whether the log still takes the line of a request that comes in now, whose Note or Release lets go of
// it.
func (a *Log) Retain() bool {
	for n := a.users.Load(); n > 0; n = a.users.Load() {
		if a.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// Release lets go of the log without a line.
func (a *Log) Release() {
	if a.users.Add(-1) == 0 {
		a.once.Do(func() { close(a.quit) })
	}
}

// Retire closes the log once the requests that have begun under it have left their lines, and does not wait for them.
// It is called once, when no listener is given the log any more.
func (a *Log) Retire() { a.Release() }

// Close writes what is still there. It gives up if nobody takes it for a while.
func (a *Log) Close() error {
	a.once.Do(func() { close(a.quit) })
	select {
	case <-a.done:
		return nil
	case <-time.After(closePatience):
		return fmt.Errorf("access log: the last lines were not taken within %v", closePatience)
	}
}

var lineBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// add leaves a line, which it owns from here on.
func (a *Log) add(line *[]byte) {
	select {
	case a.lines <- line:
	default:
		a.dropped.Add(1)
		a.lost.Add(1)
		lineBuffers.Put(line)
	}
}

// write is the one goroutine that touches the file.
func (a *Log) write() {
	defer close(a.done)
	var flush <-chan time.Time // set while something is buffered
	for {
		select {
		case line := <-a.lines:
			if a.take(line); flush == nil {
				flush = time.After(flushInterval)
			}
		case <-flush:
			a.flush()
			flush = nil
		case <-a.reopen:
			a.drain()
			a.swap()
			flush = nil
		case <-a.quit:
			a.drain()
			if a.path != "" {
				a.file.Close()
			}
			return
		}
	}
}

// take buffers a line. Each write is whole lines, which stay whole in a file (O_APPEND) though another host, or
// another log, appends to it, too; a pipe may mix those of several.
func (a *Log) take(line *[]byte) {
	if len(*line) > a.to.Available() {
		a.flush()
	}
	a.to.Write(*line) // an error stays, and flush tells of it
	a.buffered++
	*line = (*line)[:0]
	lineBuffers.Put(line)
}

func (a *Log) drain() {
	for {
		select {
		case line := <-a.lines:
			a.take(line)
		default:
			a.flush()
			return
		}
	}
}

func (a *Log) flush() {
	err := a.to.Flush()
	switch {
	case err == nil:
		a.failed = false
	case !a.failed:
		a.failed = true
		a.log.Error("the access log can't be written; its lines are lost", "error", err)
	}
	if err != nil {
		a.lost.Add(a.buffered)
		a.to.Reset(a.file) // the next lines may fit again
	}
	a.buffered = 0
	if n := a.dropped.Load(); n > 0 && a.slow.Pass() {
		a.dropped.Add(-n)
		a.log.Warn("the access log is not written fast enough; lines were dropped", "lines", n)
	}
}

// swap opens the path anew. If that fails the old file stays in use.
func (a *Log) swap() {
	if a.path == "" {
		return
	}
	file, err := openLog(a.path)
	if err != nil {
		a.log.Error("the access log can't be reopened, and goes on in the old file", "error", err)
		return
	}
	a.file.Close()
	a.file = file
	a.to.Reset(file)
	a.log.Info("access log reopened", "path", a.path)
}
