// Records: what one hub tells another of a connection. They go between hosts of different versions, so a field keeps
// its meaning, and one that is missing is its zero value.

package hub

import (
	"errors"
	"fmt"
	"time"

	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/protocol"
)

// Record is a connection as another host's hub takes it over. It says nothing of its socket.
type Record struct {
	Connection protocol.Value `msgpack:"connection"` // as SPEC.md §9.3 has it, with groups, user and session
	Version    int64          `msgpack:"version"`    // of the session
	Since      int64          `msgpack:"since"`      // Unix nanoseconds
	Route      string         `msgpack:"route"`      // [Terms].Route
	Pool       string         `msgpack:"pool"`
	Once       bool           `msgpack:"once"`
	Aware      bool           `msgpack:"aware"`   // its client is told of channels and positions in envelopes
	Expires    int64          `msgpack:"expires"` // Unix nanoseconds; 0 is never
	Guest      bool           `msgpack:"guest"`   // its socket is a relay by a host before: see Connection.Lodge

	// Trace and State tell of the span that led to the connection, as the headers traceparent and tracestate; empty:
	// none did, or it was not traced. Decided says that its parent had decided whether it is sampled.
	Trace   string `msgpack:"trace"`
	State   string `msgpack:"trace_state"`
	Decided bool   `msgpack:"trace_decided"`

	// Opening is the frame of the OPEN that is not settled; empty: the connection is open. Submitted says that the
	// workers of the host before have it, and Refused that they have refused it.
	Opening   []byte `msgpack:"opening"`
	Submitted bool   `msgpack:"submitted"`
	Refused   bool   `msgpack:"refused"`

	Handles string    `msgpack:"handles"` // the event that those workers have: "", "message" or "buffer"
	Inbox   []Waiting `msgpack:"inbox"`

	Known  bool    `msgpack:"known"` // the client has been told that it is connected
	Outbox []Piece `msgpack:"outbox"`
	Told   bool    `msgpack:"told"` // the workers know that much waits in it

	MessagesIn  int64 `msgpack:"messages_in"`
	MessagesOut int64 `msgpack:"messages_out"`
	BytesIn     int64 `msgpack:"bytes_in"`
	BytesOut    int64 `msgpack:"bytes_out"`
	Dropped     int64 `msgpack:"dropped"`
}

// Lodge notes what [Connection.Lodge] is to do where the connection is restored.
func (r *Record) Lodge(until time.Time) {
	r.Guest = true
	if at := until.UnixNano(); r.Expires == 0 || at < r.Expires {
		r.Expires = at
	}
}

// Waiting is a message that waits to be handled.
type Waiting struct {
	Data    []byte `msgpack:"data"`
	Binary  bool   `msgpack:"binary"`
	Alone   bool   `msgpack:"alone"`
	Attempt int    `msgpack:"attempt"`
}

// Piece is a frame that waits to be sent, encoded.
type Piece struct {
	Data []byte `msgpack:"data"`
	Kind string `msgpack:"kind"` // "" is a message, "raw" none, "begun" the rest of what is partly sent
}

var (
	pieceKinds    = map[string]frameKind{"": whole, "raw": raw, "begun": begun}
	pieceNames    = map[frameKind]string{whole: "", raw: "raw", begun: "begun"}
	handlingNames = map[handling]string{handlingMessage: "message", handlingBuffer: "buffer"}
)

func (m *message) waiting() Waiting { return Waiting{m.data, m.binary, m.alone, m.attempt} }

func (w *Waiting) message() message {
	return message{data: w.Data, binary: w.Binary, alone: w.Alone, attempt: w.Attempt}
}

// Record is the connection, which is packed and settled, or theirs and has just come. nil is one of which there is
// nothing to tell yet. Its bytes stay the hub's: it has to be encoded before the connection goes on.
func (c *Connection) Record() *Record {
	view := c.view()
	t, st := c.Terms(), c.state.Load()
	pool := t.Backend.Traits().Pool
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outlet.line == unopened && c.opening == nil {
		return nil
	}
	r := &Record{
		Connection: view.Value(), Version: st.version, Since: c.since, Route: t.Route, Pool: pool, Once: c.once,
		Aware: st.aware,
		Known: c.flows(), Told: c.outlet.told,
		MessagesIn: c.counts.messagesIn, MessagesOut: c.counts.messagesOut,
		BytesIn: c.counts.bytesIn, BytesOut: c.counts.bytesOut, Dropped: c.counts.dropped,
	}
	if c.few != nil {
		r.Expires, r.Guest = c.few.until, c.few.guest
		if s := &c.few.opened; s.Traced() {
			r.Trace, r.State, r.Decided = s.Traceparent(), s.State, s.Decided()
		}
	}
	if o := c.opening; o != nil {
		r.Opening = (&protocol.Open{Stream: 1, Connection: view, Request: o.request}).AppendFrame(nil)
		r.Submitted, r.Refused = c.turn == awaiting, o.refused
	} else if c.turn == awaiting {
		r.Handles = handlingNames[c.handles]
	}
	for i := range c.inbox.messages {
		r.Inbox = append(r.Inbox, c.inbox.messages[i].waiting())
	}
	if o := c.outlet.box; o != nil {
		for _, f := range o.frames[o.head:] {
			r.Outbox = append(r.Outbox, Piece{f.b, pieceNames[f.kind]})
		}
	}
	return r
}

// Card is what the connection was added with.
func (r *Record) Card() (Card, error) {
	v, err := protocol.ParseConnection(r.Connection)
	return Card{Protocol: v.Protocol, Remote: v.Remote, Listener: v.Listener}, err
}

var errID = errors.New("a connection without an id")

// restore makes the connection that a record is of. h.mu is held.
func (h *Hub) restore(r *Record, p Peer, t *Terms) (*Connection, error) {
	v, err := protocol.ParseConnection(r.Connection)
	if err != nil {
		return nil, err
	}
	if v.ID == "" {
		return nil, errID
	}
	st, err := h.join(blank, v.Groups)
	if err == nil {
		st, err = bind(st, v.UID)
	}
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", v.ID, err)
	}
	if len(v.Session) > 0 || r.Version != 0 {
		next := *set(st, v.Session, nil)
		next.version = r.Version
		st = &next
	}
	if r.Aware {
		next := *st
		next.aware, st = true, &next
	}
	c := &Connection{hub: h, peer: p, id: v.ID, since: r.Since, once: r.Once, moved: len(r.Opening) == 0,
		seat: seat{place: absent},
		card: Card{Protocol: v.Protocol, Remote: v.Remote, Listener: v.Listener}}
	c.state.Store(st)
	c.terms.Store(t)
	c.counts = counts{messagesIn: r.MessagesIn, messagesOut: r.MessagesOut, bytesIn: r.BytesIn,
		bytesOut: r.BytesOut, dropped: r.Dropped}
	if from := trace.Read([]string{r.Trace}, []string{r.State}); from.Known() && t.Tracer != nil {
		c.some().opened = t.Tracer.Restore(from, r.Decided)
	}
	for i := range r.Inbox {
		c.inbox.messages = append(c.inbox.messages, r.Inbox[i].message())
		c.inbox.waits += int64(len(r.Inbox[i].Data)) + overhead
	}
	if len(r.Opening) == 0 {
		c.outlet.line = accepted
	} else if err := c.restoreOpening(r); err != nil {
		return nil, fmt.Errorf("connection %s: %w", v.ID, err)
	}
	for _, f := range r.Outbox {
		kind, known := pieceKinds[f.Kind]
		if !known {
			return nil, fmt.Errorf("connection %s: %.20q waits to be sent, which is no kind of frame", v.ID, f.Kind)
		}
		c.wait(frame{b: f.Data, kind: kind})
	}
	c.outlet.told = r.Told
	if c.outlet.box != nil {
		c.outlet.full = c.outlet.box.bytes > t.sendBuffer()/2 && r.Known
	}
	switch r.Handles {
	case "":
	case "message":
		c.handles = handlingMessage
	case "buffer":
		c.handles = handlingBuffer
	default:
		return nil, fmt.Errorf("connection %s: %.20q is under way, which is no event", v.ID, r.Handles)
	}
	if c.handles != handlingNone {
		c.turn = awaiting
	}
	return c, nil
}

// restoreOpening has an OPEN under way.
func (c *Connection) restoreOpening(r *Record) error {
	const length = 4 // before a frame's payload
	if len(r.Opening) < length {
		return errors.New("half a frame of an OPEN")
	}
	var m protocol.Open
	if err := m.Parse(r.Opening[length:]); err != nil {
		return err
	}
	c.opening = &opening{request: m.Request, refused: r.Refused}
	c.handles, c.turn = handlingOpen, awaiting
	return nil
}

// expiry has a restored connection end in time.
func (c *Connection) expireAt(when int64, guest bool) {
	switch {
	case guest:
		c.Lodge(time.Unix(0, when))
	case when != 0:
		c.expire(max(0, (when-now())/int64(time.Millisecond)))
	}
}
