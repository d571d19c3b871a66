// Hosts in one process: listeners with real sockets, hubs, and pretended workers; and clients that count.

package succession

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		os.Exit(code) // the fuzzer has goroutines of its own
	}
	for until := time.Now().Add(5 * time.Second); code == 0 && runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(until) {
			stacks := make([]byte, 1<<20)
			fmt.Printf("leaked goroutines:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			code = 1
		}
	}
	os.Exit(code)
}

// workers handle each event in a goroutine of its own, as a message says: "echo X" sends X back, "wait X" does so when
// free is closed, "all X" sends X to all of the room, "die X" fails as a worker does that dies with it.
type workers struct {
	name   string
	hub    *hub.Hub
	events protocol.Events

	mu sync.Mutex
	// guarded by mu
	free    chan struct{}
	open    chan struct{} // OPENs wait for it; nil: they don't
	refuses bool
	waits   int            // events that wait for free or open
	closed  map[string]int // CLOSEs by connection
	queues  bool           // messages wait before they have begun, and fail with FailedStopping then
	busy    int
	idle    sync.Cond
}

func newWorkers(name string, h *hub.Hub) *workers {
	w := &workers{name: name, hub: h, free: make(chan struct{}), closed: map[string]int{},
		events: protocol.Events{Open: true, Message: true, Close: true}}
	w.idle.L = &w.mu
	return w
}

func (w *workers) Traits() protocol.Traits { return protocol.Traits{Pool: "web", Events: w.events} }

func (w *workers) Submit(x *protocol.Exchange) protocol.Ticket {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy++
	s := &stream{gone: make(chan struct{})}
	go func() {
		w.handle(x, s)
		w.mu.Lock()
		w.busy--
		w.idle.Broadcast()
		w.mu.Unlock()
	}()
	return s
}

// rest waits until nothing is under way.
func (w *workers) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.busy > 0 {
		w.idle.Wait()
	}
}

func (w *workers) wait(t testing.TB, n int) {
	t.Helper()
	eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.waits == n
	})
}

func eventually(t testing.TB, cond func() bool) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it did not come to that in time")
		}
	}
}

// release lets those go on that wait.
func (w *workers) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.free)
	w.free = make(chan struct{})
	w.waits = 0
}

func (w *workers) pause(s *stream) (ok bool) {
	w.mu.Lock()
	free := w.free
	w.waits++
	w.mu.Unlock()
	select {
	case <-free:
		return true
	case <-s.gone:
		return false
	}
}

func (w *workers) handle(x *protocol.Exchange, s *stream) {
	w.mu.Lock()
	queues, waits, refuses := w.queues, w.open != nil, w.refuses
	w.mu.Unlock()
	if _, message := x.Request.(*protocol.Incoming); message && queues {
		w.pause(s)
		x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedStopping})
		x.Sink.Finished()
		return
	}
	var acts []protocol.Act
	var failure *protocol.Failure
	switch m := x.Request.(type) {
	case *protocol.Request:
		x.Sink.Begin(s)
		if strings.HasPrefix(string(m.Target), "/who/") {
			x.Sink.Respond(&protocol.Response{Flags: protocol.FlagEnd | protocol.FlagDone, Status: 200,
				Body: []byte(w.name + m.Target)})
			x.Sink.Finished()
			return
		}
		x.Sink.Respond(&protocol.Response{Flags: protocol.FlagDone, Status: 200,
			Headers: []string{"Content-Type", "text/event-stream"}, Body: []byte("retry: 1\n\n"),
			Hold: &protocol.Hold{Groups: []string{"room"}}})
		x.Sink.Finished()
		return
	case *protocol.Open:
		if waits && !w.pause(s) {
			x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
			x.Sink.Finished()
			return
		}
		x.Sink.Begin(s)
		if refuses {
			x.Sink.Respond(&protocol.Response{Flags: protocol.FlagEnd | protocol.FlagDone, Status: 403,
				Body: []byte("no")})
			break
		}
		acts = []protocol.Act{
			&protocol.Join{Groups: []string{"room"}}, &protocol.Bind{UID: "user"},
			&protocol.Set{Set: []protocol.Entry{{Key: "by", Value: value(w.name)}}},
			&protocol.Send{Bytes: []byte("hello")},
		}
	case *protocol.Incoming:
		s.data = append(s.data, m.Bytes...)
		x.Sink.Begin(s)
		all := []string{string(s.data)}
		for _, l := range m.More {
			all = append(all, string(l.Bytes))
		}
		for _, text := range all {
			op, rest, _ := strings.Cut(text, " ")
			switch op {
			case "wait":
				w.pause(s)
				fallthrough
			case "echo":
				acts = append(acts, &protocol.Send{Bytes: []byte(rest)})
			case "where":
				acts = append(acts, &protocol.Send{Bytes: []byte(w.name)})
			case "all":
				acts = append(acts, &protocol.Send{To: protocol.ToGroups, Names: []string{"room"},
					Bytes: []byte(rest)})
			case "size":
				acts = append(acts, &protocol.Send{Bytes: fmt.Appendf(nil, "%d", len(text))})
			case "die":
				failure = &protocol.Failure{Kind: protocol.FailedDied}
			}
		}
	case *protocol.Close:
		x.Sink.Begin(s)
		w.mu.Lock()
		w.closed[m.Connection.ID]++
		w.mu.Unlock()
	}
	if failure != nil {
		x.Sink.Fail(failure)
		x.Sink.Finished()
		return
	}
	w.hub.Commit(x.Subject, acts, func(err error) {
		if err != nil {
			x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedReset, Detail: err.Error()})
		}
		x.Sink.Finished()
	})
}

func value(v any) protocol.Value {
	b, err := protocol.NewValue(v)
	if err != nil {
		panic(err)
	}
	return b
}

// stream takes whatever is sent at once.
type stream struct {
	data []byte
	once sync.Once
	gone chan struct{}
}

func (s *stream) Send(p []byte, end bool, _ []string) (int, bool) {
	s.data = append(s.data, p...)
	return len(p), !end
}
func (s *stream) Consumed(int)              {}
func (s *stream) Worker() (int, uint64)     { return 1, 1 }
func (s *stream) Cancel(protocol.ResetCode) { s.once.Do(func() { close(s.gone) }) }

const (
	webAddress = "127.0.0.1:0"
	tcpAddress = "localhost:0"
)

// host is one in this process.
type host struct {
	t       testing.TB
	name    string
	hub     *hub.Hub
	workers *workers
	web     *listen.Server
	tcp     *listen.Server
	loops   *loop.Set
	spool   *spool.Spool
	serving sync.WaitGroup

	giver *Giver
	taker *Taker
	links []*handover.Link
}

type change func(o *listen.Options)

func start(t testing.TB, name string, changes ...change) *host {
	t.Helper()
	log := hclog.NewNullLogger()
	if testing.Verbose() {
		log = hclog.New(&hclog.LoggerOptions{Name: name, Level: hclog.Warn})
	}
	h := &host{t: t, name: name, hub: hub.New(log), spool: spool.New(t.TempDir(), 1<<30, log)}
	h.workers = newWorkers(name, h.hub)
	var err error
	if os.Getenv("WITHOUT_LOOPS") == "" {
		if h.loops, err = loop.New(); err != nil {
			t.Fatal(err)
		}
	}
	open := func(protocol, address string) *listen.Server {
		o := listen.Options{Address: address, Protocol: protocol, Loops: h.loops, Spool: h.spool, Logger: log,
			Terms: listen.Terms{Terms: web.Terms{Backend: h.workers, Hub: h.hub, Limits: web.DefaultLimits(),
				Sockets: peer.DefaultSocketLimits(), Framing: peer.Framing{Kind: peer.FrameLine}}}}
		o.Sockets.Compression, o.Sockets.MaxMessage = true, 4<<20
		for _, f := range changes {
			f(&o)
		}
		s, err := listen.New(o)
		if err == nil {
			err = s.Listen()
		}
		if err != nil {
			t.Fatal(err)
		}
		h.serving.Go(func() { s.Serve() })
		return s
	}
	h.web, h.tcp = open(listen.HTTP, webAddress), open(listen.TCP, tcpAddress)
	t.Cleanup(h.stop)
	return h
}

func (h *host) stop() {
	for _, l := range h.links {
		l.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range []*listen.Server{h.web, h.tcp} {
		all.Go(func() { s.Shutdown(ctx) })
	}
	all.Wait()
	h.web.Close()
	h.tcp.Close()
	h.serving.Wait()
	h.workers.rest()
	if h.loops != nil {
		h.loops.Close()
	}
	h.spool.Close()
}

func (h *host) listener(address string) Listener {
	switch address {
	case webAddress:
		return h.web
	case tcpAddress:
		return h.tcp
	}
	return nil
}

// joined makes a link from h to next, and both ends' parts of it, changed before they are at work.
func (h *host) joined(next *host, guest Guest, changes ...func(*Taker)) {
	h.t.Helper()
	ours, end, err := handover.Pair()
	if err != nil {
		h.t.Fatal(err)
	}
	theirs, err := handover.Open(end)
	if err != nil {
		h.t.Fatal(err)
	}
	h.links, next.links = append(h.links, ours), append(next.links, theirs)
	log := hclog.NewNullLogger()
	giver := NewGiver(ours, map[string]*hub.Hub{"default": h.hub},
		[]*peer.Peers{h.web.Peers(), h.tcp.Peers()}, guest, log)
	taker := NewTaker(theirs, func(realm string) *hub.Hub {
		if realm == "default" {
			return next.hub
		}
		return nil
	}, next.listener, log)
	for _, f := range changes {
		f(taker)
	}
	h.giver, next.taker = giver, taker
	h.serving.Go(func() {
		ours.Run(giver.Handlers())
		giver.End()
	})
	next.serving.Go(func() {
		theirs.Run(taker.Handlers())
		taker.End(next.hub)
	})
}

// handTo has next take over from h.
func (h *host) handTo(next *host) (s Summary, pause time.Duration) {
	h.t.Helper()
	h.joined(next, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	began := time.Now()
	s, err := h.giver.Offer(ctx)
	offered := time.Since(began)
	if err == nil {
		err = h.giver.Hand(ctx)
	}
	h.t.Logf("offered in %v, begun after %v", offered, time.Since(began))
	if err != nil {
		h.t.Fatal(err)
	}
	return s, time.Since(began)
}

// broadcast sends numbered messages to the room until stop is closed, and says how many.
func (h *host) broadcast(from string, stop <-chan struct{}) (n int) {
	for ; ; n++ {
		select {
		case <-stop:
			return n
		default:
		}
		done := make(chan error, 1)
		h.hub.Commit(nil, []protocol.Act{&protocol.Send{To: protocol.ToGroups, Names: []string{"room"},
			Bytes: fmt.Appendf(nil, "%s %d", from, n)}}, func(err error) { done <- err })
		if err := <-done; err != nil {
			h.t.Errorf("broadcast %d of %s: %v", n, from, err)
			return n
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// client is one of any kind. It counts what it gets: numbered messages, by what stands before the number.
type client struct {
	t testing.TB
	net.Conn
	in      *bufio.Reader
	kind    string
	next    map[string]int
	sent    int
	deflate bool
	ready   atomic.Int64
}

func (h *host) dial(address string) net.Conn {
	h.t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		h.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(60 * time.Second))
	h.t.Cleanup(func() { c.Close() })
	return c
}

// webSocket is a client whose handshake is answered.
func (h *host) webSocket(headers string) *client {
	h.t.Helper()
	c := &client{t: h.t, Conn: h.dial(h.web.Address()), kind: "ws", next: map[string]int{}}
	c.in = bufio.NewReader(c.Conn)
	c.deflate = strings.Contains(headers, "deflate")
	io.WriteString(c, handshake+headers+"\r\n")
	if status := c.head(); !strings.Contains(status, " 101 ") {
		h.t.Fatalf("the handshake was answered with %s", status)
	}
	return c
}

const handshake = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

const deflates = "Sec-WebSocket-Extensions: permessage-deflate\r\n"

// head reads the head of a response, and gives its status line.
func (c *client) head() (status string) {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("no response: %v", err)
		}
		if status == "" {
			status = strings.TrimSpace(line)
		}
		if line == "\r\n" {
			return status
		}
	}
}

func (h *host) line() *client {
	c := &client{t: h.t, Conn: h.dial(h.tcp.Address()), kind: "tcp", next: map[string]int{}}
	c.in = bufio.NewReader(c.Conn)
	return c
}

// events is a client of an event stream.
func (h *host) events() *client {
	h.t.Helper()
	c := &client{t: h.t, Conn: h.dial(h.web.Address()), kind: "sse", next: map[string]int{}}
	c.in = bufio.NewReader(c.Conn)
	io.WriteString(c, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
	c.head()
	return c
}

func (c *client) say(text string) {
	c.t.Helper()
	frame := []byte(text + "\n")
	if c.kind == "ws" {
		if frame = peertest.Text(text); c.deflate {
			frame = peertest.Frame(0xc1, peertest.Squeeze([]byte(text)))
		}
	}
	if _, err := c.Write(frame); err != nil {
		c.t.Errorf("%s: %v", c.kind, err)
	}
}

var errClosed = errors.New("closed")

// hear reads the next message. A WebSocket's close frame is errClosed.
func (c *client) hear() (string, error) {
	switch c.kind {
	case "ws":
		for {
			h, err := ws.ReadHeader(c.in)
			if err != nil {
				return "", err
			}
			p := make([]byte, h.Length)
			if _, err := io.ReadFull(c.in, p); err != nil {
				return "", err
			}
			switch h.OpCode {
			case ws.OpText, ws.OpBinary:
				return string(p), nil
			case ws.OpClose:
				return string(p), errClosed
			}
		}
	case "tcp":
		line, err := c.in.ReadString('\n')
		return strings.TrimSuffix(line, "\n"), err
	}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			return strings.TrimSuffix(text, "\n"), nil
		}
	}
}

// expect reads messages until text, and nothing else of that kind.
func (c *client) expect(text string) {
	c.t.Helper()
	got, err := c.hear()
	if err != nil || got != text {
		c.t.Fatalf("%s: %.80q and %v came, expected %.80q", c.kind, got, err, text)
	}
}

// count reads numbered messages until "end", and fails if one is missing, comes twice, or out of order. Of what began
// before the client came the first one counts.
func (c *client) count() {
	for {
		text, err := c.hear()
		if err != nil {
			c.t.Errorf("%s: %v after %v", c.kind, err, c.next)
			return
		}
		if text == "end" {
			return
		}
		from, number, ok := strings.Cut(text, " ")
		if !ok {
			continue
		}
		n := 0
		fmt.Sscan(number, &n)
		if want, known := c.next[from]; known && n != want {
			c.t.Errorf("%s: %s %d came instead of %d", c.kind, from, n, want)
			return
		}
		c.next[from] = n + 1
		if from == "e" {
			c.ready.Add(1)
		}
	}
}
