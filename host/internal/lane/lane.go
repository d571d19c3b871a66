// Package lane holds cleartext connections of HTTP/1.1 on event loops: it reads plain requests, has package web see
// to them, and writes the answers. It has none of the odd cases: a connection that says anything else, or is to be
// held, goes to net/http for good, with what was read.
//
// What a reader may rely on:
//   - No loop waits: not for a client, not for a worker, not for a disk.
//   - A connection that waits for its next request costs its entry here and a timer; no goroutine, no buffer.
//   - A descriptor is used under its connection's lock and only while it is the connection's, which ends under that
//     lock, before it is closed, as package loop asks for. So none is used after it was given out anew. While a slice
//     of a file is sent, without the lock, it is the sender's to close.
package lane

import (
	"net"
	"net/http"
	"time"

	"github.com/workerhost/workerhost/host/internal/web"
)

// HalfCloseTime leaves a client's FIN that was lost on its way the time to come once more: one that comes within it
// says that no other request will follow, one that comes later that the client has left.
const HalfCloseTime = time.Second

// Past is what there has been of a connection before the lane has it. The zero one is of a new one.
type Past struct {
	Read     []byte    // of requests that nobody has begun with
	Began    time.Time // when the first byte of that came
	Answered bool      // a request has been, at least
}

// Owner is whose a connection is: it counts it, and takes what is not plain. Its methods must not wait, and are called
// with the connection's lock held, but for Yielded.
type Owner interface {
	// Note hears what the connection does, in net/http's words: StateActive, StateIdle.
	Note(state http.ConnState)
	// Heard hears that bytes have come.
	Heard()
	// Closed hears that the connection has been closed, and is called once, unless it was yielded.
	Closed()
	// Yielded takes over a connection, with all that was read of it and not answered. began is when the first byte of
	// that came. lingers says that it is to be closed, once the client has read what it was told. p, if not nil, is
	// the request's; whoever serves it calls Resume, or else p.Drop. Nobody waits for it.
	Yielded(conn net.Conn, read []byte, began time.Time, lingers bool, p *web.Pending)
	// Vacated takes the socket of a connection that waits for a request, or for the rest of one, once the lane is to
	// be vacated. It is not closed, nor heard of any more.
	Vacated(fd int, past Past)
}
