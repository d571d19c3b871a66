//go:build unix

// lock_unix.go tells whose a folder is by a lock on a file.

package engine

import (
	"os"

	"github.com/workerhost/workerhost/host/internal/leftover"
)

// tryLock says whether the lock is ours now, until the file is closed or the process ends.
func tryLock(f *os.File) bool { return leftover.TryLock(f) }
