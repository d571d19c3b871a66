// Our own children, which somebody here waits for: no other may take their exits.

package process

import (
	"os"
	"sync"
)

// children are the processes that were started here, or adopted, until they have been waited for.
var children = family{count: map[int]int{}}

// family is safe for concurrent use.
type family struct {
	mu    sync.Mutex
	count map[int]int // by pid: one that was waited for may have lent its number already; guarded by mu
}

// start starts a process, which counts from its first moment.
func (f *family) start(command []string, attr *os.ProcAttr) (*os.Process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := os.StartProcess(command[0], command, attr)
	if err == nil {
		f.count[p.Pid]++
	}
	return p, err
}

// forget is called when a process has been waited for.
func (f *family) forget(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count[pid]--; f.count[pid] <= 0 {
		delete(f.count, pid)
	}
}
