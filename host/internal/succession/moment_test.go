// What is under way at the moment of the take-over.

package succession

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/protocol"
)

func TestEventsUnderWayAreHandledWhereTheyBegan(t *testing.T) {
	old, next := start(t, "old"), start(t, "next")
	for i, c := range []*client{old.webSocket(""), old.line()} {
		c.expect("hello")
		c.say("wait first")
		old.workers.wait(t, i+1)
		c.say("where")
		c.say("echo third")
		defer func() {
			c.expect("first")
			c.expect("next")
			c.expect("third")
		}()
	}
	old.handTo(next)
	old.workers.release()
}

func TestAWorkersEndWithAnEventClosesOnlyItsConnection(t *testing.T) {
	old, next := start(t, "old"), start(t, "next")
	a, b := old.webSocket(""), old.webSocket("")
	a.expect("hello")
	b.expect("hello")
	a.say("wait x")
	old.workers.wait(t, 1)
	old.handTo(next)
	old.giver.End() // as if the link had broken, and the old host died
	next.links[0].Close()
	if got, err := a.hear(); !errors.Is(err, errClosed) || !strings.Contains(got, "could not be handled") {
		t.Errorf("%q and %v came", got, err)
	}
	b.say("where")
	b.expect("next")
	old.workers.release()
}

func TestWhatNobodyHasBegunIsHandledByTheNextHost(t *testing.T) {
	old, next := start(t, "old"), start(t, "next")
	old.workers.mu.Lock()
	old.workers.queues = true
	old.workers.mu.Unlock()
	c := old.webSocket("")
	c.expect("hello")
	c.say("where")
	old.workers.wait(t, 1)
	c.say("echo second")
	old.handTo(next)
	c.say("echo third")
	old.workers.release() // its pool ends
	c.expect("next")
	c.expect("second")
	c.expect("third")
}

// An OPEN at the moment: its worker decides, and the client's socket follows; others can send to it meanwhile.
func TestClientsThatComeAtThatMomentComeThrough(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		old, next := start(t, "old"), start(t, "next")
		old.workers.mu.Lock()
		old.workers.open, old.workers.refuses = make(chan struct{}), refuses
		old.workers.mu.Unlock()
		ws := &client{t: t, Conn: old.dial(old.web.Address()), kind: "ws", next: map[string]int{}}
		ws.in = bufio.NewReader(ws.Conn)
		io.WriteString(ws, handshake+"\r\n")
		line, gone := old.line(), old.line()
		old.workers.wait(t, 3)
		old.handTo(next)
		if n := old.hub.Absent(); n != 3 {
			t.Errorf("%d sockets are to follow, of 3", n)
		}
		gone.Close()
		old.workers.release()
		status := ws.head()
		if refuses {
			if !strings.Contains(status, " 403 ") {
				t.Errorf("the handshake was answered with %s", status)
			}
			if _, err := line.hear(); err == nil {
				t.Error("a client was served that was refused")
			}
		} else {
			for _, c := range []*client{ws, line} {
				c.expect("hello")
				c.say("where")
				c.expect("next")
			}
			if err := next.hub.Apply(nil, []protocol.Act{&protocol.Send{To: protocol.ToGroups,
				Names: []string{"room"}, Bytes: []byte("to all")}}); err != nil {
				t.Error(err)
			}
			ws.expect("to all")
			line.expect("to all")
		}
		ws.Close()
		line.Close()
		eventually(t, func() bool { return old.hub.Absent() == 0 && next.hub.Count("", true) == 0 })
	}
}

// Between Offer and Hand nothing moves; clients that come then wait for a moment.
func TestClientsThatComeWhileHubsAreFrozenWait(t *testing.T) {
	for _, goes := range []bool{true, false} {
		old, next := start(t, "old"), start(t, "next")
		before := old.webSocket("")
		before.expect("hello")
		old.joined(next, nil)
		if _, err := old.giver.Offer(t.Context()); err != nil {
			t.Fatal(err)
		}
		before.say("where")
		ws := &client{t: t, Conn: old.dial(old.web.Address()), kind: "ws", next: map[string]int{}}
		ws.in = bufio.NewReader(ws.Conn)
		io.WriteString(ws, handshake+"\r\n")
		events := old.events()
		line := old.line()
		said := make(chan error, 1)
		go func() {
			nobody := &protocol.Send{To: protocol.ToConnections, Names: []string{"x"}}
			said <- old.hub.Apply(nil, []protocol.Act{nobody})
		}()
		select {
		case err := <-said:
			t.Errorf("acts took effect while the hub was frozen: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		name := "next"
		if !goes {
			name = "old"
			old.giver.Withdraw()
		} else if err := old.giver.Hand(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-said; err != nil {
			t.Error(err)
		}
		if status := ws.head(); !strings.Contains(status, " 101 ") {
			t.Fatalf("the handshake was answered with %s", status)
		}
		before.expect(name)
		for _, c := range []*client{ws, line} {
			c.expect("hello")
			c.say("where")
			c.expect(name)
		}
		ws.say("all to all")
		for _, c := range []*client{before, ws, line, events} {
			c.expect("to all")
		}
	}
}

// A client may have said any part of anything.
func TestWhatIsHalfSaidIsSaidToTheEnd(t *testing.T) {
	old, next := start(t, "old"), start(t, "next")
	text := []byte("echo " + strings.Repeat("αβγ ", 60) + "1")
	squeezed := peertest.Squeeze(text)
	words := map[string][]byte{
		"plain": slices.Concat(peertest.Frame(0x01, text[:7]), peertest.Frame(0x89, []byte("ping")),
			peertest.Frame(0x00, text[7:300]), peertest.Frame(0x80, text[300:])),
		"deflate": slices.Concat(peertest.Frame(0x41, squeezed[:5]), peertest.Frame(0x80, squeezed[5:])),
	}
	type half struct {
		c    *client
		rest []byte
	}
	var all []half
	for name, bytes := range words {
		headers := ""
		if name == "deflate" {
			headers = deflates
		}
		for cut := 0; cut < len(bytes); cut += 1 + cut/12 {
			c := old.webSocket(headers)
			c.expect("hello")
			c.Write(bytes[:cut])
			all = append(all, half{c, bytes[cut:]})
		}
	}
	for cut := 0; cut < len(text); cut += 5 {
		c := old.line()
		c.expect("hello")
		c.Write(text[:cut])
		all = append(all, half{c, append(slices.Clone(text[cut:]), '\r', '\n')})
	}
	// a message that is read right into its place
	large := []byte("size " + strings.Repeat("x", 1<<20))
	c := old.webSocket("")
	c.expect("hello")
	frame := peertest.Text(string(large))
	c.Write(frame[:1<<19])
	time.Sleep(20 * time.Millisecond) // most of it has been read by then
	s, _ := old.handTo(next)
	if s.Stays != 0 {
		t.Errorf("%+v", s)
	}
	c.Write(frame[1<<19:])
	c.expect(fmt.Sprint(len(large)))
	for _, h := range all {
		h.c.Write(h.rest)
		h.c.expect(string(text[len("echo "):]))
	}
}

// A client that takes nothing has much waiting, and a write under way.
func TestWhatWaitsForSlowClientsArrivesWholeAndInOrder(t *testing.T) {
	big := func(o *listen.Options) { o.Sockets.SendBuffer = 64 << 20 }
	old, next := start(t, "old", big), start(t, "next", big)
	clients := []*client{old.webSocket(""), old.webSocket(deflates), old.line(), old.events()}
	for _, c := range clients[:3] {
		c.expect("hello")
	}
	eventually(t, func() bool { return old.hub.Count("room", false) == 4 })
	const n = 100
	filler := strings.Repeat("0123456789abcdef", 8<<10)
	send := func(h *host, from, to int) {
		for i := from; i < to; i++ {
			if err := h.hub.Apply(nil, []protocol.Act{&protocol.Send{To: protocol.ToGroups, Names: []string{"room"},
				Bytes: fmt.Appendf(nil, "%d %s", i, filler)}}); err != nil {
				t.Error(err)
			}
		}
	}
	send(old, 0, n/2)
	s, _ := old.handTo(next)
	if s.Goes != 4 || s.Stays != 0 {
		t.Errorf("%+v", s)
	}
	send(old, n/2, n/2+10)
	send(next, n/2+10, n)
	for _, c := range clients {
		for i := range n {
			if c.deflate {
				continue
			}
			if got, err := c.hear(); err != nil || got != fmt.Sprintf("%d %s", i, filler) {
				t.Fatalf("%s: %.20q and %v came instead of message %d", c.kind, got, err, i)
			}
		}
	}
}

func TestAHeirThatDiesBeforeLeavesAllAsItWas(t *testing.T) {
	old := start(t, "old")
	var clients []*client
	for range 20 {
		clients = append(clients, old.webSocket(""), old.line())
	}
	for i, c := range clients {
		c.expect("hello")
		c.say(fmt.Sprint("echo ", i))
		c.expect(fmt.Sprint(i))
	}
	clients[0].say("wait 0") // an event that goes on through it all
	old.workers.wait(t, 1)
	for _, when := range []string{"at once", "when it has some", "when it has all"} {
		next := start(t, "next")
		old.joined(next, nil, func(to *Taker) {
			if when == "when it has some" {
				to.link = dying{next.links[0]}
			}
		})
		if when == "at once" {
			next.links[0].Close()
		}
		_, err := old.giver.Offer(t.Context())
		if when == "when it has all" {
			if err != nil {
				t.Fatal(err)
			}
			next.links[0].Close()
			<-old.giver.lost
			err = old.giver.Hand(t.Context())
		}
		if err == nil {
			t.Errorf("%s: the connections went to a host that had died", when)
		}
		for i, c := range clients[1:] {
			c.say(fmt.Sprint("echo ", i))
			c.expect(fmt.Sprint(i))
		}
	}
	old.workers.release()
	clients[0].expect("0")
	// and the next one succeeds
	next := start(t, "next")
	old.handTo(next)
	for _, c := range clients {
		c.say("where")
		c.expect("next")
	}
}

// dying is a link of a host that dies when it is about to answer.
type dying struct{ *handover.Link }

func (d dying) Send(kind string, body any, files ...*os.File) error {
	d.Link.Close()
	return handover.ErrClosed
}

func TestAHeirThatTakesItsTimeIsGivenUp(t *testing.T) {
	old, next := start(t, "old"), start(t, "next")
	c := old.webSocket("")
	c.expect("hello")
	old.joined(next, nil, func(to *Taker) { to.link = mute{to.link} })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := old.giver.Offer(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	c.say("where")
	c.expect("old")
}

type mute struct{ Sender }

func (mute) Send(string, any, ...*os.File) error { return nil }

func TestGroupsUsersAndSessionsGoAlong(t *testing.T) {
	old, next := start(t, "old"), start(t, "next")
	c := old.webSocket("")
	c.expect("hello")
	id := old.hub.List()[0].ID
	if err := old.hub.Apply(nil, []protocol.Act{
		&protocol.Join{Connection: id, Groups: []string{"a", "b"}},
		&protocol.Leave{Connection: id, Groups: []string{"a"}},
		&protocol.Set{Connection: id, Set: []protocol.Entry{{Key: "k", Value: value([]any{1, "two"})}}},
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return old.hub.List()[0].Queued == 0 })
	want := fmt.Sprintf("%+v", old.hub.List()[0])
	session, tallies := ask(t, old.hub, "session", id), old.hub.Tallies()
	old.handTo(next)
	if got := fmt.Sprintf("%+v", next.hub.List()[0]); got != want {
		t.Errorf("it was\n%s\nand is\n%s", want, got)
	}
	for _, h := range []*host{old, next} { // the old host's workers ask the next one's hub
		if got := ask(t, h.hub, "session", id); got != session {
			t.Errorf("%s: the session was %s, and is %s", h.name, session, got)
		}
		if got := ask(t, h.hub, "online", "user"); got != "true" {
			t.Errorf("%s: the user is online: %s", h.name, got)
		}
		if got := ask(t, h.hub, "ids", "b"); got != "["+id+"]" {
			t.Errorf("%s: in the group: %s", h.name, got)
		}
	}
	if got := next.hub.Tallies(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tallies) {
		t.Errorf("it had counted %+v, and has %+v", tallies, got)
	}
	answers := make(chan *protocol.Result, 1)
	old.hub.Swap(&protocol.Swap{Stream: 2, Connection: id, Version: 2,
		Set: []protocol.Entry{{Key: "k", Value: value(3)}}}, protocol.NewCaller(answering(answers), 2))
	if r := <-answers; r.Error != "" {
		t.Errorf("%+v", r)
	}
	if got := ask(t, next.hub, "session", id); !strings.Contains(got, "k 3") {
		t.Errorf("the session is %s", got)
	}
}

type answering chan *protocol.Result

func (a answering) Reply(_ uint32, r *protocol.Result) { a <- r }
func (a answering) Waiting(uint32) context.Context     { return context.Background() }

func ask(t *testing.T, h *hub.Hub, method string, arguments ...any) string {
	t.Helper()
	m := &protocol.Call{Stream: 2, Method: method}
	for _, a := range arguments {
		m.Arguments = append(m.Arguments, value(a))
	}
	answers := make(chan *protocol.Result, 1)
	h.Call(m, protocol.NewCaller(answering(answers), 2))
	r := <-answers
	v, err := r.Value.Decode()
	if r.Error != "" || err != nil {
		t.Fatalf("%s: %s %v", method, r.Error, err)
	}
	return fmt.Sprint(v)
}

func TestWhatTheNextHostHasNoPlaceForIsClosed(t *testing.T) {
	old, next := start(t, "old"), start(t, "next")
	ws, line := old.webSocket(""), old.line()
	ws.expect("hello")
	line.expect("hello")
	old.joined(next, nil, func(to *Taker) {
		to.listener = func(address string) Listener {
			if address == tcpAddress {
				return next.tcp
			}
			return nil
		}
	})
	s, err := old.giver.Offer(t.Context())
	if err == nil {
		err = old.giver.Hand(t.Context())
	}
	if err != nil || s.Goes != 1 || s.Stays != 1 {
		t.Errorf("%+v %v", s, err)
	}
	if got, err := ws.hear(); !errors.Is(err, errClosed) || !strings.Contains(got, "the server is being replaced") {
		t.Errorf("%q and %v came", got, err)
	}
	ws.Write(peertest.Close(1012, ""))
	line.say("where")
	line.expect("next")
	eventually(t, func() bool {
		old.workers.mu.Lock()
		defer old.workers.mu.Unlock()
		return len(old.workers.closed) == 1
	})
}
