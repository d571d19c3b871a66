// The lane of a listener: plain HTTP/1.1 in cleartext, on event loops. What it gives up goes on with net/http.

package listen

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/workerhost/workerhost/host/internal/lane"
	"github.com/workerhost/workerhost/host/internal/web"
)

// laneAcceptor has the lane take each connection, and net/http those that the lane does not hold, or not any more.
type laneAcceptor struct {
	*deliveries
	server *Server
	lane   *lane.Lane
}

func (s *Server) listenLane(in net.Listener) *laneAcceptor {
	l := &laneAcceptor{newDeliveries(in), s, lane.New(s.web, s.options.Loops)}
	l.accept(l.take)
	return l
}

// drainLane closes the lane's connections as soon as they wait, and returns when there is none any more, and net/http
// has those that were given to it, or ctx's error.
func (s *Server) drainLane(ctx context.Context) error {
	if s.lane.Load() == nil {
		return nil
	}
	look := time.NewTicker(partingLook)
	defer look.Stop()
	for {
		left := 0
		for _, c := range s.clients.list() {
			_, on := c.Conn.(*lane.Conn)
			switch waits := c.waits.Load(); {
			case waits == passing, on && waits == answering:
				left++
			case on:
				c.Close()
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take has the lane serve a connection, or else net/http.
func (l *laneAcceptor) take(c net.Conn) {
	if below := c.(*client); !l.seat(below, lane.Past{}) {
		l.running.Go(func() { l.pass(newStrictConn(below, l.server)) })
	}
}

// seat has the lane serve a connection, or says that it can't.
func (l *laneAcceptor) seat(below *client, past lane.Past) bool {
	if len(past.Read) > lane.MostRead {
		return false
	}
	on, ok := l.lane.Take(below.Conn)
	if !ok {
		return false
	}
	n := l.server.clients.move(below, on, apart)
	if n == nil {
		on.Close()
		return true
	}
	n.note(http.StateNew)
	on.Serve(&laneClient{client: n, acceptor: l, answered: past.Answered}, past)
	return true
}

// pass gives a connection to net/http.
func (l *laneAcceptor) pass(c *strictConn) {
	if !l.deliver(accepted{conn: c}) {
		c.Close()
	}
}

// strict makes net/http's view of a connection that has a past.
func (l *laneAcceptor) strict(n *client, past lane.Past) *strictConn {
	c := newStrictConn(n, l.server)
	if c.replay = past.Read; len(past.Read) > 0 {
		c.spent = time.Since(past.Began)
	}
	if past.Answered { // HTTP/2 may begin no more
		c.scan.heads, c.handled = 1, 1
	}
	return c
}

// laneClient is a client whose connection is on the lane. It implements [lane.Owner].
type laneClient struct {
	*client
	acceptor *laneAcceptor
	answered bool // a request, at least; guarded by the lock of the lane's connection
}

// Note implements lane.Owner.
func (c *laneClient) Note(state http.ConnState) {
	c.note(state)
	c.answered = c.answered || state == http.StateIdle
}

// Heard implements lane.Owner.
func (c *laneClient) Heard() { c.hears() }

// Closed implements lane.Owner.
func (c *laneClient) Closed() { c.forget() }

// Yielded implements lane.Owner.
func (c *laneClient) Yielded(conn net.Conn, read []byte, began time.Time, lingers bool, p *web.Pending) {
	var n *client
	if conn.RemoteAddr() == nil { // the client has reset it
		c.forget()
	} else {
		n = c.set.move(c.client, conn, passing)
	}
	if n == nil {
		conn.Close()
		if p != nil {
			p.Drop()
		}
		return
	}
	strict := c.acceptor.strict(n, lane.Past{Read: read, Began: began, Answered: c.answered})
	strict.pending.Store(p)
	if lingers {
		strict.lingers.Store(true)
		strict.Close()
		return
	}
	c.acceptor.pass(strict)
}
