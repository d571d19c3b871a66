//go:build unix

// Signals to a worker's process group.

package process

import (
	"os"
	"syscall"
)

// group is the number of a worker's process group, which it has had since before its program began.
type group int

func enclose(p *os.Process) (group, error) { return group(p.Pid), nil }

func (g group) kill() { killGroup(int(g)) }

// end is kill, for the last time.
func (g group) end() { g.kill() }

func terminateGroup(p *os.Process) { signalGroup(p.Pid, syscall.SIGTERM) }

func signalGroup(pid int, s syscall.Signal) {
	syscall.Kill(-pid, s) // ESRCH: it has exited already
}

func killGroup(pid int) {
	syscall.Kill(-pid, syscall.SIGKILL) // ESRCH: nobody is left
}
