// The reaper: one small process that outlives us by a moment. A parent-death signal kills a worker, but not what the
// worker started; so the reaper holds the end of a pipe from us, knows the process groups, and kills them when the
// pipe ends, whatever we died of.

package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers/internal/wait"
)

// Reaper is our hold on the reaper process. If that dies, or takes nothing any more, another one comes in its place.
// Its methods are safe for concurrent use, and a nil Reaper does nothing.
type Reaper struct {
	command []string
	log     hclog.Logger
	quit    chan struct{} // closed by Close
	ended   chan struct{} // closed when the last process has gone
	// that one did its work when Close asked for it; written before ended is closed, and read after
	served bool

	mu      sync.Mutex
	groups  map[int]struct{} // that have to go with us; guarded by mu, as all below
	pipe    *os.File         // nil while there is no process
	told    time.Time        // when the last line was written
	process *os.Process
}

const (
	// tellPatience is how long the reaper may take to read a line when its pipe is full.
	tellPatience = time.Second
	// reaperPatience is how long it may take to end, and again once it was killed.
	reaperPatience = 2 * time.Second
	// reaperLook is how often it is looked whether it reads.
	reaperLook = 10 * time.Second
	// reaperPause is the least time between two that die.
	reaperPause = time.Second
)

// StartReaper runs command, which has to call [RunReaper] with its standard input; a program usually gives itself
// with a hidden argument. Where the system itself ends what is left, there is none, and the Reaper is nil. log, which
// may be nil, is told if the process has to be replaced. The caller closes it once its pools have stopped.
func StartReaper(command []string, log hclog.Logger) (*Reaper, error) {
	if !reaperNeeded {
		return nil, nil
	}
	if log == nil {
		log = hclog.NewNullLogger()
	}
	r := &Reaper{command: command, log: log, quit: make(chan struct{}), ended: make(chan struct{}),
		groups: make(map[int]struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return nil, err
	}
	go r.watch(r.process) // ends after Close
	go func() {           // likewise
		for !wait.Within(r.quit, reaperLook) {
			r.look()
		}
	}()
	return r, nil
}

// start runs the process, and tells it what there is. r.mu is held.
func (r *Reaper) start() error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		out.Close()
		return err
	}
	defer null.Close()
	p, err := children.start(r.command,
		&os.ProcAttr{Files: []*os.File{in, null, os.Stderr}, Sys: reaperGroup()})
	if err != nil {
		out.Close()
		return fmt.Errorf("the reaper can't be started: %w", err)
	}
	r.pipe, r.process = out, p
	for pid := range r.groups {
		r.tell("+", pid)
	}
	return nil
}

// watch waits for the process, and puts another one in its place until Close.
func (r *Reaper) watch(p *os.Process) {
	defer close(r.ended)
	for began := time.Now(); p != nil; began = time.Now() {
		state, err := p.Wait()
		children.forget(p.Pid)
		how := fmt.Sprint(state)
		if err != nil {
			how = err.Error()
		}
		r.mu.Lock()
		r.drop()
		r.mu.Unlock()
		if wait.Within(r.quit, 0) {
			r.served = err == nil && state.Success()
			return
		}
		r.log.Warn("the process that ends what workers leave behind is gone: another one takes its place", "pid",
			p.Pid, "how", how)
		if wait.Within(r.quit, reaperPause-time.Since(began)) {
			return
		}
		p = r.replace()
	}
}

// replace starts another process, and tries until it can. It returns nil after Close.
func (r *Reaper) replace() *os.Process {
	for pause := reaperPause; ; pause = min(2*pause, time.Minute) {
		r.mu.Lock()
		if wait.Within(r.quit, 0) {
			r.mu.Unlock()
			return nil
		}
		err := r.start()
		p := r.process
		r.mu.Unlock()
		if err == nil {
			return p
		}
		r.log.Error("nothing would end what workers leave behind if the host died", "error", err, "next_attempt",
			pause.String())
		if wait.Within(r.quit, pause) {
			return nil
		}
	}
}

// drop lets go of the pipe: that ends the process if it has not ended. r.mu is held.
func (r *Reaper) drop() {
	if r.pipe != nil {
		r.pipe.Close()
		r.pipe = nil
	}
}

func (r *Reaper) register(pid int) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups[pid] = struct{}{}
	r.tell("+", pid)
}

func (r *Reaper) forget(pid int) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.groups, pid)
	r.tell("-", pid)
}

// tell writes a line. A process that does not take it is killed, and watch brings the next, who is told everything.
// r.mu is held.
func (r *Reaper) tell(what string, pid int) {
	if r.pipe == nil {
		return
	}
	r.write(fmt.Sprintf("%s%d\n", what, pid))
}

func (r *Reaper) write(line string) {
	r.told = time.Now()
	r.pipe.SetWriteDeadline(r.told.Add(tellPatience)) // fails only where pipes have none
	if _, err := io.WriteString(r.pipe, line); err != nil {
		r.process.Kill() // it may have ended already
		r.drop()
	}
}

// look sees to it that the process reads: one that was stopped would be no use. It notices with the second look.
func (r *Reaper) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.pipe == nil:
	case pipeUnread(r.pipe) > 0 && time.Since(r.told) > tellPatience:
		r.process.Kill()
		r.drop()
	default:
		r.write("\n") // says nothing
	}
}

// Close ends the reaper and waits for it, but not for ever. The groups that are still registered are killed.
func (r *Reaper) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	close(r.quit)
	r.drop()
	left, process := r.groups, r.process
	r.groups = nil
	r.mu.Unlock()
	if wait.Within(r.ended, reaperPatience) && r.served {
		return nil
	}
	process.Kill() // it is stopped or stuck, if it has not died before: its work is ours
	for pid := range left {
		killGroup(pid)
	}
	if !wait.Within(r.ended, reaperPatience) {
		return fmt.Errorf("the reaper, process %d, does not end, though it was killed", process.Pid)
	}
	return nil
}

// RunReaper is the reaper's whole program: it notes the process groups that are named on in, one a line with + or -
// before it, and at the end of in kills those that are left. It ignores the signals that end its parent.
func RunReaper(in io.Reader) {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	groups := map[int]bool{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		pid, err := strconv.Atoi(strings.TrimLeft(line, "+-"))
		if err != nil || pid < 2 {
			continue
		}
		if strings.HasPrefix(line, "+") {
			groups[pid] = true
		} else {
			delete(groups, pid)
		}
	}
	for pid := range groups {
		killGroup(pid)
	}
}
