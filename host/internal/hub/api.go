package hub

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/protocol"
)

// Hub is the registry of connections. It implements [protocol.Hub]. Its methods are safe for concurrent use.
type Hub struct{}

// New makes a Hub without connections.
func New(log hclog.Logger) *Hub { panic("being written") }

// Connection is a client's connection, from its arrival until its CLOSE has been handled. Its methods are safe for concurrent use.
type Connection struct{}

// Add makes a connection of a client that has come. It is open, and others can reach it, when its OPEN is done: call Open next.
func (h *Hub) Add(p Peer, card Card, t *Terms) *Connection { panic("being written") }

// Hold makes a connection of a held response: it is there, in its groups, at once, and has no OPEN. What is sent to it waits until Opened.
// It fails if hold asks for what is beyond the limits (SPEC.md §10.3).
func (h *Hub) Hold(p Peer, card Card, t *Terms, hold *protocol.Hold) (*Connection, error) {
	panic("being written")
}

// Datagram submits a message that belongs to no connection. reply is called with each message for its sender, from a goroutine that must not
// wait for long; dropped is called if it was not handled, because the pool's queue was full, say. Either may come before Datagram returns.
func (h *Hub) Datagram(b Backend, card Card, data []byte, reply func([]byte), dropped func(*protocol.Failure)) {
	panic("being written")
}

// Commit implements [protocol.Hub].
func (h *Hub) Commit(subject protocol.Subject, acts []protocol.Act) error { panic("being written") }

// Call implements [protocol.Hub].
func (h *Hub) Call(m *protocol.Call) *protocol.Result { panic("being written") }

// Swap implements [protocol.Hub].
func (h *Hub) Swap(m *protocol.Swap) *protocol.Result { panic("being written") }

// Get finds a connection that is open; nil if there is none.
func (h *Hub) Get(id string) *Connection { panic("being written") }

// List tells of all connections that are open, in no particular order.
func (h *Hub) List() []Info { panic("being written") }

// Retune puts all connections that are held on old, and those that come, on others.
func (h *Hub) Retune(old, others *Terms) { panic("being written") }

// Shutdown closes, with 1001, the connections that of chooses (nil: all), evenly spread over spread, and those that open meanwhile. It returns
// when all their events, CLOSE included, have been handled, or ctx is done; then those left are aborted, and left says how many they are.
func (h *Hub) Shutdown(ctx context.Context, spread time.Duration, of func(*Connection) bool) (left int) {
	panic("being written")
}

// Info is what operators are told of a connection.
type Info struct {
	ID          string    `json:"id"`
	Protocol    string    `json:"protocol"`
	Remote      string    `json:"remote"`
	Listener    string    `json:"listener"`
	Pool        string    `json:"pool"`
	UID         string    `json:"uid"`
	Groups      []string  `json:"groups"`
	Since       time.Time `json:"since"`
	MessagesIn  int64     `json:"messages_in"`
	MessagesOut int64     `json:"messages_out"`
	BytesIn     int64     `json:"bytes_in"`  // of messages
	BytesOut    int64     `json:"bytes_out"` // of messages, encoded
	Dropped     int64     `json:"dropped"`   // messages for a client that was too slow
	Queued      int64     `json:"queued"`    // bytes that wait to be sent
	Waiting     int       `json:"waiting"`   // messages that wait to be handled
}

// ID is the connection's id. It never changes.
func (c *Connection) ID() string { panic("being written") }

// ConnectionID implements [protocol.Subject].
func (c *Connection) ConnectionID() string { panic("being written") }

// Card is what the connection was added with.
func (c *Connection) Card() Card { panic("being written") }

// Terms are what the connection is held on.
func (c *Connection) Terms() *Terms { panic("being written") }

// Info is what operators are told of it.
func (c *Connection) Info() Info { panic("being written") }

// Open submits OPEN, with the upgrade request of a WebSocket, which is the hub's from now on, or nil. answered is called once, perhaps before
// Open returns, from a goroutine that must not wait. Workers that have no use for OPEN accept everyone. If the listener gives up (the client left,
// or takes too long), it calls Closed; answered is then called with a Failure, or was.
func (c *Connection) Open(request *protocol.Request, answered func(Answer)) { panic("being written") }

// Opened says that the client has been told that it is connected: what was sent to it may flow, and messages may come. A second call does nothing.
func (c *Connection) Opened() { panic("being written") }

// Deliver gives a message to the connection's workers; data is the hub's from now on. It waits while too much waits already (that stops the
// reading of the socket), and is for one goroutine at a time. It returns false, and the message is dropped, if the connection has been hung up or is closed.
func (c *Connection) Deliver(data []byte, binary bool) bool { panic("being written") }

// Raw queues bytes that are no message, a ping or a pong: past the buffer's limit, but in order. frame is the hub's from now on. If very many of them
// wait already, it is dropped.
func (c *Connection) Raw(frame []byte) { panic("being written") }

// Hangup closes the connection after what was sent to it. Messages that wait to be handled are dropped. code and reason are as in SPEC.md §10.3;
// the CLOSE event tells them, too.
func (c *Connection) Hangup(code int, reason string) { panic("being written") }

// Closed says that the socket has ended. The connection leaves the registry and its groups at once; its CLOSE follows the events that wait. code is
// 1005 or 1006 if the client gave none (SPEC.md §9.6); if the hub hung up, it is the hub's code that counts. clean says that both ends took leave.
// A second call does nothing.
func (c *Connection) Closed(code int, reason string, clean bool) { panic("being written") }
