// A loop: one goroutine, one epoll set.

package lane

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/workerhost/workerhost/host/internal/http1"
	"github.com/workerhost/workerhost/host/internal/web"
)

// scratch is lent to a connection while it reads. So much is read at once, so much a plain request has with its body,
// and so much of what is pipelined behind it waits in memory.
type scratch struct {
	head  http1.Head
	bytes [16 << 10]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Lane is the connections of one listener. Its methods are safe for concurrent use.
type Lane struct {
	handler *web.Handler
	loops   []*loop
	next    atomic.Uint32
	running sync.WaitGroup
}

// New starts the loops: one for each two processors. Close ends them.
func New(handler *web.Handler) (*Lane, error) {
	l := &Lane{handler: handler}
	for range (runtime.GOMAXPROCS(0) + 1) / 2 {
		one, err := newLoop()
		if err != nil {
			l.Close()
			return nil, err
		}
		l.loops = append(l.loops, one)
		l.running.Go(one.run) // ends with Close
	}
	return l, nil
}

// Close ends the loops. Connections that are open are closed by their owners.
func (l *Lane) Close() {
	for _, one := range l.loops {
		one.set.Close()
	}
	l.running.Wait()
}

// Take takes a connection that net has accepted. It says false, and leaves c as it is, if that can't be held here.
func (l *Lane) Take(c net.Conn) (*Conn, bool) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return nil, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, false
	}
	fd := -1
	raw.Control(func(given uintptr) { fd, err = unix.FcntlInt(given, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil || fd < 0 {
		return nil, false
	}
	on := l.loops[int(l.next.Add(1))%len(l.loops)]
	n := &Conn{lane: l, loop: on, fd: fd, local: c.LocalAddr(), remote: c.RemoteAddr()}
	n.address = n.remote.String()
	c.Close()
	return n, true
}

// loop waits for events. Its epoll set is itself waited for by Go's own, so that a loop that waits holds no thread.
type loop struct {
	set     *os.File
	raw     syscall.RawConn
	epoll   int
	scratch *scratch // the goroutine's own

	mu    sync.Mutex
	conns map[int32]*Conn // by number; guarded by mu
	last  int32           // number; guarded by mu
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
	return &loop{set: set, raw: raw, epoll: fd, scratch: new(scratch), conns: map[int32]*Conn{}}, nil
}

func (l *loop) run() {
	events := make([]unix.EpollEvent, 256)
	for {
		n := 0
		err := l.raw.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		if err != nil {
			return // it was closed
		}
		for i := range events[:max(n, 0)] {
			if c := l.find(events[i].Pad); c != nil {
				c.happened(events[i].Events, l.scratch)
			}
		}
	}
}

func (l *loop) find(number int32) *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conns[number]
}

// add has the loop hear of a connection from now on. The caller holds the connection's lock.
func (l *loop) add(c *Conn) error {
	l.mu.Lock()
	for taken := true; taken; _, taken = l.conns[l.last] {
		l.last++
	}
	c.number = l.last
	l.conns[c.number] = c
	l.mu.Unlock()
	// edges: an event tells that something has changed since the one before
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff,
		Fd:     int32(c.fd), Pad: c.number,
	}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, c.fd, &event); err != nil {
		l.forget(c)
		return err
	}
	return nil
}

// remove has the loop hear of it no more. The caller holds the connection's lock.
func (l *loop) remove(c *Conn) {
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, c.fd, nil)
	l.forget(c)
}

func (l *loop) forget(c *Conn) {
	l.mu.Lock()
	delete(l.conns, c.number)
	l.mu.Unlock()
}
