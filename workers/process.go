// A worker's process and its three pipes, as the pool sees them.

package workers

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// framesVariable announces the descriptors of the frames (SPEC.md §1.1).
const framesVariable = "WORKERHOST_FRAMES"

// process is what a worker needs of its process. The tests have one that is a goroutine.
type process interface {
	pid() int
	// frames: what the worker writes, and what it reads. Closing the latter is its end of input.
	frames() (from io.Reader, to io.WriteCloser)
	stderr() io.Reader
	// wait returns once the process has exited and its process group is killed, and says how it went. It is called once.
	wait() string
	terminate()
	kill()
	// askBacktrace signals the process that READY named, if it is the worker's, and says whether it could.
	askBacktrace(pid int) bool
	// kernelState tells what the kernel says of the process, for a person; "" where it says nothing.
	kernelState() string
	// expire makes reads from the pipes end at t: a process that escaped the group may hold them open.
	expire(t time.Time)
	// unread says how many bytes of what was sent nobody has read; -1 if it can't be known.
	unread() int
	// cpu is the processor time that it took, once wait has returned.
	cpu() time.Duration
	// memory is how much is resident, in bytes; 0 if it can't be known.
	memory() int64
	// close gives up the reading ends.
	close()
}

// osProcess holds the pipes as files from os.Pipe, since other owners (an event loop, a hand-over) may need the descriptors.
type osProcess struct {
	process *os.Process
	in      *os.File // we write, the worker reads
	out     *os.File // the worker writes
	err     *os.File
	reaper  *Reaper
	used    time.Duration // of processors; set by wait

	mu    sync.Mutex
	ended bool // its number may soon be another process's; guarded by mu
}

// processCommand is what a process is started with.
type processCommand struct {
	args      []string // the program's path first
	directory string
	env       []string
	stdio     bool    // the frames go over standard input and output (SPEC.md §1.1)
	reaper    *Reaper // is told the process group; nil is nobody
}

// startProcess starts a process in a group of its own. Its error is the system's, or unprepared.
func startProcess(c processCommand) (process, error) {
	stdio := c.stdio || runtime.GOOS == "windows"
	var pipes [6]*os.File
	for i := 0; i < len(pipes); i += 2 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(pipes[:])
			return nil, unprepared{fmt.Errorf("no pipes for a worker: %w; raise the limit on open files (ulimit -n)", err)}
		}
		pipes[i], pipes[i+1] = r, w
	}
	toWorker, in, out, fromWorker, errs, toLog := pipes[0], pipes[1], pipes[2], pipes[3], pipes[4], pipes[5]
	null, err := os.Open(os.DevNull)
	if err != nil {
		closeAll(pipes[:])
		return nil, unprepared{err}
	}
	defer closeAll([]*os.File{null, toWorker, fromWorker, toLog})

	files := []*os.File{null, toLog, toLog, toWorker, fromWorker}
	env := without(c.env, framesVariable) // it may be ours, from a host above us
	if stdio {
		files = []*os.File{toWorker, fromWorker, toLog}
	} else {
		env = append(env, framesVariable+"=3,4")
	}
	p, err := spawn(c.args, &os.ProcAttr{Dir: c.directory, Env: env, Files: files, Sys: processGroup()})
	if err != nil {
		closeAll([]*os.File{in, out, errs})
		return nil, err
	}
	c.reaper.register(p.Pid)
	return &osProcess{process: p, in: in, out: out, err: errs, reaper: c.reaper}, nil
}

// unprepared is an error from before the program was tried.
type unprepared struct{ error }

// Unwrap gives the cause.
func (u unprepared) Unwrap() error { return u.error }

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

func without(env []string, name string) []string {
	kept := make([]string, 0, len(env)+1)
	for _, e := range env {
		if !strings.HasPrefix(e, name+"=") {
			kept = append(kept, e)
		}
	}
	return kept
}

func (p *osProcess) pid() int { return p.process.Pid }

func (p *osProcess) frames() (io.Reader, io.WriteCloser) { return p.out, protocol.Pipe{File: p.in} }

func (p *osProcess) stderr() io.Reader { return p.err }

func (p *osProcess) wait() string {
	unreaped := awaitExit(p.process)
	if unreaped {
		p.endGroup() // while the leader is a zombie the group's number is surely ours
	}
	state, err := p.process.Wait()
	if !unreaped {
		p.endGroup()
	}
	if err != nil {
		return err.Error()
	}
	p.used = state.UserTime() + state.SystemTime()
	return state.String()
}

func (p *osProcess) cpu() time.Duration { return p.used }

// endGroup kills what the process left behind. From then on nobody signals its number.
func (p *osProcess) endGroup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	killGroup(p.process.Pid)
	p.reaper.forget(p.process.Pid)
	p.ended = true
}

func (p *osProcess) terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		terminateGroup(p.process)
	}
}

func (p *osProcess) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		killGroup(p.process.Pid)
	}
	p.process.Kill() // where there are no groups; an error means that it has exited
}

func (p *osProcess) expire(t time.Time) {
	p.out.SetReadDeadline(t) // fails only where pipes have no deadlines: there nothing can hold them either
	p.err.SetReadDeadline(t)
}

func (p *osProcess) unread() int { return pipeUnread(p.in) }

func (p *osProcess) memory() int64 { return residentMemory(p.process.Pid) }

func (p *osProcess) close() { closeAll([]*os.File{p.out, p.err}) }

// spawner runs on one thread for ever. On Linux the parent-death signal follows the thread that forked, so it must outlive the workers.
var spawner = sync.OnceValue(func() chan func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func spawn(command []string, attr *os.ProcAttr) (p *os.Process, err error) {
	done := make(chan struct{})
	spawner() <- func() {
		defer close(done)
		p, err = os.StartProcess(command[0], command, attr)
	}
	<-done
	return p, err
}
