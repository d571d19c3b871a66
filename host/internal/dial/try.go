// try.go: one try to have a dial stand, from the name's look-up to the worker's word.

package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/host/internal/fetch/reach"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/protocol"
)

// try is one. It knows what the dial was like when it began.
type try struct {
	room   *Room
	order  *Order
	stand  *stand
	start  hub.Start
	lastID string
	as     protocol.Dialed
}

// run is the try's goroutine.
func (t *try) run(ctx context.Context) {
	r, d, s := t.room, t.stand.dial, t.stand
	defer r.running.Done()
	err := t.dial(ctx)
	if err == nil {
		return
	}
	r.mu.Lock()
	failed, ending := d.failed, d.ending
	r.counts.Failed++
	if d.stand == s && d.phase == dialing {
		d.fails(err)
	}
	left := d.phase == gone
	r.mu.Unlock()
	if !ending {
		t.tellFailure(err, failed, left)
	}
}

// stands follows the workers' word.
func (t *try) stands(c *hub.Connection, remote string) {
	r, s := t.room, t.stand
	r.mu.Lock()
	hangUp, closed := s.dial.stands(s, c), r.closed
	r.mu.Unlock()
	r.Log.Info("a dial stands", "dial", s.dial.name, "url", t.order.shown(), "remote", remote, "pool",
		t.order.Owner.Pool, "connection", c.ID(), "reconnects", t.as.Reconnects)
	if hangUp {
		code := protocol.CloseNormal
		if closed {
			code = protocol.CloseGoing
		}
		c.Hangup(code, "")
	}
}

// tellFailure logs the first of a row of failures, and then ever fewer.
func (t *try) tellFailure(err error, before int, left bool) {
	log := t.room.Log
	details := []any{"dial", t.order.Name, "url", t.order.shown(), "pool", t.order.Owner.Pool, "error",
		redact.Text(err.Error())}
	switch {
	case left:
		log.Error("a dial has failed, and is not tried again", details...)
	case before&(before-1) == 0: // 0, 1, 2, 4, 8 …
		log.Warn("a dial has failed, and is tried again", append(details, "failures", before+1)...)
	default:
		log.Debug("a dial has failed, and is tried again", append(details, "failures", before+1)...)
	}
}

// shown is the order's URL as others may see it.
func (o *Order) shown() string {
	const longest = 512
	to := o.URL
	if o.url != nil {
		to = o.url.String()
	}
	if len(to) > longest {
		to = to[:longest] + "…"
	}
	return redact.Text(redact.URL(to))
}

// dial connects, and has the workers decide.
func (t *try) dial(ctx context.Context) error {
	handshake, cancel := context.WithTimeoutCause(ctx, millis(t.order.ConnectTimeout), errTooLate)
	defer cancel()
	d, err := t.connect(handshake)
	if err != nil {
		if handshake.Err() != nil {
			err = fmt.Errorf("%w (%v)", context.Cause(handshake), err)
		}
		return err
	}
	d.Stands = func(c *hub.Connection) { t.stands(c, d.Remote) }
	d.As, d.Start, d.Over, d.Protocol = &t.as, t.start, t.over, t.order.spoken()
	t.stand.events = d.Events
	peers, terms := t.room.peers(t.order)
	opening, end := context.WithTimeout(ctx, openTime)
	defer end()
	return peers.Dial(opening, d, t.room.Loops, terms)
}

var errTooLate = errors.New("it did not come to stand within connect_timeout")

// over is called by the hub at the connection's end.
func (t *try) over(end hub.Start) {
	r, s := t.room, t.stand
	r.mu.Lock()
	defer r.mu.Unlock()
	s.over, s.end = true, end
	if d := s.dial; d.stand == s && d.phase == standing {
		d.ended(s)
	}
}

// connect makes the connection, with its handshakes.
func (t *try) connect(ctx context.Context) (*peer.Dialed, error) {
	if t.order.spoken() == protocol.ProtoTCP {
		return t.reach(ctx, t.order.url)
	}
	if t.order.spoken() == protocol.ProtoWebSocket {
		return t.openWebSocket(ctx)
	}
	return t.openEvents(ctx)
}

// reach connects to the host of a URL, with TLS if that says so.
func (t *try) reach(ctx context.Context, u *url.URL) (*peer.Dialed, error) {
	dial := reach.Dialer(t.order.Fence.Prefixes(), millis(t.order.ConnectTimeout))
	conn, err := dial(ctx, "tcp", place.Host(u))
	if err != nil {
		return nil, err
	}
	d := &peer.Dialed{Conn: conn, Direct: conn, Remote: conn.RemoteAddr().String()}
	if !secure(u) {
		return d, nil
	}
	timeout := t.order.limits().WriteTimeout
	config := &tls.Config{ServerName: u.Hostname(), RootCAs: t.room.Roots}
	if u.Scheme != "tls" {
		config.NextProtos = []string{"http/1.1"}
	}
	over := tls.Client(peer.Guarded(conn, func() time.Duration { return timeout }), config)
	if err := over.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	d.Conn = over
	return d, nil
}

// within has what f does with a connection end when ctx does.
func within(ctx context.Context, conn net.Conn, f func() error) error {
	past := time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	err := f()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		conn.SetDeadline(time.Time{})
	}
	return err
}
