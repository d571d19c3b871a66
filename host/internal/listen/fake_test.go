// A pool of pretended workers: each exchange runs a function that answers it, under the same windows as on the wire.

package listen

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(callersVariable); spec != "" {
		if err := beCallers(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	before := runtime.NumGoroutine()
	if os.Getenv(offLaneVariable) == "" {
		loops, _ = loop.New()
	}
	code := m.Run()
	if loops != nil {
		loops.Close()
	}
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		os.Exit(code) // the fuzzer has goroutines of its own
	}
	for until := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			stacks := make([]byte, 1<<20)
			fmt.Printf("leaked goroutines:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			code = 1
			break
		}
	}
	os.Exit(code)
}

type fake struct {
	traits protocol.Traits
	work   func(c *call)
	calls  atomic.Int64
	busy   underWay
}

// meeting is passed by whoever shakes hands over QUIC, and by the fakes that answer: what a test has changed of them
// before is theirs to see, as it is over TCP, whose sockets the race detector knows.
var meeting sync.Mutex

func meet() {
	meeting.Lock()
	defer meeting.Unlock()
}

func (f *fake) Traits() protocol.Traits {
	meet()
	return f.traits
}

func (f *fake) Submit(x *protocol.Exchange) protocol.Ticket {
	f.busy.Add(1) // before it counts: whoever has seen all calls may wait
	f.calls.Add(1)
	c := &call{sink: x.Sink, repeatable: x.Repeatable, urgent: x.Priority, leaves: x.Leaves,
		credit: protocol.DefaultWindow, allowance: protocol.DefaultWindow, gone: make(chan struct{})}
	c.cond.L = &c.mu
	r := x.Request.(*protocol.Request)
	c.request = *r
	c.request.Headers = append([]string(nil), r.Headers...)
	c.body = append([]byte(nil), r.Body...)
	c.complete = r.Flags&protocol.FlagEnd != 0
	go func() {
		defer f.busy.Done()
		c.say(func() { c.sink.Begin(c) })
		f.work(c)
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
		c.say(c.sink.Finished)
	}()
	return c
}

// call is one exchange, seen by its worker.
type call struct {
	sink       protocol.Sink
	request    protocol.Request
	repeatable bool
	urgent     bool
	leaves     func(within time.Duration)
	gone       chan struct{} // closed by Cancel
	once       sync.Once
	calls      sync.Mutex

	mu        sync.Mutex
	cond      sync.Cond
	body      []byte
	complete  bool
	trailers  []string
	credit    int // what the client's side may send
	allowance int // what the worker may send
	most      int // bytes of body that lay here at once
	over      bool
}

func (c *call) say(f func()) {
	c.calls.Lock()
	defer c.calls.Unlock()
	f()
}

func (c *call) Cancel(protocol.ResetCode) {
	c.once.Do(func() { close(c.gone) })
	c.mu.Lock()
	c.cond.Broadcast()
	c.mu.Unlock()
}

func (c *call) cancelled() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

func (c *call) Send(p []byte, end bool, trailers []string) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.cancelled() {
		return 0, false
	}
	n := min(len(p), c.credit)
	c.credit -= n
	c.body = append(c.body, p[:n]...)
	c.most = max(c.most, len(c.body))
	if end && n == len(p) {
		c.complete, c.trailers = true, append([]string(nil), trailers...)
	}
	c.cond.Broadcast()
	return n, !c.complete
}

func (c *call) Consumed(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allowance += n
	if c.allowance > protocol.DefaultWindow {
		panic("more was given back than came")
	}
	c.cond.Broadcast()
}

func (c *call) Worker() (slot int, generation uint64) { return 2, 7 }

// read takes what has come of the body; end says that it is all. After a cancel it is nil.
func (c *call) read() (p []byte, end bool) {
	c.mu.Lock()
	for len(c.body) == 0 && !c.complete && !c.cancelled() {
		c.cond.Wait()
	}
	p, c.body = c.body, nil
	c.credit += len(p)
	end = c.complete || c.cancelled()
	c.mu.Unlock()
	if len(p) > 0 && !end {
		c.say(c.sink.Writable)
	}
	return p, end
}

func (c *call) readAll() []byte {
	var all []byte
	for {
		p, end := c.read()
		if all = append(all, p...); end {
			return all
		}
	}
}

func (c *call) respond(flags protocol.Flags, status int, headers []string, body string) {
	c.say(func() {
		m := protocol.Response{Flags: flags, Status: status, Headers: append([]string(nil), headers...),
			Body: []byte(body)}
		c.sink.Respond(&m)
		clear(m.Body)
		clear(m.Headers)
	})
}

func (c *call) whole(status int, body string, headers ...string) {
	c.respond(protocol.FlagEnd|protocol.FlagDone, status, headers, body)
}

// data sends DATA as the window allows; false after a cancel.
func (c *call) data(p []byte, end bool, trailers ...string) bool {
	for {
		c.mu.Lock()
		for c.allowance == 0 && len(p) > 0 && !c.cancelled() {
			c.cond.Wait()
		}
		n := min(len(p), c.allowance, protocol.MaxData)
		c.allowance -= n
		c.mu.Unlock()
		if c.cancelled() {
			return false
		}
		m := protocol.Data{Bytes: append([]byte(nil), p[:n]...)}
		if p = p[n:]; end && len(p) == 0 {
			m.Flags, m.Trailers = protocol.FlagEnd, trailers
		}
		c.say(func() { c.sink.Data(&m) })
		clear(m.Bytes)
		if len(p) == 0 {
			return true
		}
	}
}

func (c *call) fail(kind protocol.FailureKind) {
	c.say(func() { c.sink.Fail(&protocol.Failure{Kind: kind, Detail: "secret detail <b>"}) })
}

func (c *call) header(name string) string { return pair(c.request.Headers, name) }

func pair(pairs []string, name string) string {
	var found []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.EqualFold(pairs[i], name) {
			found = append(found, pairs[i+1])
		}
	}
	return strings.Join(found, "|")
}

// echo answers with what came.
func echo(c *call) {
	body := c.readAll()
	c.whole(200, "", "Content-Length", "0", "X-Length", fmt.Sprint(len(body)))
}

func hello(c *call) { c.whole(200, "Hello, World!", "Content-Type", "text/plain") }

// takesTime has a test of more than a second left out of the edit loop (make quick).
func takesTime(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes more than a second")
	}
}

// underWay counts what a fake does. Unlike those of a sync.WaitGroup its Wait may come while more begins.
type underWay struct {
	mu    sync.Mutex
	ended sync.Cond
	count int // guarded by mu
}

func (u *underWay) Add(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended.L = &u.mu
	if u.count += n; u.count == 0 {
		u.ended.Broadcast()
	}
}

func (u *underWay) Done() { u.Add(-1) }

func (u *underWay) Go(f func()) {
	u.Add(1)
	go func() {
		defer u.Done()
		f()
	}()
}

// Wait returns when nothing is under way, however shortly.
func (u *underWay) Wait() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.ended.L = &u.mu; u.count > 0; {
		u.ended.Wait()
	}
}

type house struct {
	*Server
	t       testing.TB
	backend *fake
	logged  *safeBuffer
	address string
	url     string
	client  *http.Client
}

// start serves on a port of its own until the test ends.
func start(t testing.TB, work func(c *call), change ...func(*Options)) *house {
	t.Helper()
	h := &house{t: t, backend: &fake{work: work}, logged: new(safeBuffer)}
	log := hclog.New(&hclog.LoggerOptions{Output: h.logged, Level: hclog.Debug})
	o := Options{
		Address: "127.0.0.1:0", Loops: loops, Spool: spool.New(t.TempDir(), 1<<30, log), Logger: log,
		Terms: Terms{Terms: web.Terms{Backend: h.backend, Limits: web.DefaultLimits()}},
	}
	for _, f := range change {
		f(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	h.Server, h.address = s, s.Address()
	h.url = "http://" + h.address
	transport := &http.Transport{DisableCompression: true}
	h.client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		s.Close()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		h.backend.busy.Wait()
		// a pump may let go last
		for until := time.Now().Add(5 * time.Second); o.Spool.Used() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				t.Errorf("%d bytes of the spool are still counted", o.Spool.Used())
				break
			}
		}
		if err := o.Spool.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) get(path string) (*http.Response, string) {
	h.t.Helper()
	return h.do("GET", path, nil)
}

func (h *house) do(method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	h.t.Helper()
	req, err := http.NewRequest(method, h.url+path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := h.client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, string(b)
}

func (h *house) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial("tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	h.t.Cleanup(func() { c.Close() })
	return c
}

// hangUp leaves with a RST. A FIN might be that of a client that waits for its response (halfclose.go).
func hangUp(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// raw sends bytes and returns all that comes until the server closes.
func (h *house) raw(request string) string {
	h.t.Helper()
	c := h.dial()
	if _, err := io.WriteString(c, request); err != nil {
		h.t.Fatal(err)
	}
	b, _ := io.ReadAll(c)
	return string(b)
}

func statusLine(response string) string {
	line, _ := bufio.NewReader(strings.NewReader(response)).ReadString('\n')
	return strings.TrimSpace(line)
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
