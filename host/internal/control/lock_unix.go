//go:build unix

package control

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const socketsLookLikeFiles = false

// errHeld says that a living process has the lock.
var errHeld = errors.New("the lock is held")

// lock is a file that is locked as long as we live.
type lock struct{ file *os.File }

// acquire takes the lock at path without waiting. The kernel gives it back when we die, whatever we die of.
func acquire(path string) (*lock, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != nil {
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, errHeld
			}
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
		ours, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(ours, there) {
			return &lock{f}, nil
		}
		f.Close() // its last owner removed it between our open and our lock
	}
}

// release removes the file while it is still ours.
func (l *lock) release() {
	os.Remove(l.file.Name())
	l.file.Close()
}

// restrict sets the mode that bind gives the socket's file. Where the system has no such thing, the chmod that follows is all.
func restrict(fd uintptr) { unix.Fchmod(int(fd), 0o600) }
