// Conn: the connection whose event is at hand.

package sdk

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/workerhost/workerhost/protocol"
)

// Conn is a client's connection, as it was when its event came; or one that the host has made, with another server
// ([Hub.Dial]). The host keeps it; its next event may go to another worker.
//
// In the event's handler, and in goroutines while that runs, what is asked for takes effect when the handler returns
// nil. Afterwards a Conn may still be used: what is asked then takes effect at once. So it is with one from [Hub.Get],
// which stays as it was then. Methods are safe for concurrent use.
type Conn struct {
	// unique among all connections of the host; "" for a datagram (UDP), which can be answered while it is handled,
	// and no more
	ID string
	// "websocket", "tcp", "udp", "sse" (a held text/event-stream, or one that the host has dialed) or "poll" (any
	// other held response)
	Protocol   string
	RemoteAddr string // "ip:port" or "[ip]:port"; empty on a unix socket
	Listener   string // the address that its listener was configured with; "dial" where the host has dialed
	Attempt    int    // 2 when another worker died with this event, or may have begun it

	Dial       string // the name of the dial that it is a connection of; "" for a client's
	Reconnects int64  // how many connections of that dial there were before this one
	// what the other end of a WebSocket that the host has dialed has chosen; "" is none, as for a client's
	Subprotocol string

	l       *link
	s       *stream // whose event is of this connection; nil for one from Hub.Get
	asker   *stream // whose handler asks: s, or that of Hub.Get; may be nil
	offered []string
	upgrade bool // an upgrade request is to be answered

	// acts.mu of s guards these, if there is an s; without one they do not change
	uid     string
	groups  []string
	session Session
}

func newConn(l *link, s *stream, m *protocol.Connection, attempt int) *Conn {
	c := &Conn{
		ID: m.ID, Protocol: m.Protocol, RemoteAddr: m.Remote, Listener: m.Listener, Attempt: attempt,
		l: l, s: s, asker: s, uid: m.UID, groups: m.Groups,
	}
	if d := m.Dial; d != nil {
		c.Dial, c.Reconnects, c.Subprotocol = d.Name, d.Reconnects, d.Subprotocol
	}
	c.session.c = c
	c.session.from, c.session.entries = takeVersion(m.Session)
	return c
}

// own is for an act that means this connection: with to and names for SEND, name for the others.
func (c *Conn) own(live bool) (to protocol.Audience, names []string, name string, err error) {
	switch {
	case live && c.s != nil:
		return protocol.ToSelf, nil, "", nil
	case c.ID == "":
		return 0, nil, "", ErrDatagram
	}
	return protocol.ToConnections, []string{c.ID}, c.ID, nil
}

// Send sends a message. For a WebSocket without [Binary] it has to be UTF-8.
func (c *Conn) Send(data []byte, opts ...SendOption) error {
	flags, _ := gather(opts)
	if flags&protocol.FlagBinary == 0 && c.Protocol == protocol.ProtoWebSocket && !utf8.Valid(data) {
		return errors.New(
			"sdk: the text of a WebSocket message is UTF-8, and this is not; bytes are sent with Binary()")
	}
	return c.l.ask(c.asker, flags, func(stream uint32, now protocol.Flags, live bool) (protocol.Message, error) {
		to, names, _, err := c.own(live)
		m := &parts{chunk: c.l.chunk}
		m.Send = protocol.Send{Stream: stream, Flags: flags&protocol.FlagBinary | now, To: to, Names: names,
			Bytes: data}
		return m, err
	})
}

// Close closes the connection, after what was sent to it. code is 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999, as
// in RFC 6455; reason is at most 123 bytes of UTF-8. A client that is no WebSocket sees neither.
func (c *Conn) Close(code int, reason string, opts ...SendOption) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	flags, _ := gather(opts)
	return c.l.ask(c.asker, flags, func(stream uint32, now protocol.Flags, live bool) (protocol.Message, error) {
		to, names, _, err := c.own(live)
		return &protocol.Hangup{Stream: stream, Flags: now, To: to, Names: names, Code: code, Reason: reason}, err
	})
}

func checkClose(code int, reason string) error {
	switch {
	case code == 1000, code == 1001, code == 1003, 1007 <= code && code <= 1014, 3000 <= code && code <= 4999:
	default:
		return fmt.Errorf("sdk: %d closes no connection: a code is 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999",
			code)
	}
	if len(reason) > 123 || !utf8.ValidString(reason) {
		return errors.New("sdk: the reason of a close is at most 123 bytes of UTF-8")
	}
	return nil
}

// change is an act on the connection itself; done notes it in c, under the lock.
func (c *Conn) change(act func(stream uint32, name string) protocol.Message, done func()) error {
	if c.ID == "" {
		return ErrDatagram
	}
	return c.l.ask(c.asker, 0, func(stream uint32, _ protocol.Flags, live bool) (protocol.Message, error) {
		_, _, name, err := c.own(live)
		if err == nil && live && c.s != nil {
			done()
		}
		return act(stream, name), err
	})
}

// Join puts the connection into groups. There is no need to create one.
func (c *Conn) Join(groups ...string) error { return c.join(nil, groups) }

// Subscribe puts a WebSocket into groups whose history it is to have: its client speaks the protocol of host help
// channels. It gets first what it missed of them since a position that it had, "" being now, or is told that this is
// not known any more; from now on all that is sent to it comes in an envelope of JSON. Server-sent events need no such
// word.
func (c *Conn) Subscribe(since string, groups ...string) error { return c.join(&since, groups) }

func (c *Conn) join(since *string, groups []string) error {
	if err := c.l.checkGroups(groups); err != nil {
		return err
	}
	return c.change(func(stream uint32, name string) protocol.Message {
		return &protocol.Join{Stream: stream, Connection: name, Groups: groups, Since: since}
	}, func() {
		c.groups = slices.Clone(c.groups)
		for _, g := range groups {
			if !slices.Contains(c.groups, g) {
				c.groups = append(c.groups, g)
			}
		}
	})
}

// Leave takes the connection out of groups.
func (c *Conn) Leave(groups ...string) error {
	if err := c.l.checkGroups(groups); err != nil {
		return err
	}
	return c.change(func(stream uint32, name string) protocol.Message {
		return &protocol.Leave{Stream: stream, Connection: name, Groups: groups}
	}, func() {
		c.groups = slices.DeleteFunc(slices.Clone(c.groups), func(g string) bool { return slices.Contains(groups, g) })
	})
}

// BindUser binds the connection to a user in place of the one that it had; "" unbinds. A user may have any number of
// connections.
func (c *Conn) BindUser(uid string) error {
	if err := c.l.checkUID(uid); err != nil {
		return err
	}
	return c.change(func(stream uint32, name string) protocol.Message {
		return &protocol.Bind{Stream: stream, Connection: name, UID: uid}
	}, func() { c.uid = uid })
}

// Accept says, in OnOpen of a WebSocket, what the answer to its request holds. subprotocol is one that the client
// offered, or "" for none, which is the default too; header is added, Set-Cookie for example.
func (c *Conn) Accept(subprotocol string, header http.Header) error {
	if !c.upgrade {
		return errors.New("sdk: Accept is for OnOpen of a WebSocket: there is no request to answer")
	}
	if subprotocol != "" && !slices.Contains(c.offered, subprotocol) {
		return fmt.Errorf("sdk: the client did not offer the subprotocol %q, but %q", subprotocol, c.offered)
	}
	var pairs []string
	for name, values := range header {
		for _, v := range values {
			pairs = append(pairs, name, v)
		}
	}
	if err := protocol.CheckHeaders(pairs); err != nil {
		return fmt.Errorf("sdk: %w", err)
	}
	return c.l.ask(c.asker, 0, func(stream uint32, _ protocol.Flags, live bool) (protocol.Message, error) {
		if !live {
			return nil, errReturned
		}
		return &protocol.Accept{Stream: stream, Subprotocol: subprotocol, Headers: pairs}, nil
	})
}

func (c *Conn) offer(r *http.Request) {
	c.upgrade = true
	for _, list := range r.Header["Sec-Websocket-Protocol"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				c.offered = append(c.offered, name)
			}
		}
	}
}

// UID is the user that the connection is bound to, as this handler has left it; "" for none.
func (c *Conn) UID() string {
	defer c.lock().Unlock()
	return c.uid
}

// Groups are those that the connection is in, as this handler has left them.
func (c *Conn) Groups() []string {
	defer c.lock().Unlock()
	return slices.Clone(c.groups)
}

// Session is what the host keeps for the connection.
func (c *Conn) Session() *Session { return &c.session }

// lock takes the mutex that guards c, and gives it.
func (c *Conn) lock() *sync.Mutex {
	mu := &c.session.mu
	if c.s != nil {
		mu = &c.s.acts.mu
	}
	mu.Lock()
	return mu
}

// state is what a handler that fails is to leave as it was.
type state struct {
	acts    mark
	uid     string
	groups  []string
	changes map[string]change
}

func (c *Conn) save() state {
	defer c.lock().Unlock()
	return state{c.s.acts.mark(), c.uid, c.groups, c.session.saveLocked()}
}

func (c *Conn) restore(to state) {
	defer c.lock().Unlock()
	c.s.acts.rollback(to.acts)
	c.uid, c.groups, c.session.changes = to.uid, to.groups, to.changes
}
