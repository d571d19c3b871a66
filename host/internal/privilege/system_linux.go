// The system calls of [Become] on Linux.

package privilege

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func setUID(id int) error { return syscall.Setresuid(id, id, id) }

func setGID(id int) error { return syscall.Setresgid(id, id, id) }

func setLimit(resource int, value int64) error {
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: uint64(value), Max: uint64(value)})
}

func dieWithParent() error { return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) }
