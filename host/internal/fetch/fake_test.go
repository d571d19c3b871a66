package fetch

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/protocol"
)

// pool is a backend whose worker answers each request as answer says, and is done at once; and who is told of fetches.
type pool struct {
	answer  func(to protocol.Sink)
	terms   *Terms
	told    chan protocol.Fetched
	failing *protocol.Failure // of FETCHED
	// its workers answer where a fetch failed; and what is seen of each request before its answer
	failedToo bool
	see       func(*protocol.Request)

	mu        sync.Mutex
	consumed  int
	cancelled int
}

func (p *pool) Traits() protocol.Traits {
	return protocol.Traits{Events: protocol.Events{Fetched: p.told != nil, FetchFailed: p.failedToo}}
}

func (p *pool) Terms() any { return p.terms }

func (p *pool) Worker() (slot int, generation uint64) { return 0, 1 }

func (p *pool) Cancel(protocol.ResetCode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled++
}

func (p *pool) Consumed(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.consumed += n
}

func (p *pool) Send([]byte, bool, []string) (n int, more bool) { return 0, false }

func (p *pool) Submit(x *protocol.Exchange) protocol.Ticket {
	m, is := x.Request.(*protocol.Fetched)
	switch {
	case !is:
		if p.see != nil {
			p.see(x.Request.(*protocol.Request))
		}
		x.Sink.Begin(p)
		p.answer(x.Sink)
	case p.failing != nil:
		x.Sink.Fail(p.failing)
	default:
		all := *m
		x.Sink.Begin(&reader{&all})
		p.told <- all
	}
	x.Sink.Finished()
	return p
}

// reader takes what follows a FETCHED, in small steps.
type reader struct{ to *protocol.Fetched }

func (r *reader) Send(p []byte, end bool, _ []string) (n int, more bool) {
	n = min(len(p), 1000)
	r.to.Bytes = append(r.to.Bytes[:len(r.to.Bytes):len(r.to.Bytes)], p[:n]...)
	return n, n < len(p)
}
func (r *reader) Consumed(int)          {}
func (r *reader) Worker() (int, uint64) { return 0, 1 }

// client is the front of one request. It takes what comes at once, unless it is stingy.
type client struct {
	stingy  bool
	stream  protocol.Stream
	request *protocol.Request
	begun   int

	mu      sync.Mutex
	head    *protocol.Response
	body    bytes.Buffer
	whole   bool
	failure *protocol.Failure
	came    chan struct{} // something has; holds one
	done    chan struct{} // Finished
}

func (c *client) note() {
	select {
	case c.came <- struct{}{}:
	default:
	}
}

func (c *client) Writable()               {}
func (c *client) Inform(*protocol.Inform) {}

func (c *client) Begin(s protocol.Stream) {
	c.stream = s
	c.begun++
}

// Finished takes the request for the next one, as a front may.
func (c *client) Finished() {
	*c.request = protocol.Request{Method: "GET", ID: "r-2"}
	close(c.done)
}

func (c *client) Respond(m *protocol.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.head = m.Clone()
	c.body.Write(m.Body)
	c.whole = m.Flags&protocol.FlagEnd != 0
	c.note()
}

func (c *client) Data(m *protocol.Data) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.body.Write(m.Bytes)
	c.whole = c.whole || m.Flags&protocol.FlagEnd != 0
	if !c.stingy && len(m.Bytes) > 0 {
		c.stream.Consumed(len(m.Bytes))
	}
	c.note()
}

func (c *client) Fail(f *protocol.Failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = &protocol.Failure{Kind: f.Kind, Detail: f.Detail}
	c.note()
}

// has waits until so much of the body has come.
func (c *client) has(t *testing.T, text string) {
	t.Helper()
	for {
		c.mu.Lock()
		got := c.body.String()
		c.mu.Unlock()
		if got == text {
			return
		}
		select {
		case <-c.came:
		case <-time.After(10 * time.Second):
			t.Fatalf("the client has %q, and not %q", got, text)
		}
	}
}

func (c *client) ends(t *testing.T) {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing ends it")
	}
}

// stage is a room with one pool before it, and another end.
type stage struct {
	t     *testing.T
	room  *Room
	pool  *pool
	other *httptest.Server
	log   *logged
	// method is that of the clients
	method string
}

type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newStage(t *testing.T, answer http.HandlerFunc, change func(*Settings)) *stage {
	t.Helper()
	s := &stage{t: t, method: "GET", other: httptest.NewServer(answer), log: &logged{}}
	s.room = NewRoom("test/1", hclog.New(&hclog.LoggerOptions{Output: s.log}))
	s.pool = &pool{told: make(chan protocol.Fetched, 10)}
	s.room.StandBefore(s.pool)
	settings := Settings{Allow: s.places(s.other.URL + "/v1/*"), AtOnce: 10, PerHost: 10, MaxBody: 1 << 20,
		Keep: 1 << 20, FirstByte: time.Minute}
	if change != nil {
		change(&settings)
	}
	s.pool.terms = s.room.Terms(settings)
	t.Cleanup(func() {
		s.room.Close(context.Background(), 0, time.Minute)
		s.other.CloseClientConnections()
		s.other.Close()
		if n := s.room.reserved.Load(); n != 0 {
			t.Errorf("%d bytes are reserved for nothing", n)
		}
		if c := s.room.Counts(); c.Under != 0 || c.Untold != 0 || len(s.room.hosts) != 0 {
			t.Errorf("at the end: %+v", c)
		}
	})
	return s
}

func (s *stage) places(texts ...string) (all []place.Place) {
	for _, text := range texts {
		p, err := place.Parse(text)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// ask has a worker answer with a fetch.
func (s *stage) ask(f protocol.Fetch, body string, own ...string) (*client, protocol.Ticket) {
	if strings.HasPrefix(f.URL, "/") {
		f.URL = s.other.URL + f.URL
	}
	if f.Method == "" {
		f.Method = "GET"
	}
	s.pool.answer = func(to protocol.Sink) {
		to.Respond(&protocol.Response{Flags: protocol.FlagEnd, Status: 200, Headers: own, Body: []byte(body),
			Fetch: &f})
	}
	return s.submit()
}

func (s *stage) submit() (*client, protocol.Ticket) {
	c := &client{came: make(chan struct{}, 1), done: make(chan struct{}),
		request: &protocol.Request{Method: s.method, Target: "/?token=of-the-client", ID: "r-1"}}
	return c, s.room.Submit(&protocol.Exchange{Sink: c, Request: c.request})
}

func (s *stage) hears() protocol.Fetched {
	s.t.Helper()
	select {
	case m := <-s.pool.told:
		return m
	case <-time.After(10 * time.Second):
		s.t.Fatal("no FETCHED comes")
		panic("")
	}
}

func valueOf(pairs []string, name string) string {
	if i := slices.Index(pairs, name); i >= 0 && i%2 == 0 {
		return pairs[i+1]
	}
	return ""
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
