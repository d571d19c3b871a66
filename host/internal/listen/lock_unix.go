//go:build unix

// A lock that ends with its process: how a spool tells the living from the dead.

package listen

import (
	"os"
	"syscall"
)

// nonblocking keeps an open from waiting for the other end of a named pipe.
const nonblocking = syscall.O_NONBLOCK

// tryLock says whether the lock is ours now; it lasts until the file is closed, or its process ends.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
