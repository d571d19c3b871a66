package succession

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/cert"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/protocol"
)

// withTLS has a host's listeners speak it.
func withTLS(t testing.TB) change {
	folder := t.TempDir()
	if err := cert.MakeLocal(folder, time.Now()); err != nil {
		t.Fatal(err)
	}
	var files listen.TLSFiles
	files.Certificate, files.Key = cert.LocalFiles(folder)
	return func(o *listen.Options) { o.TLS = &listen.TLS{Files: []listen.TLSFiles{files}} }
}

// secure has a client over TLS, of a kind.
func (h *host) secure(kind string) *client {
	h.t.Helper()
	address := h.web.Address()
	if kind == "tcp" {
		address = h.tcp.Address()
	}
	c := &client{t: h.t, Conn: tls.Client(h.dial(address), &tls.Config{InsecureSkipVerify: true}), kind: kind,
		next: map[string]int{}}
	c.in = bufio.NewReader(c.Conn)
	switch kind {
	case "ws":
		io.WriteString(c, handshake+"\r\n")
		if status := c.head(); !strings.Contains(status, " 101 ") {
			h.t.Fatal(status)
		}
	case "sse":
		io.WriteString(c, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
		c.head()
		return c
	}
	c.expect("hello")
	return c
}

// invitedTo has next take over from h, whose guests g has.
func (h *host) invitedTo(next *host, g *Guests) {
	h.t.Helper()
	h.joined(next, g.Invite)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := h.giver.Offer(ctx)
	if err == nil {
		err = h.giver.Hand(ctx)
	}
	if err != nil || s.Stays != 0 {
		h.t.Fatalf("%+v %v", s, err)
	}
}

func TestClientsOverTLSAreGuestsOfTheHostBefore(t *testing.T) {
	over := withTLS(t)
	first := start(t, "h0", over)
	var all []*client
	for range 20 {
		all = append(all, first.secure("ws"), first.secure("tcp"), first.secure("sse"))
	}
	eventually(t, func() bool { return first.hub.Count("room", false) == len(all) })
	stop := make(chan struct{})
	var said, heard sync.WaitGroup
	for _, c := range all {
		heard.Go(c.count)
		if c.kind == "sse" {
			continue
		}
		said.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c.say(fmt.Sprintf("echo e %d", c.sent))
				c.sent++
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	last := first
	var guests []*Guests
	for i := range 3 {
		time.Sleep(50 * time.Millisecond)
		next := start(t, fmt.Sprint("h", i+1), over)
		guests = append(guests, NewGuests(time.Hour, time.Minute))
		last.invitedTo(next, guests[i])
		last = next
	}
	for _, s := range []*listen.Server{first.web, first.tcp} { // the listeners end, and the guests stay
		s.LetGo()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		s.Close()
	}
	if n := guests[0].Count(); n != len(all) {
		t.Errorf("the first host has %d guests of %d", n, len(all))
	}
	if n := guests[1].Count() + guests[2].Count(); n != 0 {
		t.Errorf("guests go on as sockets, and %d were invited once more", n)
	}
	time.Sleep(50 * time.Millisecond)
	close(stop)
	said.Wait()
	for _, c := range all {
		if c.kind != "sse" {
			eventually(t, func() bool { return c.ready.Load() >= int64(c.sent) })
		}
	}
	end := &protocol.Send{To: protocol.ToAll, Bytes: []byte("end")}
	if err := last.hub.Apply(nil, []protocol.Act{end}); err != nil {
		t.Fatal(err)
	}
	heard.Wait()
	for _, c := range all {
		c.Close()
	}
	eventually(t, func() bool { return last.hub.Count("", true) == 0 && guests[0].Count() == 0 })
	if n := first.web.Connections() + first.tcp.Connections(); n != 0 {
		t.Errorf("the first host still counts %d clients", n)
	}
}

func TestGuestsAreClosedWhenTheirTimeIsOver(t *testing.T) {
	over := withTLS(t)
	first, next, last := start(t, "h0", over), start(t, "h1", over), start(t, "h2", over)
	c, line := first.secure("ws"), first.secure("tcp")
	g := NewGuests(300*time.Millisecond, 100*time.Millisecond)
	first.invitedTo(next, g)
	next.invitedTo(last, NewGuests(time.Hour, 0)) // it does not get longer by that
	if text, err := c.hear(); !errors.Is(err, errClosed) || !strings.HasPrefix(text, "\x03\xf4") {
		t.Errorf("%q %v", text, err)
	}
	c.Close()
	if text, err := line.hear(); err != io.EOF {
		t.Errorf("%q %v", text, err)
	}
	line.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if left := g.Wait(ctx); left != 0 {
		t.Errorf("%d were cut", left)
	}
}

func TestWhatIsWithdrawnGoesOnOverTLS(t *testing.T) {
	over := withTLS(t)
	first, next := start(t, "h0", over), start(t, "h1", over)
	c := first.secure("ws")
	g := NewGuests(time.Hour, 0)
	first.joined(next, g.Invite)
	if _, err := first.giver.Offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.giver.Withdraw()
	c.say("where")
	c.expect("h0")
	if n := g.Count(); n != 0 {
		t.Errorf("%d guests", n)
	}
}

func TestGuestsAreCutWhenTheHostCanWaitNoLonger(t *testing.T) {
	over := withTLS(t)
	first, next := start(t, "h0", over), start(t, "h1", over)
	c := first.secure("ws")
	g := NewGuests(time.Hour, 0)
	first.invitedTo(next, g)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if left := g.Wait(ctx); left != 1 {
		t.Errorf("%d were cut", left)
	}
	if _, err := c.hear(); err == nil {
		t.Error("the client is still connected")
	}
	eventually(t, func() bool { return next.hub.Count("", true) == 0 })
}
