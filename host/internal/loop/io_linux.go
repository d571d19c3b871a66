// Reading and writing without telling Go's scheduler.

package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read reads from fd, which must not block, as read(2) does; an interrupted call is repeated. The scheduler is not
// told, as it is of calls that may wait: that would have its monitor look after this one fifty thousand times a
// second.
func Read(fd int, b []byte) (n int, err error) { return call(unix.SYS_READ, fd, b) }

// Write writes to fd, which must not block, as write(2) does, and is otherwise like Read.
func Write(fd int, b []byte) (n int, err error) { return call(unix.SYS_WRITE, fd, b) }

// wait is epoll_wait(2) that does not wait.
func wait(epoll uintptr, events []unix.EpollEvent) (n int, err error) {
	done, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, epoll, uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(done), nil
}
