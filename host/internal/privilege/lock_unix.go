//go:build unix

package privilege

import (
	"os"
	"syscall"
)

// tryLock says whether the lock is ours now; it lasts until the file is closed, or its process ends.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
