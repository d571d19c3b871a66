// Dials: connections with other servers that the host makes, and keeps as those of clients (SPEC.md §16).

package sdk

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// What [Hub.Dial] answers.
const (
	DialBegun    = protocol.DialBegun
	DialThere    = protocol.DialThere    // the name has one with these terms, or newer code has asked for others
	DialReplaced = protocol.DialReplaced // it had one with others
)

// DialRequest is what [Hub.Dial] asks for. Times are kept in whole milliseconds; of a field that is 0 the default
// holds (SPEC.md §16.2).
type DialRequest struct {
	// URL is a WebSocket's with wss:// or ws://, TCP with tls:// or tcp:// and a port, or server-sent events with
	// https:// or http://; without user, password and fragment.
	URL  string
	Name string // 1 to 128 bytes of UTF-8 without control characters; no other dial of the pool's realm has it

	// Session, with Groups and UID, is what the first connection begins with: what a [Session] may hold. Each later
	// one has what the one before had at its end.
	Session map[string]any
	Groups  []string
	UID     string

	// Header is that of the request of a WebSocket or of server-sent events. {secret:NAME} in a value stands for a
	// secret of host.toml, which this program does not know.
	Header       http.Header
	Subprotocols []string // that a WebSocket offers, the best first
	// Framing says where a message of TCP ends: "raw" (nowhere), "line", "length16", "length32" or "delimiter"; "" is
	// "delimiter" with a Delimiter, otherwise "raw".
	Framing   string
	Delimiter string // 1 to 64 bytes

	NoReconnect    bool          // it is not tried again when it ends, or does not come to stand
	ReconnectMax   time.Duration // the longest pause between two tries, at least 100 ms; 0 is a minute
	ConnectTimeout time.Duration // until it stands; 0 is 10 s
	PingInterval   time.Duration // of silence until a WebSocket is pinged; 0 is 30 s, negative never
	PongTimeout    time.Duration // in which that has to be answered; 0 is 10 s, negative without a limit
	// IdleTimeout is how long no message may come or go, of server-sent events no byte come, until it is hung up with
	// 1001; 0 is for ever.
	IdleTimeout time.Duration
	MaxMessage  int64 // bytes of a message from the other end; 0 is 1 MiB; beyond it is hung up with 1009
}

// Dial has the host make a connection with another server, and keep it as those of clients: OnOpen once it stands,
// without a request, OnMessage and OnClose in whichever worker is free; [Conn].Dial has its name. It outlives workers
// and reloads, and comes back by itself. Dial does not wait until it stands.
//
//	sdk.OnReady(func(ctx context.Context) {
//		_, err := sdk.Connections(ctx).Dial(sdk.DialRequest{URL: "wss://feed.example/v1", Name: "prices"})
//		…
//	})
//
// A name has one dial, however many workers ask: to ask again with the same terms does nothing, so that each worker
// may do it when it starts. Other terms replace it; Session, Groups and UID are none. It is asked for at once, and
// stays if the handler fails. It says [DialBegun], [DialThere] or [DialReplaced].
//
// The host's refusal is a [*CallError] that says what to do: host.toml has to allow the URL, with
// [pool.NAME.fetch] allow = ["wss://…"]. The other errors are those of all questions, and of what can't be sent.
func (h Hub) Dial(d DialRequest) (outcome string, err error) {
	if h.l == nil {
		return "", ErrNoHost
	}
	asked, err := d.terms(h.l)
	if err != nil {
		return "", err
	}
	v, err := h.callWith(protocol.CallDialOpen, asked.Arguments())
	if err == nil {
		err = answered(protocol.CallDialOpen, v, &outcome)
	}
	return outcome, err
}

// CloseDial hangs a dial up, for good, and at once; the CLOSE of its connection follows. It says whether there was
// one. A [[dial]] of host.toml can't be closed: that is a [*CallError].
func (h Hub) CloseDial(name string) (was bool, err error) {
	err = h.question(protocol.CallDialClose, name, false, &was)
	return was, err
}

// DialID gives the id of the connection that stands under a dial's name, to send to; "" if none does at this moment.
func (h Hub) DialID(name string) (id string, err error) {
	v, err := h.call(protocol.CallDialID, name, false)
	if err == nil && len(v) > 0 {
		err = answered(protocol.CallDialID, v, &id)
	}
	return id, err
}

// terms is d as the wire has it.
func (d *DialRequest) terms(l *link) (*protocol.Dial, error) {
	t := protocol.NewDial(d.URL, d.Name)
	t.Groups, t.UID, t.Subprotocols, t.Delimiter = d.Groups, d.UID, d.Subprotocols, d.Delimiter
	if t.Framing = d.Framing; t.Framing == "" && d.Delimiter != "" {
		t.Framing = "delimiter"
	}
	t.Framing = cmp.Or(t.Framing, "raw")
	t.Reconnect = !d.NoReconnect
	t.MaxMessage = cmp.Or(d.MaxMessage, t.MaxMessage)
	for _, o := range []struct {
		name  string
		given time.Duration
		to    *int64
		never bool // may be
	}{
		{"ReconnectMax", d.ReconnectMax, &t.ReconnectMax, false},
		{"ConnectTimeout", d.ConnectTimeout, &t.ConnectTimeout, false},
		{"PingInterval", d.PingInterval, &t.PingInterval, true},
		{"PongTimeout", d.PongTimeout, &t.PongTimeout, true},
		{"IdleTimeout", d.IdleTimeout, &t.IdleTimeout, true},
	} {
		switch {
		case o.given > 0:
			*o.to = milliseconds(o.given)
		case o.given < 0 && o.never:
			*o.to = 0
		case o.given < 0:
			return nil, fmt.Errorf("sdk: Dial: %s is %v, and can't be negative", o.name, o.given)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Header)) { // in one order, since they are terms
		for _, value := range d.Header[name] {
			t.Headers = append(t.Headers, name, value)
		}
	}
	if err := protocol.CheckHeaders(t.Headers); err != nil {
		return nil, fmt.Errorf("sdk: Dial: %w", err)
	}
	var err error
	t.Session, err = l.entries(d.Session)
	return &t, err
}

// entries are a session that a connection begins with.
func (l *link) entries(session map[string]any) (all []protocol.Entry, err error) {
	for _, key := range slices.Sorted(maps.Keys(session)) {
		if key == versionKey {
			return nil, fmt.Errorf("sdk: the session's %q is the SDK's own", key)
		}
		v, err := encode(session[key])
		if err != nil {
			return nil, fmt.Errorf("sdk: the session's %q: %w", key, err)
		}
		all = append(all, protocol.Entry{Key: key, Value: v})
	}
	if version := l.events.SessionVersion; version > 0 && len(all) > 0 {
		all = append(all, stamp(version))
	}
	return all, nil
}
