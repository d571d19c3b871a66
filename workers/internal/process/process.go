// Package process is what knows an operating system: a worker's process and its pipes, its group, what the kernel says
// of it, and the reaper that kills what is left. It knows no pool and no frame.
package process

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// FramesVariable announces the descriptors of the frames (SPEC.md §1.1).
const FramesVariable = "WORKERHOST_FRAMES"

// Process is what a worker needs of its process. The tests have one that is a goroutine.
type Process interface {
	PID() int
	// Frames: what the worker writes, and what it reads. Closing the latter is its end of input.
	Frames() (from io.Reader, to io.WriteCloser)
	Stderr() io.Reader
	// Wait returns once the process has exited and its process group is killed, and says how it went. It is called
	// once.
	Wait() string
	Terminate()
	Kill()
	// AskBacktrace signals the process that READY named, if it is the worker's, and says whether it could.
	AskBacktrace(pid int) bool
	// KernelState tells what the kernel says of the process, for a person; "" where it says nothing.
	KernelState() string
	// Expire makes reads from the pipes end at t: a process that escaped the group may hold them open.
	Expire(t time.Time)
	// Unread says how many bytes of what was sent nobody has read; -1 if it can't be known.
	Unread() int
	// CPU is the processor time that it took, once wait has returned.
	CPU() time.Duration
	// Memory is how much is resident, in bytes; 0 if it can't be known.
	Memory() int64
	// Close gives up the reading ends.
	Close()
}

// osProcess holds the pipes as files from os.Pipe, since other owners (an event loop, a hand-over) may need the
// descriptors.
type osProcess struct {
	process *os.Process
	in      *os.File // we write, the worker reads
	out     *os.File // the worker writes
	err     *os.File
	group   group // it, and all that it starts
	reaper  *Reaper
	used    time.Duration // of processors; set by wait
	wide    int64         // what widen returned

	mu    sync.Mutex
	ended bool // its number may soon be another process's; guarded by mu
}

// Command is what a process is started with.
type Command struct {
	Args      []string // the program's path first
	Directory string
	Env       []string
	Stdio     bool    // the frames go over standard input and output (SPEC.md §1.1)
	Reaper    *Reaper // is told the process group; nil is nobody
	// Output is where a process without frames prints; nil is to its Stderr, which is not to be used otherwise.
	Output *os.File
}

// Start starts a process in a group of its own. Its error is the system's, or unprepared.
func Start(c Command) (Process, error) {
	p, err := start(c, false)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// StartLinkless is Start for a process that gets no frames, and whose Frames are not to be used.
func StartLinkless(c Command) (Program, error) {
	p, err := start(c, true)
	if err != nil {
		return nil, err
	}
	p.in.Close() // nobody is at the other end
	return p, nil
}

func start(c Command, linkless bool) (*osProcess, error) {
	stdio := c.Stdio || runtime.GOOS == "windows"
	var pipes [6]*os.File
	for i := 0; i < len(pipes); i += 2 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(pipes[:])
			return nil, Unprepared{fmt.Errorf("no pipes for a worker: %w; raise the limit on open files (ulimit -n)",
				err)}
		}
		pipes[i], pipes[i+1] = r, w
	}
	toWorker, in, out, fromWorker, errs, toLog := pipes[0], pipes[1], pipes[2], pipes[3], pipes[4], pipes[5]
	null, err := os.Open(os.DevNull)
	if err != nil {
		closeAll(pipes[:])
		return nil, Unprepared{err}
	}
	defer closeAll([]*os.File{null, toWorker, fromWorker, toLog})

	files := []*os.File{null, toLog, toLog}
	if c.Output != nil {
		files = []*os.File{null, c.Output, c.Output}
	}
	env := Without(c.Env, FramesVariable) // it may be ours, from a host above us
	switch {
	case linkless: // the pipes have nobody at their other end
	case stdio:
		files = []*os.File{toWorker, fromWorker, toLog}
	default:
		files, env = append(files, toWorker, fromWorker), append(env, FramesVariable+"=3,4")
	}
	p, err := spawn(c.Args, &os.ProcAttr{Dir: c.Directory, Env: env, Files: files, Sys: processGroup()})
	if err != nil {
		closeAll([]*os.File{in, out, errs})
		return nil, err
	}
	group, err := enclose(p)
	if err != nil {
		p.Kill()
		p.Wait()
		children.forget(p.Pid)
		closeAll([]*os.File{in, out, errs})
		return nil, Unprepared{fmt.Errorf("a worker's process can't be kept together with what it starts: %w", err)}
	}
	c.Reaper.register(p.Pid)
	started := &osProcess{process: p, in: in, out: out, err: errs, group: group, reaper: c.Reaper}
	if !linkless {
		started.wide = widen(in, out)
	}
	return started, nil
}

// Unprepared is an error from before the program was tried.
type Unprepared struct{ error }

// Unwrap gives the cause.
func (u Unprepared) Unwrap() error { return u.error }

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// Without is an environment without the variable of that name; env stays as it is.
func Without(env []string, name string) []string {
	kept := make([]string, 0, len(env)+1)
	for _, e := range env {
		if !strings.HasPrefix(e, name+"=") {
			kept = append(kept, e)
		}
	}
	return kept
}

func (p *osProcess) PID() int { return p.process.Pid }

func (p *osProcess) Frames() (io.Reader, io.WriteCloser) {
	return protocol.Pipe{File: p.out}, protocol.Pipe{File: p.in}
}

func (p *osProcess) Stderr() io.Reader { return p.err }

func (p *osProcess) Wait() string {
	unreaped := awaitExit(p.process)
	if unreaped {
		p.endGroup() // while the leader is a zombie the group's number is surely ours
	}
	state, err := p.process.Wait()
	children.forget(p.process.Pid)
	if !unreaped {
		p.endGroup()
	}
	if err != nil {
		return err.Error()
	}
	p.used = state.UserTime() + state.SystemTime()
	return state.String()
}

func (p *osProcess) CPU() time.Duration { return p.used }

// endGroup kills what the process left behind. From then on nobody signals its number.
func (p *osProcess) endGroup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.group.end()
	p.reaper.forget(p.process.Pid)
	p.ended = true
}

func (p *osProcess) Terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		terminateGroup(p.process)
	}
}

// Program is a Process that was started as a program.
type Program interface {
	Process
	// Quit asks the process, and not its group, to end in good order (SIGQUIT).
	Quit()
	// Signal sends the process a signal, or its whole group. Where there are no signals it does nothing.
	Signal(s syscall.Signal, group bool)
}

func (p *osProcess) Quit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.process.Signal(syscall.SIGQUIT) // an error means that it has exited
	}
}

func (p *osProcess) Signal(s syscall.Signal, group bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
	case group:
		signalGroup(p.process.Pid, s)
	default:
		p.process.Signal(s) // an error means that it has exited
	}
}

func (p *osProcess) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.group.kill()
	}
	p.process.Kill() // where there are no groups; an error means that it has exited
}

func (p *osProcess) Expire(t time.Time) {
	p.out.SetReadDeadline(t) // fails only where pipes have no deadlines: there nothing can hold them either
	p.err.SetReadDeadline(t)
}

func (p *osProcess) Unread() int { return pipeUnread(p.in) }

func (p *osProcess) Memory() int64 { return ResidentMemory(p.process.Pid) }

func (p *osProcess) Close() {
	closeAll([]*os.File{p.out, p.err})
	narrow(p.wide)
}

// spawner runs on one thread for ever. On Linux the parent-death signal follows the thread that forked, so it must
// outlive the workers.
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
		p, err = children.start(command, attr)
	}
	<-done
	return p, err
}
