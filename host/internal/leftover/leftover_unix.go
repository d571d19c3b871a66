//go:build unix

// On Unix the living lock a file: what has none, and is ours, was left over.

package leftover

import (
	"io/fs"
	"os"
	"syscall"
)

// nonblocking keeps an open from waiting for the other end of a named pipe.
const nonblocking = syscall.O_NONBLOCK

// TryLock says whether the lock is ours now; it lasts until the file is closed, or its process ends. That is how the
// living are told from the dead.
func TryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

func isOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
