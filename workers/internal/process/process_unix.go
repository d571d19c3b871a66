//go:build unix

// Signals to a worker's process group.

package process

import (
	"os"
	"syscall"
)

func terminateGroup(p *os.Process) {
	syscall.Kill(-p.Pid, syscall.SIGTERM) // ESRCH: it has exited already
}

func killGroup(pid int) {
	syscall.Kill(-pid, syscall.SIGKILL) // ESRCH: nobody is left
}
