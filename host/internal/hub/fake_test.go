package hub

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/protocol"
)

// tagged puts a message between brackets, or braces if it is binary, and counts how often.
type tagged struct{ encoded *atomic.Int64 }

func (t tagged) Append(b, data []byte, binary bool) []byte {
	t.encoded.Add(1)
	if binary {
		return append(append(append(b, '{'), data...), '}')
	}
	return append(append(append(b, '['), data...), ']')
}

var tags = tagged{new(atomic.Int64)}

// fakePeer is a client's end in memory. It calls Closed when it is told to end, as a listener would.
type fakePeer struct {
	c        *Connection
	encoding Encoding

	mu      sync.Mutex
	got     bytes.Buffer
	room    func() int    // what TryWrite takes; nil is everything
	stuck   chan struct{} // Write waits until it is closed; nil is not at all
	writing int
	code    int
	reason  string
	ended   int
	aborted int
	cut     chan struct{}
	broken  error
	stay    bool // it does not report Closed when it ends
}

var errCut = errors.New("cut")

func (p *fakePeer) Encoding() Encoding { return p.encoding }

func (p *fakePeer) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writing++; p.writing > 1 {
		panic("two writers at once")
	}
	if p.ended > 0 {
		panic("a write after End")
	}
}

func (p *fakePeer) exit(b [][]byte, n int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writing--
	if p.broken != nil {
		return 0, p.broken
	}
	did := 0
	for _, f := range b {
		f = f[:min(len(f), n-did)]
		p.got.Write(f)
		did += len(f)
	}
	return did, nil
}

func (p *fakePeer) TryWrite(b [][]byte) (int, error) {
	p.enter()
	n := 1 << 40
	if p.room != nil {
		n = p.room()
	}
	return p.exit(b, n)
}

func (p *fakePeer) Write(b [][]byte) error {
	p.enter()
	if p.stuck != nil {
		select {
		case <-p.stuck:
		case <-p.cut:
			p.exit(nil, 0)
			return errCut
		}
	}
	_, err := p.exit(b, 1<<40)
	return err
}

func (p *fakePeer) End(code int, reason string) {
	p.enter()
	p.exit(nil, 0)
	p.mu.Lock()
	p.ended++
	p.code, p.reason = code, reason
	p.mu.Unlock()
	if !p.stay {
		p.c.Closed(code, reason, true)
	}
}

func (p *fakePeer) Abort() {
	p.mu.Lock()
	p.aborted++
	first := p.aborted == 1
	p.mu.Unlock()
	if first {
		close(p.cut)
	}
	p.c.Closed(protocol.CloseBroken, "", false)
}

func (p *fakePeer) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got.String()
}

func (p *fakePeer) end() (code, ended, aborted int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code, p.ended, p.aborted
}

// outcome is what a handler makes of an event.
type outcome struct {
	acts     []protocol.Act
	response *protocol.Response
	failure  *protocol.Failure
}

// fakePool handles each event in a goroutine of its own, or at once within Submit.
type fakePool struct {
	hub    *Hub
	traits protocol.Traits
	atOnce bool
	free   chan struct{} // events wait until it is closed; nil is not at all
	window int           // what a stream takes at a time; 0 is everything
	terms  any           // of the workers' generation
	handle func(m protocol.Opening, c *Connection) outcome

	mu     sync.Mutex
	errs   []error
	events []string
}

var allEvents = protocol.Events{Open: true, Message: true, Close: true, Buffer: true}

type fakeTicket struct{ cancel func() }

func (t fakeTicket) Cancel(protocol.ResetCode) { t.cancel() }

func (f *fakePool) Traits() protocol.Traits { return f.traits }

func (f *fakePool) Submit(x *protocol.Exchange) protocol.Ticket {
	cancelled := make(chan struct{})
	var once sync.Once
	ticket := fakeTicket{func() { once.Do(func() { close(cancelled) }) }}
	if f.atOnce {
		f.run(x)
		return ticket
	}
	go func() {
		if f.free != nil {
			select {
			case <-f.free:
			case <-cancelled:
				x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
				x.Sink.Finished()
				return
			}
		}
		f.run(x)
	}()
	return ticket
}

// fakeStream collects a message's DATA.
type fakeStream struct {
	window int // what it takes until more says otherwise; 0 is everything
	left   int
	got    []byte
	ended  bool
	terms  any
}

// more opens the window again, and says whether there is more to come.
func (s *fakeStream) more() bool {
	s.left = s.window
	return s.window > 0 && !s.ended
}

func (s *fakeStream) Send(p []byte, end bool, _ []string) (int, bool) {
	n := len(p)
	if s.window > 0 {
		n = min(n, s.left)
		s.left -= n
	}
	s.got = append(s.got, p[:n]...)
	s.ended = s.ended || end && n == len(p)
	return n, !s.ended
}
func (s *fakeStream) Consumed(int)          {}
func (s *fakeStream) Worker() (int, uint64) { return 1, 1 }
func (s *fakeStream) Terms() any            { return s.terms }

func (f *fakePool) run(x *protocol.Exchange) {
	s := &fakeStream{window: f.window, terms: f.terms}
	s.more()
	x.Sink.Begin(s)
	event := x.Request
	if m, ok := x.Request.(*protocol.Incoming); ok && !m.Whole() {
		for s.more() {
			x.Sink.Writable()
		}
		whole := *m
		whole.Bytes = append(slices.Clone(m.Bytes), s.got...)
		if s.ended {
			whole.Flags |= protocol.FlagEnd
		}
		event = &whole
	}
	c, _ := x.Subject.(*Connection)
	o := f.handle(event, c)
	if o.response != nil {
		x.Sink.Respond(o.response)
	}
	switch {
	case o.failure != nil:
		x.Sink.Fail(o.failure)
	case len(o.acts) > 0:
		if err := f.hub.Apply(x.Subject, o.acts); err != nil {
			f.mu.Lock()
			f.errs = append(f.errs, err)
			f.mu.Unlock()
		}
	}
	x.Sink.Finished()
}

// scene is a hub with a pool.
type scene struct {
	t     testing.TB
	hub   *Hub
	pool  *fakePool
	terms *Terms
}

func newScene(t testing.TB) *scene {
	h := New(hclog.New(&hclog.LoggerOptions{Output: io.Discard}))
	s := &scene{t: t, hub: h, pool: &fakePool{hub: h, atOnce: true,
		traits: protocol.Traits{Pool: "chat", Events: allEvents}}}
	s.pool.handle = func(protocol.Opening, *Connection) outcome { return outcome{} }
	s.terms = &Terms{Backend: s.pool}
	return s
}

// note has the pool write down what comes, and answer with what handle makes of it.
func (s *scene) note(handle func(m protocol.Opening, c *Connection) outcome) {
	s.pool.handle = func(m protocol.Opening, c *Connection) outcome {
		s.pool.mu.Lock()
		s.pool.events = append(s.pool.events, describe(m))
		s.pool.mu.Unlock()
		if handle == nil {
			return outcome{}
		}
		return handle(m, c)
	}
}

func describe(m protocol.Opening) string {
	switch m := m.(type) {
	case *protocol.Incoming:
		s := string(m.Bytes)
		for _, l := range m.More {
			s += "+" + string(l.Bytes)
		}
		return s
	case *protocol.Close:
		return "CLOSE " + itoa(m.Code)
	case *protocol.Buffer:
		if m.Full {
			return "FULL"
		}
		return "DRAINED"
	}
	return m.Type().String()
}

func itoa(n int) string {
	s := ""
	for ; n > 0; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return s
}

func (s *scene) events() []string {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return slices.Clone(s.pool.events)
}

func (s *scene) add(p *fakePeer) *Connection {
	if p.cut == nil {
		p.cut = make(chan struct{})
	}
	p.c = s.hub.Add(p, Card{Protocol: protocol.ProtoWebSocket, Remote: "192.0.2.1:5000", Listener: "127.0.0.1:8080"},
		s.terms)
	return p.c
}

// open adds a connection that its worker accepts.
func (s *scene) open(p *fakePeer) *Connection {
	s.t.Helper()
	c := s.add(p)
	answered := make(chan Admission, 1)
	c.Open(nil, func(a Admission) {
		answered <- a
		if a.Accepted {
			c.Opened()
		}
	})
	if got := <-answered; !got.Accepted {
		s.t.Fatalf("the client was not accepted: %+v", got)
	}
	return c
}

func (s *scene) commit(subject protocol.Subject, acts ...protocol.Act) {
	s.t.Helper()
	if err := s.hub.Apply(subject, acts); err != nil {
		s.t.Fatal(err)
	}
}

// gone checks that the hub keeps nothing of anybody.
func (s *scene) gone() {
	s.t.Helper()
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if n := len(s.hub.all) + len(s.hub.byID) + len(s.hub.groups) + len(s.hub.users) + len(s.hub.away); n > 0 {
		s.t.Errorf("the hub still keeps %d connections, %d ids, %d groups, %d users, %d that are away",
			len(s.hub.all), len(s.hub.byID), len(s.hub.groups), len(s.hub.users), len(s.hub.away))
	}
}

func say(text string) *protocol.Send { return &protocol.Send{Bytes: []byte(text)} }

func (s *scene) wait(cond func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("it did not come to that within 5 s")
		}
	}
}
