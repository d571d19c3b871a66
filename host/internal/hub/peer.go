// What the hub asks of its neighbours: the client's end of a connection, the pool behind it, and the terms it is kept
// on.

package hub

import (
	"time"

	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/protocol"
)

// Backend handles requests and events; a pool of workers is one. Both methods are safe for concurrent use and never
// wait.
type Backend interface {
	// Submit takes an exchange. Its sink may be called before Submit returns.
	Submit(x *protocol.Exchange) protocol.Ticket
	// Traits is called for each request; the answer may change with each reload.
	Traits() protocol.Traits
}

// Peer is the client's end of a connection: its socket, which the front owns. The hub calls TryWrite and Write one at
// a time, and neither after End. It holds no lock while it calls, so a Peer may call the [Connection]'s methods from
// any of these.
type Peer interface {
	// Encoding says how a message looks on this socket; nil is "as it is". It must be comparable: peers whose
	// Encodings are equal share the bytes of a broadcast, which is then encoded once. It may not change, and is asked
	// from any goroutine.
	Encoding() Encoding
	// TryWrite writes what the socket takes without waiting and returns how many bytes that was: 0, nil if it is full,
	// or where that can't be known (TLS, net/http). It changes neither b nor the bytes, and keeps nothing of them.
	// After an error the hub aborts.
	TryWrite(b [][]byte) (n int, err error)
	// Write writes all of b, waiting for the client at most for the write time-out. It changes neither b nor the
	// bytes, and keeps nothing of them. After an error the hub aborts, unless it is [Paused].
	Write(b [][]byte) error
	// End takes leave; all that was to be written has been (WebSocket: a close frame; TCP: FIN; held response: the end
	// of the body). It must not wait long. The front calls Closed when the socket has ended.
	End(code int, reason string)
	// Abort cuts the connection at once, and may come at any time, repeatedly, and together with Write. The front
	// calls Closed.
	Abort()
}

// Paused is the error of a Write that was interrupted, since another host is about to take the connection over. It is
// how many bytes had been written.
type Paused int

// Error implements error.
func (p Paused) Error() string { return "the connection is about to be handed over" }

// Encoding turns a message into what goes over the socket.
type Encoding interface {
	// Append appends the message's frame to b and returns it. It is safe for concurrent use.
	Append(b, data []byte, binary bool) []byte
}

// Card is what never changes of a connection.
type Card struct {
	Protocol string // one of protocol's Proto constants
	Remote   string // "ip:port"
	Listener string // the address that the listener was configured with
}

// SlowClient says what becomes of a message for a client whose send buffer is full.
type SlowClient int

// The policies of the key slow_client.
const (
	CloseSlow  SlowClient = iota // close the connection with 1008
	DropOldest                   // make room: drop the messages that have waited longest
	DropNewest                   // drop the message
)

// Terms are what a listener's connections are kept on. They must not be changed once in use: [Hub.Retune] puts others
// in their place.
type Terms struct {
	Route   string // whose these are, for a host that takes over; "": the listener's own
	Backend Backend
	Tracer  *trace.Tracer // of events; nil is off
	// Dial is whose the connection is, of one that the host has made: these are its alone. See [Hub.Dial].
	Dial *protocol.Dialed
	// SendBuffer is how many bytes may wait to be sent to a client; 0 is 1 MiB. A message is always taken while
	// nothing waits.
	SendBuffer int64
	SlowClient SlowClient
	// SessionLimit is the most bytes of an encoded session; 0 is 64 KiB.
	SessionLimit int
	// Inbox is how many bytes of messages may wait to be handled before Deliver blocks; 0 is 64 KiB.
	Inbox int64
	// Farewell is how long a connection that was hung up may take to write what waits and to end, before it is
	// aborted; 0 is 10 s.
	Farewell time.Duration
}

func (t *Terms) sendBuffer() int64 {
	if t.SendBuffer > 0 {
		return t.SendBuffer
	}
	return 1 << 20
}

func (t *Terms) sessionLimit() int {
	if t.SessionLimit > 0 {
		return t.SessionLimit
	}
	return 64 << 10
}

func (t *Terms) inbox() int64 {
	if t.Inbox > 0 {
		return t.Inbox
	}
	return 64 << 10
}

func (t *Terms) farewell() time.Duration {
	if t.Farewell > 0 {
		return t.Farewell
	}
	return 10 * time.Second
}

// Admission is what came of an OPEN.
type Admission struct {
	// Accepted says that the connection is open: the front tells the client, and then calls Opened.
	Accepted bool
	// Subprotocol is one that the client offered, or "": none.
	Subprotocol string
	// Headers are what the answer to an upgrade carries besides its own: name, value, name, value, … They have been
	// checked.
	Headers []string
	// Response is the worker's refusal, whole; its headers are the worker's own and unchecked. nil if there is none.
	Response *protocol.Response
	// Failure is why there is no answer; nil if there is one. FailedReset is a handler that failed.
	Failure *protocol.Failure
}
