//go:build unix

// A lock that processes of tests take in turn.

package harness

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock waits until no other process has the lock named by path.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
