// The lane: the connections of one listener, on loops.

package lane

import (
	"net"
	"sync"
	"sync/atomic"

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

// MostRead is how much of what was read before the lane goes on with.
const MostRead = len(scratch{}.bytes)

// Lane is the connections of one listener. Its methods are safe for concurrent use.
type Lane struct {
	handler *web.Handler
	loops   *loop.Set
	readers chan struct{} // holds one for each file that is read

	vacated atomic.Bool // connections go as soon as they wait
}

// New makes one whose connections are on loops, which end after all of them.
func New(handler *web.Handler, loops *loop.Set) *Lane {
	return &Lane{handler: handler, loops: loops, readers: make(chan struct{}, readers)}
}

// Vacate has each connection given to its owner (see [Owner]) as soon as it waits. Those that wait are, by
// [Conn.Vacate].
func (l *Lane) Vacate() { l.vacated.Store(true) }

// Take takes a connection that net has accepted. It says false, and leaves c as it is, if that can't be held here.
func (l *Lane) Take(c net.Conn) (on *Conn, ok bool) {
	n := &Conn{lane: l, local: c.LocalAddr(), remote: c.RemoteAddr()}
	if n.fd, ok = loop.Take(c); !ok {
		return nil, false
	}
	n.address = n.remote.String()
	return n, true
}
