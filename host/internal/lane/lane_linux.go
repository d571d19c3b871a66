// The lane: the connections of one listener, on loops.

package lane

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/workerhost/workerhost/host/internal/http1"
	"github.com/workerhost/workerhost/host/internal/loop"
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
	loops   *loop.Set
	readers chan struct{} // holds one for each file that is read
}

// New makes one whose connections are on loops, which end after all of them.
func New(handler *web.Handler, loops *loop.Set) *Lane {
	return &Lane{handler, loops, make(chan struct{}, readers)}
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
	n := &Conn{lane: l, fd: fd, local: c.LocalAddr(), remote: c.RemoteAddr()}
	n.address = n.remote.String()
	c.Close()
	return n, true
}
