//go:build linux

// A worker: a link and a place in the template's orders, until the template has forked it; then a process.

package fork

import (
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// worker implements [workers.Process].
type worker struct {
	template *template
	name     string // of its link; nobody else's
	link     *process.NamedLink
	stderr   *io.PipeReader
	forked   chan struct{} // closed when its parent has ended; under template.mu
	settled  chan struct{} // closed when it is a process, or never will be one
	hungUp   chan struct{} // closed when a process has nothing more to say than its link does

	mu       sync.Mutex
	key      int             // that its output is known by
	child    workers.Process // nil if it never was one; fixed from settled on
	failure  string          // how it came not to be one; likewise
	conn     *net.UnixConn   // of the process
	farewell string          // the exit status that it said it would have
}

// adopt has a process be this worker, which has connected and is its template's grandchild. It returns when the
// process has hung up.
func (w *worker) adopt(conn *net.UnixConn, lines *lines, pid int) {
	select {
	case <-w.forked:
	case <-w.settled: // it is wanted no more, or the template has died
		return
	}
	child, err := process.Adopt(process.Adopted{PID: pid, Link: w.link, Reaper: w.template.reaper})
	if err != nil {
		w.fail("exit status 1", err.Error())
		return
	}
	w.mu.Lock()
	wanted := w.failure == ""
	if wanted {
		w.child, w.conn = child, conn
		w.template.output.Move(w.key, pid)
		w.key = pid
		close(w.settled)
	}
	w.mu.Unlock()
	if !wanted {
		child.Kill()
		child.Wait()
		return
	}
	defer close(w.hungUp)
	io.WriteString(conn, "go\n") // an error means that it has died
	for {
		word, rest, err := lines.next()
		switch {
		case err != nil:
			return
		case word == "open":
			w.link.Opened()
		case word == "end":
			w.mu.Lock()
			w.farewell = rest
			w.mu.Unlock()
		}
	}
}

// fail settles that it will not be a process: how is what its exit would be, and why is told as its last words.
func (w *worker) fail(how, why string) {
	w.mu.Lock()
	again := w.failure != "" || w.child != nil
	if !again {
		w.failure = how
	}
	key := w.key
	w.mu.Unlock()
	if !again {
		w.template.output.Say(key, why)
		close(w.settled)
	}
}

func (w *worker) isForked() bool {
	select {
	case <-w.forked:
		return true
	default:
		return false
	}
}

func (w *worker) PID() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.child != nil:
		return w.child.PID()
	case w.boots():
		return w.template.program.PID()
	}
	return 0
}

// boots says whether the template boots for it, whose life it shares until it is a process of its own.
func (w *worker) boots() bool { return w.template.first == w }

func (w *worker) Frames() (from io.Reader, to io.WriteCloser) {
	out, in := w.link.Files()
	return out, protocol.Pipe{File: in}
}

func (w *worker) Stderr() io.Reader { return w.stderr }

// lastWords is how long it may take until what a process has said before its end is here. It passes only if what it
// has started keeps the connection.
const lastWords = 200 * time.Millisecond

func (w *worker) Wait() string {
	defer w.template.left(w)
	<-w.settled
	defer w.link.Opened() // whether it has done so or not
	if w.child == nil {
		w.template.output.Ended(w.key)
		return w.failure
	}
	how := w.child.Wait()
	w.conn.SetReadDeadline(time.Now().Add(lastWords))
	<-w.hungUp
	w.template.output.Ended(w.key)
	w.mu.Lock()
	defer w.mu.Unlock()
	if status, err := strconv.Atoi(w.farewell); err == nil && how == "signal: killed" {
		return "exit status " + strconv.Itoa(status) // which it can't have: PHP would undo the template's work first
	}
	return how
}

// Kill ends the process, or what would become it.
func (w *worker) Kill() {
	switch p, failed := w.process(); {
	case p != nil:
		p.Kill()
	case !failed:
		w.template.withdraw(w)
	}
}

func (w *worker) Terminate() {
	if p, _ := w.process(); p != nil {
		p.Terminate()
	} else {
		w.Kill()
	}
}

// process is nil as long as it is none, and for one that will never be.
func (w *worker) process() (p workers.Process, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.child, w.failure != ""
}

func (w *worker) AskBacktrace(pid int) bool {
	p, _ := w.process()
	return p != nil && p.AskBacktrace(pid)
}

func (w *worker) KernelState() string {
	if p, _ := w.process(); p != nil {
		return p.KernelState()
	}
	if w.boots() {
		return w.template.program.KernelState()
	}
	return "none: its template has not forked it"
}

func (w *worker) Expire(t time.Time) {
	out, _ := w.link.Files()
	out.SetReadDeadline(t) // what it printed ends by itself
}

func (w *worker) Unread() int { return w.link.Unread() }

func (w *worker) CPU() time.Duration {
	if p, _ := w.process(); p != nil {
		return p.CPU()
	}
	return 0
}

// Memory is what is its own, and not shared with the template.
func (w *worker) Memory() int64 {
	if p, _ := w.process(); p != nil {
		return process.PrivateMemory(p.PID())
	}
	if w.boots() {
		return w.template.program.Memory()
	}
	return 0
}

func (w *worker) Close() {
	w.link.Close()
	w.stderr.Close()
}
