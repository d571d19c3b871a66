// A realm with a room of dials, workers that are functions, and a server of ours that they dial.

package dial

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/host/internal/goroutines"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

func TestMain(m *testing.M) { os.Exit(goroutines.Main(m, "/dial.")) }

// patience is how long anything may take that happens at all.
const patience = 10 * time.Second

// stage is all of it.
type stage struct {
	testing.TB
	hub    *hub.Hub
	room   *Room
	owner  *Owner
	crew   *crew
	fence  *fence
	logged *logged
	most   int
	// generations of the pool: which is live, and which one a reload brings in
	live, coming atomic.Uint64
}

func (s *stage) serving() (live, coming uint64) { return s.live.Load(), s.coming.Load() }

func newStage(t testing.TB, change ...func(*Settings)) *stage {
	t.Helper()
	s := &stage{TB: t, logged: &logged{}, most: 100}
	log := hclog.New(&hclog.LoggerOptions{Output: s.logged, Level: hclog.Debug})
	s.hub = hub.New(log)
	s.crew = &crew{hub: s.hub, events: make(chan protocol.Opening, 1000),
		handles: protocol.Events{Open: true, Message: true, Close: true}}
	s.fence = &fence{secrets: map[string]string{"KEY": "s3cr3t"}}
	s.owner = &Owner{Pool: "app", Backend: s.crew, Most: func() int { return s.most }, Serving: s.serving}
	settings := Settings{Hub: s.hub, Agent: "test/1", Log: log}
	settings.Spool = spool.New(t.TempDir(), 1<<20, log)
	if loops, err := loop.New(); err == nil {
		settings.Loops = loops
		t.Cleanup(func() { loops.Close() })
	}
	for _, c := range change {
		c(&settings)
	}
	s.room = New(settings)
	s.room.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.room.Shutdown(ctx)
		if ctx.Err() != nil {
			t.Error("the room does not end")
		}
		s.crew.busy.Wait()
		settings.Spool.Close()
	})
	return s
}

// dial is a dial with short pauses.
func (s *stage) dial(to, name string, change ...func(*protocol.Dial)) protocol.Dial {
	d := protocol.NewDial(to, name)
	d.ReconnectMax, d.ConnectTimeout = 100, 5000
	for _, c := range change {
		c(&d)
	}
	return d
}

// asks has a worker of a generation call, and gives its answer.
func (s *stage) asks(of *Owner, generation uint64, method string, arguments ...protocol.Value) *protocol.Result {
	s.Helper()
	k := &asker{generation: generation, fence: s.fence, handles: s.crew.handles, got: make(chan *protocol.Result, 1)}
	s.room.Desk(of).Call(&protocol.Call{Method: method, Arguments: arguments}, protocol.NewCaller(k, 2))
	select {
	case r := <-k.got:
		return r
	case <-time.After(patience):
		s.Fatalf("%s is not answered", method)
		return nil
	}
}

// open asks for a dial, and wants that answer.
func (s *stage) open(d protocol.Dial, want string) {
	s.Helper()
	s.opens(s.owner, 1, d, want)
}

func (s *stage) opens(of *Owner, generation uint64, d protocol.Dial, want string) {
	s.Helper()
	r := s.asks(of, generation, protocol.CallDialOpen, d.Arguments()...)
	got := any(r.Error)
	if r.Error == "" {
		got, _ = r.Value.Decode()
	}
	if text, _ := got.(string); text != want && (want == "" || !strings.Contains(r.Error, want)) {
		s.Fatalf("dial.open answers %v (code %d), want %q", got, r.Code, want)
	}
}

func text(v string) protocol.Value {
	value, err := protocol.NewValue(v)
	if err != nil {
		panic(err)
	}
	return value
}

// next is the next event, which has to be of a kind.
func next[E protocol.Opening](s *stage) E {
	s.Helper()
	select {
	case e := <-s.crew.events:
		m, ok := e.(E)
		if !ok {
			s.Fatalf("got %T %+v, want %T\n%s", e, e, m, s.logged)
		}
		return m
	case <-time.After(patience):
		s.Fatalf("no event comes, want %T\n%s", *new(E), s.logged)
		return *new(E)
	}
}

// calm says that no event comes.
func (s *stage) calm() {
	s.Helper()
	select {
	case e := <-s.crew.events:
		s.Errorf("got %T, want nothing", e)
	default:
	}
}

// until waits until a dial is in a state.
func (s *stage) until(what string, is func([]State) bool) {
	s.Helper()
	for end := time.Now().Add(patience); !is(s.room.List()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("%s: %+v\n%s", what, s.room.List(), s.logged)
		}
	}
}

// crew are the workers.
type crew struct {
	hub     *hub.Hub
	handles protocol.Events
	events  chan protocol.Opening
	busy    sync.WaitGroup

	mu   sync.Mutex
	acts func(protocol.Opening) ([]protocol.Act, *protocol.Response)
}

func (c *crew) does(acts func(protocol.Opening) ([]protocol.Act, *protocol.Response)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acts = acts
}

func (c *crew) Traits() protocol.Traits { return protocol.Traits{Pool: "app", Events: c.handles} }

func (c *crew) Submit(x *protocol.Exchange) protocol.Ticket {
	t := &seat{whole: make(chan []byte, 1)}
	var copied protocol.Opening
	switch m := x.Request.(type) {
	case *protocol.Open:
		one := *m
		copied = &one
	case *protocol.Close:
		one := *m
		copied = &one
	case *protocol.Buffer:
		one := *m
		copied = &one
	case *protocol.Incoming:
		one := *m
		one.Bytes, one.More = bytes.Clone(m.Bytes), nil
		for _, l := range m.More {
			one.More = append(one.More, protocol.Later{Flags: l.Flags, Bytes: bytes.Clone(l.Bytes), About: l.About})
		}
		copied = &one
	}
	c.busy.Go(func() {
		if m, ok := copied.(*protocol.Incoming); ok && m.Flags&protocol.FlagEnd == 0 {
			t.data = m.Bytes
			x.Sink.Begin(t)
			m.Bytes = <-t.whole
		} else {
			x.Sink.Begin(t)
		}
		c.mu.Lock()
		act := c.acts
		c.mu.Unlock()
		if act != nil {
			acts, refusal := act(copied)
			if refusal != nil {
				x.Sink.Respond(refusal)
			}
			if err := c.hub.Apply(x.Subject, acts); err != nil {
				x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedReset, Detail: err.Error()})
			}
		}
		c.events <- copied
		x.Sink.Finished()
	})
	return t
}

// seat has a window that never closes.
type seat struct {
	data  []byte
	whole chan []byte
}

func (t *seat) Send(p []byte, end bool, _ []string) (int, bool) {
	if t.data = append(t.data, p...); end {
		t.whole <- t.data
	}
	return len(p), !end
}
func (t *seat) Consumed(int)              {}
func (t *seat) Worker() (int, uint64)     { return 0, 1 }
func (t *seat) Cancel(protocol.ResetCode) {}

// asker is a worker's link.
type asker struct {
	generation uint64
	fence      Fence
	handles    protocol.Events
	got        chan *protocol.Result
}

func (k *asker) Reply(_ uint32, r *protocol.Result) { k.got <- r }
func (k *asker) Waiting(uint32) context.Context     { return context.Background() }
func (k *asker) Asker() protocol.Asker {
	return protocol.Asker{Generation: k.generation, Terms: k.fence, Events: k.handles}
}

// fence allows 127.0.0.1 and what is in allow.
type fence struct {
	mu      sync.Mutex
	none    bool
	secrets map[string]string
}

func (f *fence) Target(text string) (*url.URL, error) {
	u, err := place.Lasting(text)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && (f.none || u.Hostname() != "127.0.0.1") {
		err = errNotAllowed
	}
	return u, err
}

var errNotAllowed = fmt.Errorf("allow does not have it")

func (f *fence) Fill(_, value string, _ *url.URL) (string, error) {
	for name, secret := range f.secrets {
		value = strings.ReplaceAll(value, "{secret:"+name+"}", secret)
	}
	if strings.Contains(value, "{secret:") {
		return "", fmt.Errorf("there is no such secret")
	}
	return value, nil
}

func (f *fence) Prefixes() []netip.Prefix   { return nil }
func (f *fence) IsForbidden(err error) bool { return err == errNotAllowed }

// logged is what the log has.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// server accepts connections of a test, and gives them one after the other.
type server struct {
	testing.TB
	net.Listener
	came chan net.Conn
}

func newServer(t testing.TB) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serverOn(t, l)
}

func serverOn(t testing.TB, l net.Listener) *server {
	s := &server{t, l, make(chan net.Conn, 100)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.came <- c
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
		for len(s.came) > 0 {
			(<-s.came).Close()
		}
	})
	return s
}

// url is the server's address with a scheme.
func (s *server) url(scheme, path string) string { return scheme + "://" + s.Addr().String() + path }

// accepts is the next connection, which is closed at the test's end.
func (s *server) accepts() net.Conn {
	s.Helper()
	select {
	case c := <-s.came:
		s.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
		return c
	case <-time.After(patience):
		s.Fatal("nobody comes")
		return nil
	}
}
