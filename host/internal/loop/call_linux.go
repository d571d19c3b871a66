//go:build !race

// One call to the kernel.

package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func call(trap uintptr, fd int, b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		done, _, errno := syscall.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			return int(done), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
