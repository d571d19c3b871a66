// Commands that end with the process of the tests, whatever ends that.

package harness

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// starter runs functions on a thread that never ends: a child's parent-death signal follows the thread that forked.
var starter = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})

// Spawn starts a command that the kernel kills should this process die, be it by a time-out or by SIGKILL. A host
// takes its workers with it. It is safe for concurrent use.
func Spawn(c *exec.Cmd) error {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	starter() <- func() { started <- c.Start() }
	return <-started
}
