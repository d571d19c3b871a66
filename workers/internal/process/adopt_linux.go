// Adopting processes: a worker may be another worker's fork. Its parent ends at once, and the kernel gives it to us,
// as it gives us every orphan among the descendants of our children from then on.

package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AdoptOrphans has the kernel give us the orphans among our descendants, for good. Those that nobody claims with
// [Adopt] are reaped when they end; so whoever starts processes by other means than this package's leaves them in our
// own process group. It may be called again, which does nothing more.
func AdoptOrphans() error { return adopting() }

var adopting = sync.OnceValue(func() error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("orphans can't be adopted: %w", err)
	}
	go reapOrphans(ended) // as long as the process lives
	return nil
})

// lookAgain is how long after an exit that somebody else takes it is looked behind it.
const lookAgain = 20 * time.Millisecond

// reapOrphans takes the exits of processes that are nobody's.
func reapOrphans(ended <-chan os.Signal) {
	again := time.NewTimer(0)
	for {
		select {
		case <-ended:
		case <-again.C:
		}
		for {
			reaped, others := children.reapOrphan()
			if others {
				again.Reset(lookAgain)
			}
			if !reaped {
				break
			}
		}
	}
}

// reapOrphan takes one exit of a process that is nobody's, and says whether there was one; or else whether one that is
// somebody's hides what stands behind it. What other packages have started by os/exec runs in our own process group,
// where no worker's descendant is.
func (f *family) reapOrphan() (reaped, others bool) {
	f.mu.Lock() // nobody starts a process meanwhile
	defer f.mu.Unlock()
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	pid := exited(&info)
	if err != nil || pid == 0 {
		return false, err == unix.EINTR
	}
	group, err := unix.Getpgid(pid)
	if err != nil || f.count[pid] > 0 || group == unix.Getpgrp() {
		return false, true
	}
	_, err = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return err == nil, err != nil
}

// exited is the process that a Siginfo of waitid names: si_pid, the first of its union, which is aligned as pointers
// are.
func exited(info *unix.Siginfo) int {
	const head = 3 * unsafe.Sizeof(int32(0)) // si_signo, si_errno, si_code
	const align = unsafe.Alignof(uintptr(0))
	const at = (head + align - 1) &^ (align - 1)
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), at)))
}

// Adopted is a process that came to be our child by the death of its parent.
type Adopted struct {
	PID    int
	Link   *NamedLink
	Reaper *Reaper // is told its process group; nil is nobody
}

// Adopt makes such a process the leader of a group of its own, and a Process of ours whose Stderr is not to be used.
// It must not have executed anything since it was forked. It is to be waited for.
func Adopt(a Adopted) (Process, error) {
	children.mu.Lock()
	p, err := os.FindProcess(a.PID)
	if err == nil {
		err = p.Signal(unix.Signal(0))
	}
	if err == nil { // whose child it is the kernel knows
		err = unix.Setpgid(a.PID, a.PID)
	}
	if err == nil {
		children.count[a.PID]++
	}
	children.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("process %d can't be adopted: %w", a.PID, err)
	}
	a.Reaper.register(a.PID)
	return &osProcess{process: p, in: a.Link.in, out: a.Link.out, group: group(p.Pid), reaper: a.Reaper}, nil
}

// NamedLink is a link that a worker opens by name, since it is no process yet: two FIFOs, NAME.in and NAME.out.
type NamedLink struct {
	path    string
	in, out *os.File   // we write, and read
	spare   []*os.File // of the worker's ends, so that ours meet nobody's end before it has opened them
}

// MakeLink makes both for the user.
func MakeLink(path string, owner int) (_ *NamedLink, err error) {
	l := &NamedLink{path: path}
	defer func() {
		if err != nil {
			l.Opened()
			closeAll([]*os.File{l.in, l.out})
			err = fmt.Errorf("no link for a worker: %w", err)
		}
	}()
	for _, file := range l.names() {
		if err := unix.Mkfifo(file, 0o600); err != nil {
			return nil, &os.PathError{Op: "mkfifo", Path: file, Err: err}
		}
		if owner >= 0 {
			if err := os.Lchown(file, owner, -1); err != nil {
				return nil, err
			}
		}
	}
	names := l.names()
	open := func(path string, way int) (f *os.File) {
		if err == nil {
			f, err = os.OpenFile(path, way|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
		}
		return f
	}
	l.spare = append(l.spare, open(names[0], os.O_RDONLY))
	l.in = open(names[0], os.O_WRONLY)
	l.out = open(names[1], os.O_RDONLY)
	l.spare = append(l.spare, open(names[1], os.O_WRONLY))
	return l, err
}

func (l *NamedLink) names() [2]string { return [2]string{l.path + ".in", l.path + ".out"} }

// Opened is called once the worker has opened it, or never will: nobody else can from then on.
func (l *NamedLink) Opened() {
	closeAll(l.spare)
	l.spare = nil
	for _, name := range l.names() {
		os.Remove(name) // an error means that there is none
	}
}

// Files are the host's ends: what the worker writes, and what it reads.
func (l *NamedLink) Files() (from, to *os.File) { return l.out, l.in }

// Unread says how many bytes of what was sent nobody has read; -1 if it can't be known.
func (l *NamedLink) Unread() int { return pipeUnread(l.in) }

// Close gives up the host's end of what the worker writes, and all of it if there never was a worker.
func (l *NamedLink) Close() {
	l.Opened()
	l.out.Close()
}

// Peer is the process at the other end of a unix socket.
func Peer(socket syscall.Conn) (pid int, err error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	if e := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil {
		err = e
	}
	if err == nil && peer.Pid == 0 {
		err = errors.New("it is not of this machine's processes")
	}
	if err != nil {
		return 0, fmt.Errorf("who is at the other end of a socket can't be known: %w", err)
	}
	return int(peer.Pid), nil
}
