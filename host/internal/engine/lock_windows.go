// lock_windows.go tells whose a folder is by a lock on a file.

package engine

import (
	"os"

	"golang.org/x/sys/windows"
)

// tryLock says whether the lock is ours now, until the file is closed or the process ends.
func tryLock(f *os.File) bool {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped)) == nil
}
