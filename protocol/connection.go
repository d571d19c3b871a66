// What the wire says of a connection, with every event (SPEC.md §9.3).

package protocol

import "math"

// Connection is a client's connection as it is when an event of it is sent.
type Connection struct {
	ID       string // "" for a datagram
	Protocol string // one of the Proto constants
	Remote   string // "ip:port"
	UID      string
	Groups   []string
	Session  []Entry
	Listener string // the address that its listener was configured with; ListenerDial where the host is the client
	// Trace tells of the event's span: traceparent, its value and perhaps tracestate and its; nil where nobody traces.
	Trace []string
	Dial  *Dialed // where the host is the client; nil for clients
}

// Dialed is what the wire says of a connection that the host has dialled (SPEC.md §16.3).
type Dialed struct {
	Name        string // the dial's
	Reconnects  int64  // how many connections of it there were before
	Subprotocol string // that a WebSocket's other end has chosen; "" is none
}

// The protocols of a [Connection].
const (
	ProtoWebSocket = "websocket"
	ProtoTCP       = "tcp"
	ProtoUDP       = "udp"
	ProtoSSE       = "sse"  // a held text/event-stream, or one that the host reads
	ProtoPoll      = "poll" // any other held response
)

// Entry is a key of a session, and its value, which nobody but workers looks into.
type Entry struct {
	Key   string
	Value Value
}

func (c *Connection) append(b []byte) []byte {
	start := len(b)
	b = appendArray(b, 9)
	b = appendStr(b, c.ID)
	b = appendStr(b, c.Protocol)
	b = appendStr(b, c.Remote)
	t := tail{&connectionShape, 3}
	if c.UID != "" {
		b = appendStr(t.upTo(b, 3), c.UID)
	}
	if len(c.Groups) > 0 {
		b = appendPairs(t.upTo(b, 4), c.Groups)
	}
	if len(c.Session) > 0 {
		b = AppendEntries(t.upTo(b, 5), c.Session)
	}
	if c.Listener != "" {
		b = appendStr(t.upTo(b, 6), c.Listener)
	}
	if len(c.Trace) > 0 {
		b = appendPairs(t.upTo(b, 7), c.Trace)
	}
	if c.Dial != nil {
		b = c.Dial.append(t.upTo(b, 8))
	}
	return t.count(b, start)
}

func (d *Dialed) append(b []byte) []byte {
	start := len(b)
	b = appendArray(b, 3)
	b = appendStr(b, d.Name)
	t := tail{&dialedShape, 1}
	if d.Reconnects > 0 {
		b = appendInt(t.upTo(b, 1), d.Reconnects)
	}
	if d.Subprotocol != "" {
		b = appendStr(t.upTo(b, 2), d.Subprotocol)
	}
	return t.count(b, start)
}

// Value gives the connection in the form of SPEC.md §9.3.
func (c *Connection) Value() Value { return c.append(nil) }

// ParseConnection reads what [Connection.Value] gave. Errors are [*LinkError].
func ParseConnection(v Value) (Connection, error) {
	f := fields{decoder: decoder{b: v}, t: TypeResult, name: "connection"}
	c := f.connection()
	return c, f.end()
}

// ParseConnections reads a list of connections, what the call "connections" gives (SPEC.md §10.4). Errors are
// [*LinkError].
func ParseConnections(v Value) (all []Connection, err error) {
	f := fields{decoder: decoder{b: v}, t: TypeResult, name: "connections"}
	for n := f.list(0); n > 0 && f.err == nil; n-- {
		all = append(all, f.connection())
	}
	return all, f.end()
}

// CallMembers asks who is in a group with presence (SPEC.md §19.4).
const CallMembers = "presence.members"

// ParseGroups reads names and numbers by turns, what the call "groups" gives (SPEC.md §10.4). Errors are [*LinkError].
func ParseGroups(v Value) (members map[string]int, err error) {
	f := fields{decoder: decoder{b: v}, t: TypeResult, name: "groups"}
	members = map[string]int{}
	for n := f.array(); n > 0 && f.err == nil; n -= 2 {
		name := f.str()
		members[name] = int(f.number(0, math.MaxInt32))
	}
	return members, f.end()
}

// ParseSession reads `[version, entries]`, what the call "session" gives (SPEC.md §10.4). Errors are [*LinkError].
func ParseSession(v Value) (version int64, entries []Entry, err error) {
	f := fields{decoder: decoder{b: v}, t: TypeResult, name: "session"}
	extra := f.list(2)
	version = f.long()
	entries = f.entries()
	f.skipExtra(extra)
	return version, entries, f.end()
}

// AppendEntries appends entries in the form of SPEC.md §2.4.
func AppendEntries(b []byte, entries []Entry) []byte {
	b = appendArray(b, 2*len(entries))
	for i := range entries {
		b = appendStr(b, entries[i].Key)
		b = appendValue(b, entries[i].Value)
	}
	return b
}

func (f *fields) connection() (c Connection) {
	left := f.list(3) + 3
	if f.err != nil {
		return c
	}
	more := func() bool { left--; return left >= 0 && f.err == nil }
	for _, to := range []*string{&c.ID, &c.Protocol, &c.Remote, &c.UID} {
		if more() {
			*to = f.str()
		}
	}
	if more() {
		c.Groups = f.strings(nil)
	}
	if more() {
		c.Session = f.entries()
	}
	if more() {
		c.Listener = f.str()
	}
	if more() {
		c.Trace = f.pairs(nil)
	}
	if more() && !f.null() {
		c.Dial = f.dialed()
	}
	f.skipExtra(left)
	return c
}

func (f *fields) dialed() *Dialed {
	d := new(Dialed)
	left := f.list(1)
	d.Name = f.str()
	more := func() bool { left--; return left >= 0 && f.err == nil }
	if more() {
		d.Reconnects = f.long()
	}
	if more() {
		d.Subprotocol = f.str()
	}
	f.skipExtra(left)
	return d
}

// entries reads keys and values by turns. One copy of their bytes backs them all.
func (f *fields) entries() []Entry {
	start := f.pos
	n := f.array()
	if f.err == nil && n%2 != 0 {
		f.fail(start, "keys and values by turns", "an odd number of elements")
	}
	first := f.pos
	for i := 0; i < n && f.err == nil; i += 2 {
		f.bytes()
		f.skip(2) // a RESULT puts them into two more lists
	}
	if f.err != nil || n == 0 {
		return nil
	}
	keys, again := string(f.b[first:f.pos]), decoder{b: append([]byte(nil), f.b[first:f.pos]...)}
	all := make([]Entry, 0, n/2)
	for range n / 2 {
		size := len(again.bytes())
		key := keys[again.pos-size : again.pos]
		all = append(all, Entry{Key: key, Value: again.walked()})
	}
	return all
}

// values reads an array of opaque values. One copy of their bytes backs them all.
func (f *fields) values() []Value {
	n := f.array()
	first := f.pos
	for i := 0; i < n && f.err == nil; i++ {
		f.skip(0)
	}
	if f.err != nil || n == 0 {
		return nil
	}
	again := decoder{b: append([]byte(nil), f.b[first:f.pos]...)}
	all := make([]Value, n)
	for i := range all {
		all[i] = again.walked()
	}
	return all
}

// walked takes a value that has been walked before, aliasing d's bytes.
func (d *decoder) walked() Value {
	if d.null() {
		return nil
	}
	start := d.pos
	d.skip(0)
	return Value(d.b[start:d.pos:d.pos])
}
