// order.go: what a dial is to be, as a worker or the configuration asks for it.

package dial

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// Fence is what may be dialed. It is safe for concurrent use.
type Fence interface {
	// Target reads a URL, and fails where it must not be dialed.
	Target(text string) (*url.URL, error)
	// Fill puts secrets into the value of a field on its way to u.
	Fill(name, value string, u *url.URL) (string, error)
	// Prefixes are the networks that may be dialed besides public addresses.
	Prefixes() []netip.Prefix
	// IsForbidden says whether an error of Target is that it is not allowed, rather than that it makes no sense.
	IsForbidden(err error) bool
}

// Owner is the pool whose workers handle a dial's events. It never changes; one pool is one Owner.
type Owner struct {
	Pool    string
	Backend hub.Backend
	// Most is how many dials its workers may have asked for at a time.
	Most func() int
	// Serving tells which generation of the pool is live, and which one a reload brings in; 0 is none. It takes no
	// lock.
	Serving func() (live, coming uint64)
	// Provisional is that of workers which only some clients get: what they ask for replaces nothing.
	Provisional bool
	// Of is the Owner that a provisional one stands beside, which owns what it asks for; else nil.
	Of *Owner
}

// Order is a dial as somebody asks for it.
type Order struct {
	protocol.Dial
	Owner      *Owner
	Generation uint64 // of the worker that asks; 0 is the configuration
	Fence      Fence

	url *url.URL
}

// refusal is why an order is not taken, with the code that a worker gets.
type refusal struct {
	code protocol.CallCode
	why  string
}

// Error implements error.
func (r *refusal) Error() string { return r.why }

func refuse(code protocol.CallCode, format string, a ...any) error {
	return &refusal{code, fmt.Sprintf(format, a...)}
}

// Check completes an order, and finds what is wrong with it.
func (o *Order) Check() (err error) {
	if o.url, err = o.Fence.Target(o.URL); err != nil {
		if o.Fence.IsForbidden(err) {
			return refuse(protocol.CallPermissionDenied, "the URL may not be dialed: write it into [pool.%s.fetch] "+
				"allow of host.toml, and reload", o.Owner.Pool)
		}
		return refuse(protocol.CallInvalidArgument, "the URL makes no sense: %v", err)
	}
	if err := o.Dial.Check(o.url.Scheme); err != nil {
		return refuse(protocol.CallInvalidArgument, "%v", err)
	}
	for i := 0; i+1 < len(o.Headers); i += 2 {
		if _, err := o.Fence.Fill(o.Headers[i], o.Headers[i+1], o.url); err != nil {
			return refuse(protocol.CallPermissionDenied, "%v", err)
		}
	}
	return nil
}

// spoken is the protocol of the connection.
func (o *Order) spoken() string {
	switch o.url.Scheme {
	case "ws", "wss":
		return protocol.ProtoWebSocket
	case "http", "https":
		return protocol.ProtoSSE
	}
	return protocol.ProtoTCP
}

// secure says whether it goes over TLS.
func secure(u *url.URL) bool { return u.Scheme == "wss" || u.Scheme == "https" || u.Scheme == "tls" }

// start is what the first connection has.
func (o *Order) start() hub.Start { return hub.Start{UID: o.UID, Groups: o.Groups, Session: o.Session} }

// sameTerms says whether two orders of a name are for the same dial.
func (o *Order) sameTerms(other *Order) bool {
	a, b := o.Dial, other.Dial
	a.URL, b.URL = o.url.String(), other.url.String()
	for _, d := range []*protocol.Dial{&a, &b} {
		d.Session, d.Groups, d.UID = nil, nil, ""
		if len(d.Headers) == 0 {
			d.Headers = nil
		}
		if len(d.Subprotocols) == 0 {
			d.Subprotocols = nil
		}
	}
	return o.Owner == other.Owner && reflect.DeepEqual(a, b)
}

// limits are those of its connections.
func (o *Order) limits() *peer.SocketLimits {
	l := peer.DefaultSocketLimits()
	l.MaxMessage = o.MaxMessage
	l.IdleTimeout, l.PingInterval, l.PongTimeout = millis(o.IdleTimeout), millis(o.PingInterval), millis(o.PongTimeout)
	return &l
}

var framings = map[string]peer.FramingKind{"raw": peer.FrameRaw, "line": peer.FrameLine,
	"length16": peer.FrameLength16, "length32": peer.FrameLength32, "delimiter": peer.FrameDelimiter}

func (o *Order) framing() peer.Framing {
	return peer.Framing{Kind: framings[o.Framing], Delimiter: o.Delimiter}
}

func millis(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
