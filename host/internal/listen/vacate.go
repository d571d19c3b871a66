// Vacating: connections of HTTP/1.x in cleartext go to a listener that takes over from this one as soon as they wait
// for a request, with what was read of it. So none is closed, nor told that it will be. Those over TLS can't go, since
// what they have agreed on is in this process.

package listen

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/workerhost/workerhost/host/internal/lane"
	"github.com/workerhost/workerhost/host/internal/loop"
)

// Idle is a connection of HTTP/1.x in cleartext that waits for a request, or for the rest of one.
type Idle struct {
	Socket *os.File
	Who    string // the address that it is counted for; "" is none
	lane.Past
}

// Vacate gives connections away from now on, as soon as they wait. It follows LetGo, and Shutdown follows it, which
// waits for them up to half of its time, and tells clients that they have to go only then. give must not wait, and
// closes the socket, also if it fails. It may be called until the host ends, with what comes from a listener before
// this one. Where there are no event loops Vacate does nothing.
func (s *Server) Vacate(give func(Idle) error) {
	l := s.lane.Load()
	if l == nil {
		return
	}
	s.vacated.Store(&give)
	l.lane.Vacate()
	for _, c := range s.clients.list() {
		if on, ok := c.Conn.(*lane.Conn); ok {
			on.Vacate()
		} else if c.waits.Load() > 0 {
			c.Conn.SetReadDeadline(time.Unix(1, 0)) // rouses it
		}
	}
}

// awaitLeft returns when all that go to the listener in this one's place have gone, those included whose handshake is
// under way, or when half of the time is over: others are to be told that the host ends.
func (s *Server) awaitLeft(ctx context.Context) {
	s.mu.Lock()
	left := s.left
	s.mu.Unlock()
	if !left || s.options.Protocol == UDP {
		return
	}
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	look := time.NewTicker(partingLook)
	defer look.Stop()
	for s.leaving() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// leaving says whether somebody is still here who goes to the other listener.
func (s *Server) leaving() bool {
	for _, h := range s.web.Hubs() {
		if h.Absent() > 0 {
			return true
		}
	}
	switch {
	case s.options.Protocol == TCP:
		return s.clients.count() > 0
	case s.vacated.Load() != nil:
		return s.clients.countHTTP1() > 0
	}
	return false
}

func (s *clients) countHTTP1() (n int) {
	for _, c := range s.list() {
		if c.waits.Load() != apart {
			n++
		}
	}
	return n
}

// give gives a socket away, which counts no more here.
func (s *Server) give(c *client, fd int, past lane.Past) {
	i := Idle{Socket: os.NewFile(uintptr(fd), "client"), Past: past}
	if c.who.IsValid() {
		i.Who = c.who.String()
	}
	c.forget()
	if err := (*s.vacated.Load())(i); err != nil {
		s.log.Warn("a connection that waited for a request is closed: it could not be handed over", "error", err)
	}
}

// Vacated implements lane.Owner.
func (c *laneClient) Vacated(fd int, past lane.Past) { c.acceptor.server.give(c.client, fd, past) }

// vacant says whether the connection waits for a request, and is to go: net/http has nothing of it then.
func (c *strictConn) vacant() bool {
	if c.server.vacated.Load() == nil || c.serving.Load() || c.doomed.Load() || c.broken {
		return false
	}
	_, clear := c.Conn.(*client)
	return clear && c.scan.rests() && c.scan.heads == c.handled
}

// rests says whether a request may begin, of which nothing has come.
func (s *scanner) rests() bool {
	return s.state == requestLine && len(s.partial) == 0 && s.empty != 1 && s.prefaced == 0
}

// roused says whether a read ended with err only so that it begins anew. The deadline is then net/http's again.
func (c *strictConn) roused(err error) bool {
	if c.server.vacated.Load() == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	for {
		until, t := c.until.Load(), time.Time{}
		if until != 0 {
			t = time.Unix(0, until)
		}
		if until != 0 && !t.After(time.Now()) || c.Conn.SetReadDeadline(t) != nil {
			return false
		}
		if c.until.Load() == until { // else net/http has just set another one
			return true
		}
	}
}

// vacate gives the connection away when net/http closes it. It says false if that can't be done.
func (c *strictConn) vacate() bool {
	below := c.below()
	fd, ok := loop.Take(below.Conn)
	if ok {
		c.server.give(below, fd, lane.Past{Answered: c.handled > 0})
	}
	return ok
}

// AdoptIdle goes on with a connection that another listener has vacated, or passes it on if this one has been vacated,
// too. It is counted whatever the limits. With an error it has been closed.
func (s *Server) AdoptIdle(i Idle) error {
	if give := s.vacated.Load(); give != nil {
		return (*give)(i)
	}
	s.mu.Lock()
	if !s.serving && !s.closed {
		s.early = append(s.early, i)
		s.mu.Unlock()
		return nil
	}
	if s.closed {
		s.mu.Unlock()
		i.Socket.Close()
		return net.ErrClosed
	}
	s.retiring.Add(1)
	s.mu.Unlock()
	defer s.retiring.Done()
	l := s.lane.Load()
	c, err := net.FileConn(i.Socket)
	i.Socket.Close()
	if err != nil {
		return err
	}
	if l == nil {
		c.Close()
		return errors.New("a connection in cleartext can't go on with a listener that has no event loops, or has TLS")
	}
	who, _ := netip.ParseAddr(i.Who)
	s.crowd.Readmit(who)
	below := s.clients.add(c, s.crowd, who, s.writeTimeout)
	if !l.seat(below, i.Past) {
		s.retiring.Go(func() { l.pass(l.strict(below, i.Past)) }) // ends with the acceptor
	}
	return nil
}
