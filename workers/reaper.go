// The reaper: one small process that outlives us by a moment. A parent-death signal kills a worker, but not what the worker started; so the reaper
// holds the end of a pipe from us, knows the process groups, and kills them when the pipe ends, whatever we died of.

package workers

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
)

// Reaper is our hold on the reaper process. Its methods are safe for concurrent use, and a nil Reaper does nothing.
type Reaper struct {
	mu      sync.Mutex
	pipe    *os.File
	process *os.Process
}

// StartReaper runs command, which has to call [RunReaper] with its standard input; a program usually gives itself with a
// hidden argument. The caller closes it once its pools have stopped.
func StartReaper(command []string) (*Reaper, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		w.Close()
		return nil, err
	}
	defer null.Close()
	p, err := os.StartProcess(command[0], command, &os.ProcAttr{Files: []*os.File{r, null, os.Stderr}, Sys: reaperGroup()})
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("the reaper can't be started: %w", err)
	}
	return &Reaper{pipe: w, process: p}, nil
}

func (r *Reaper) register(pid int) { r.tell("+", pid) }

func (r *Reaper) forget(pid int) { r.tell("-", pid) }

func (r *Reaper) tell(what string, pid int) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.pipe, "%s%d\n", what, pid) // a reaper that was killed is missed only if we are, too
}

// Close ends the reaper and waits for it. It kills the groups that are still registered.
func (r *Reaper) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pipe.Close()
	_, err := r.process.Wait()
	return err
}

// RunReaper is the reaper's whole program: it notes the process groups that are named on in, one a line with + or - before it, and at the end of
// in kills those that are left. It ignores the signals that end its parent.
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
