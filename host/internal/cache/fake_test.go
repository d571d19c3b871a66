package cache

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// pool is a backend whose workers answer at once by answer, or, if that is nil, when the test has them do so.
type pool struct {
	answer func(c *call)

	mu         sync.Mutex
	calls      []*call
	generation uint64
}

// call is one request that the pool has.
type call struct {
	pool      *pool
	x         *protocol.Exchange
	request   *protocol.Request
	cancelled bool
	taken     atomic.Bool // by its answer or its cancellation, whichever came first
	given     int         // bytes that were given back
}

func (p *pool) Traits() protocol.Traits { return protocol.Traits{Pool: "web", Spool: true} }

func (p *pool) Submit(x *protocol.Exchange) protocol.Ticket {
	c := &call{pool: p, x: x, request: x.Request.(*protocol.Request)}
	p.mu.Lock()
	p.calls = append(p.calls, c)
	answer := p.answer
	p.mu.Unlock()
	if answer != nil {
		answer(c)
	}
	return c
}

// asked is how many requests the pool has had.
func (p *pool) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

func (p *pool) last() *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[len(p.calls)-1]
}

func (c *call) Cancel(protocol.ResetCode) {
	if c.taken.Swap(true) {
		return
	}
	c.cancelled = true
	c.x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
	c.x.Sink.Finished()
}

func (c *call) Send([]byte, bool, []string) (int, bool) { return 0, false }
func (c *call) Consumed(n int)                          { c.given += n }
func (c *call) Worker() (int, uint64)                   { return 1, c.pool.generation }

// respond gives a whole answer.
func (c *call) respond(status int, body string, headers ...string) {
	if c.taken.Swap(true) {
		return
	}
	c.head(status, "", headers...)
	c.data(body, true)
	c.x.Sink.Finished()
}

// head gives the head of one.
func (c *call) head(status int, body string, headers ...string) {
	c.x.Sink.Begin(c)
	c.x.Sink.Respond(&protocol.Response{Status: status, Headers: headers, Body: []byte(body)})
}

func (c *call) data(body string, end bool) {
	m := &protocol.Data{Bytes: []byte(body)}
	if end {
		m.Flags = protocol.FlagEnd
	}
	c.x.Sink.Data(m)
}

func (c *call) fail(kind protocol.FailureKind) {
	c.taken.Store(true)
	c.x.Sink.Fail(&protocol.Failure{Kind: kind})
	c.x.Sink.Finished()
}

// always answers all with the same.
func always(status int, body string, headers ...string) func(*call) {
	return func(c *call) { c.respond(status, body, headers...) }
}

// client is a front with one request.
type client struct {
	x      protocol.Exchange
	ticket protocol.Ticket
	slow   bool // it takes nothing before take

	mu      sync.Mutex
	stream  protocol.Stream
	status  int
	headers []string
	body    []byte
	owed    int
	failure *protocol.Failure
	ended   bool
	done    chan struct{} // closed with Finished
}

func (c *client) Begin(s protocol.Stream) { c.mu.Lock(); c.stream = s; c.mu.Unlock() }
func (c *client) Writable()               {}
func (c *client) Inform(*protocol.Inform) {}
func (c *client) Respond(m *protocol.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.headers, c.body = m.Status, slices.Clone(m.Headers), slices.Clone(m.Body)
	c.ended = m.Flags&protocol.FlagEnd != 0
}

func (c *client) Data(m *protocol.Data) {
	c.mu.Lock()
	c.body = append(c.body, m.Bytes...)
	c.ended = c.ended || m.Flags&protocol.FlagEnd != 0
	s, give := c.stream, len(m.Bytes)
	if c.slow {
		c.owed, give = c.owed+give, 0
	}
	c.mu.Unlock()
	if give > 0 {
		s.Consumed(give)
	}
}

func (c *client) Fail(err *protocol.Failure) { c.mu.Lock(); c.failure = err; c.mu.Unlock() }
func (c *client) Finished()                  { close(c.done) }

// take has a slow client take what it has.
func (c *client) take() {
	c.mu.Lock()
	n, s := c.owed, c.stream
	c.owed = 0
	c.mu.Unlock()
	s.Consumed(n)
}

// wait waits for the end of the answer.
func (c *client) wait() *client { <-c.done; return c }

// said is the answer's Cache-Status.
func (c *client) said() string { return value(c.headers, "Cache-Status") }

// waits says whether nothing has come of the request.
func (c *client) waits() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// get makes a request's client: "GET /path" or "/path", with headers.
func get(line string, headers ...string) *client {
	method, target, ok := strings.Cut(line, " ")
	if !ok {
		method, target = "GET", line
	}
	c := &client{done: make(chan struct{})}
	c.x = protocol.Exchange{Sink: c, Request: &protocol.Request{Flags: protocol.FlagEnd, Method: method,
		Target: target, Version: "1.1", Scheme: "https", Host: "example.org", Remote: "192.0.2.1:1",
		Headers: headers}, Repeatable: true}
	return c
}

// from submits it, and does not wait.
func (c *client) from(r *Room) *client {
	c.ticket = r.Submit(&c.x)
	return c
}

// ask submits a request, and waits for its answer.
func ask1(r *Room, line string, headers ...string) *client {
	return get(line, headers...).from(r).wait()
}

// newRoom makes one before a pool, and closes its store with the test.
func newRoom(t *testing.T, p *pool, s Settings) *Room {
	t.Helper()
	if s.MaxBody == 0 {
		s.MaxBody = 1 << 20
	}
	store := NewStore(16 << 20)
	t.Cleanup(store.Close)
	return store.Room(p, Room{Settings: s, Realm: "default", Pool: "web", Route: "all"})
}

func (c *client) request() *protocol.Request { return c.x.Request.(*protocol.Request) }
