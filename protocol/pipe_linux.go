// System calls on pipes that never wait. Go's scheduler is not told of them, as it is of calls that may wait: its
// monitor would look after each, and cost more than the call.

//go:build !race

package protocol

import (
	"syscall"
	"unsafe"
)

func readNow(fd uintptr, b []byte) (int, error)  { return call(syscall.SYS_READ, fd, b) }
func writeNow(fd uintptr, b []byte) (int, error) { return call(syscall.SYS_WRITE, fd, b) }

func call(trap, fd uintptr, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
