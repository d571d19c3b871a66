// Process groups and exits on Linux.

package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// processGroup gives a worker a group of its own, and has the kernel kill it should we die.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns when the process has exited, and says whether it is still to be reaped.
func awaitExit(p *os.Process) bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, p.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}

// pipeUnread asks the pipe how many of the bytes written nobody has read.
func pipeUnread(f *os.File) int {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1
	}
	n := -1
	err = raw.Control(func(fd uintptr) {
		if v, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil {
			n = v
		}
	})
	if err != nil {
		return -1
	}
	return n
}
