//go:build unix

// The lock beside a control socket tells a host that lives from one that left its socket behind.

package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const socketsLookLikeFiles = false

// errLocked says that a living process has the lock.
var errLocked = errors.New("the lock is held")

// lock is a file that is locked as long as we live, or another process that has a duplicate.
type lock struct {
	file *os.File
	path string
}

// adopt is the lock that another host has, and this one is to have.
func adopt(file *os.File, path string) (*lock, error) {
	if l := (&lock{file, path}); l.ours() {
		return l, nil
	}
	return nil, fmt.Errorf("the lock %s is not the one that is handed over", path)
}

// sign has the file name this process.
func (l *lock) sign() {
	l.file.Truncate(0)
	l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // for holder; without it a message says less
}

// duplicate is for another host. The lock is held as long as one of them is open.
func (l *lock) duplicate() (*os.File, error) {
	fd, err := unix.FcntlInt(l.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return os.NewFile(uintptr(fd), l.path), nil
}

// leave gives it up to whoever has a duplicate.
func (l *lock) leave() { l.file.Close() }

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
				return nil, errLocked
			}
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
		if l := (&lock{f, path}); l.ours() {
			l.sign()
			return l, nil
		}
		f.Close() // its last owner removed it between our open and our lock
	}
}

// ours says whether the file at the path is still the one that is locked.
func (l *lock) ours() bool {
	open, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.path)
	return err == nil && os.SameFile(open, there)
}

// release removes the file if it is still ours.
func (l *lock) release() {
	if l.ours() {
		os.Remove(l.path)
	}
	l.file.Close()
}

// holder is the process that has the lock at path; 0 if there is none, or it can't be known.
func holder(path string) (pid int) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 0 || errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return 0
	}
	return pid
}

// restrict sets the mode that bind gives the socket's file. Where the system has no such thing, the chmod that follows
// is all.
func restrict(fd uintptr) { unix.Fchmod(int(fd), 0o600) }
