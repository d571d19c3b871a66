// Pipes of Unixes other than Linux, and for the race detector: it takes what one goroutine writes to a descriptor, and
// another reads, to have happened in this order, and hears of that from package syscall alone.

//go:build unix && (!linux || race)

package protocol

import "syscall"

func readNow(fd uintptr, b []byte) (n int, err error) {
	for {
		if n, err = syscall.Read(int(fd), b); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func writeNow(fd uintptr, b []byte) (n int, err error) {
	for {
		if n, err = syscall.Write(int(fd), b); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
