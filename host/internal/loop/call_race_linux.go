//go:build race

// The race detector takes what one goroutine writes to a descriptor, and another reads, to have happened in this
// order. It hears of that from package syscall alone.

package loop

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func call(trap uintptr, fd int, b []byte) (n int, err error) {
	of := syscall.Read
	if trap == unix.SYS_WRITE {
		of = syscall.Write
	}
	for {
		if n, err = of(fd, b); err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
