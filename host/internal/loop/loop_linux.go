// A loop: one goroutine, one epoll set.

package loop

import (
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Set is some loops, over which descriptors are spread. Its methods are safe for concurrent use.
type Set struct {
	// Refused, if not nil, is told of each descriptor that the kernel has no room for. It is set before the first Add,
	// and called by whoever adds, which closes the descriptor.
	Refused func(error)

	loops   []*loop
	next    atomic.Uint32
	running sync.WaitGroup
}

// New starts the loops: one for each two processors. Close ends them.
func New() (*Set, error) {
	s := &Set{}
	for range (runtime.GOMAXPROCS(0) + 1) / 2 {
		one, err := newLoop()
		if err != nil {
			s.Close()
			return nil, err
		}
		s.loops = append(s.loops, one)
		s.running.Go(one.run) // ends with Close
	}
	return s, nil
}

// Close ends the loops. Nobody hears anything any more; what is registered is its owners' to close.
func (s *Set) Close() {
	for _, one := range s.loops {
		one.set.Close()
	}
	s.running.Wait()
}

// Add has h hear of fd from now on, which may be before Add returns: first what is the case already. fd must not
// block.
func (s *Set) Add(fd int, h Handler) (Registration, error) {
	r, err := s.loops[int(s.next.Add(1))%len(s.loops)].add(fd, h)
	if err != nil && s.Refused != nil {
		s.Refused(err)
	}
	return r, err
}

// Take takes a socket, which must not block, out of net's hands: it gives the descriptor, which is the caller's to
// close, and c is closed. It says false, and leaves c as it is, if that can't be done.
func Take(c net.Conn) (fd int, ok bool) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return -1, false
	}
	if fd, ok = duplicate(socket); ok {
		c.Close()
	}
	return fd, ok
}

// TakeFile is Take for a socket that is a file; it makes it one that does not block.
func TakeFile(f *os.File) (fd int, ok bool) {
	if fd, ok = duplicate(f); !ok {
		return -1, false
	}
	if unix.SetNonblock(fd, true) != nil {
		unix.Close(fd)
		return -1, false
	}
	f.Close()
	return fd, true
}

func duplicate(socket syscall.Conn) (fd int, ok bool) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return -1, false
	}
	fd = -1
	raw.Control(func(given uintptr) { fd, err = unix.FcntlInt(given, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, err == nil && fd >= 0
}

// Registration is that a Handler hears of a descriptor. The zero one is of none.
type Registration struct {
	loop   *loop
	fd     int32
	number int32 // among the loop's
}

// Remove ends it. The descriptor is still open.
func (r Registration) Remove() {
	if r.loop == nil {
		return
	}
	unix.EpollCtl(r.loop.epoll, unix.EPOLL_CTL_DEL, int(r.fd), nil)
	r.loop.forget(r.number)
}

// loop waits for events. Its epoll set is itself waited for by Go's own, so that a loop that waits holds no thread.
type loop struct {
	set   *os.File
	raw   syscall.RawConn
	epoll int

	mu       sync.Mutex
	handlers map[int32]Handler // by number; guarded by mu
	last     int32             // number; guarded by mu
}

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // only such files are Go's to wait for
		unix.Close(fd)
		return nil, err
	}
	set := os.NewFile(uintptr(fd), "epoll")
	raw, err := set.SyscallConn()
	if err != nil {
		set.Close()
		return nil, err
	}
	return &loop{set: set, raw: raw, epoll: fd, handlers: map[int32]Handler{}}, nil
}

// run tells the handlers until the set is closed. They are told within Read, which so need not ask a second time, and
// in vain, before it waits: an event that comes meanwhile ends that wait.
func (l *loop) run() {
	events := make([]unix.EpollEvent, 256)
	for l.raw.Read(func(fd uintptr) (more bool) {
		n, err := wait(fd, events)
		for i := range events[:n] {
			if h := l.find(events[i].Pad); h != nil {
				h.Happened(events[i].Events)
			}
		}
		return n == len(events) || err != nil
	}) == nil {
	}
}

func (l *loop) find(number int32) Handler {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handlers[number]
}

func (l *loop) add(fd int, h Handler) (Registration, error) {
	l.mu.Lock()
	for taken := true; taken; _, taken = l.handlers[l.last] {
		l.last++
	}
	r := Registration{l, int32(fd), l.last}
	l.handlers[r.number] = h
	l.mu.Unlock()
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff,
		Fd:     r.fd, Pad: r.number,
	}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		l.forget(r.number)
		return Registration{}, err
	}
	return r, nil
}

func (l *loop) forget(number int32) {
	l.mu.Lock()
	delete(l.handlers, number)
	l.mu.Unlock()
}
