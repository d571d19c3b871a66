// A fake host over pipes, for the tests: it speaks the other end of the link, frame by frame or as a small HTTP front.

package sdk

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// fakeHost is the host's end. Its reader sorts frames by stream.
type fakeHost struct {
	t     testing.TB
	conn  *protocol.Conn
	in    io.Closer // what the worker writes to
	out   io.Closer // what the worker reads from
	ready protocol.Ready
	gone  chan error // what serve returned

	link *arrivals // stream 0, and LOG

	mu      sync.Mutex
	next    uint32
	streams map[uint32]*arrivals
}

// arrivals is what came on one stream; it never makes the reader wait.
type arrivals struct {
	mu       sync.Mutex
	cond     sync.Cond
	messages []any
	closed   bool
}

func newArrivals() *arrivals {
	a := new(arrivals)
	a.cond.L = &a.mu
	return a
}

func (a *arrivals) add(m any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.messages = append(a.messages, m)
	a.cond.Broadcast()
}

func (a *arrivals) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.cond.Broadcast()
}

// take waits for the next message; nil when the link has ended.
func (a *arrivals) take() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.messages) == 0 {
		if a.closed {
			return nil
		}
		a.cond.Wait()
	}
	m := a.messages[0]
	a.messages = a.messages[1:]
	return m
}

func startHost(t testing.TB, hello protocol.Hello, handler http.Handler, opts ...Option) *fakeHost {
	workerIn, hostOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	hostIn, workerOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := joinHost(t, hostIn, protocol.Pipe{File: hostOut}, hello)
	go func() { h.gone <- serve(workerIn, protocol.Pipe{File: workerOut}, handler, opts) }()
	go h.read()
	return h
}

func joinHost(t testing.TB, in io.ReadCloser, out io.WriteCloser, hello protocol.Hello) *fakeHost {
	h := &fakeHost{
		t: t, conn: protocol.NewConn(in, out), in: in, out: out, gone: make(chan error, 1),
		link: newArrivals(), next: 1, streams: make(map[uint32]*arrivals),
	}
	hello.Versions = []int{protocol.Version}
	if err := h.conn.Send(&hello); err != nil {
		t.Fatal(err)
	}
	return h
}

// newHost is a host whose worker is ready. It goes away when the test ends.
func newHost(t testing.TB, handler http.HandlerFunc, opts ...Option) *fakeHost {
	t.Helper()
	h := startHost(t, protocol.Hello{Pool: "web", Generation: 7, Slot: 2, Host: "test"}, handler, opts...)
	h.awaitReady()
	t.Cleanup(func() {
		h.out.Close()
		<-h.gone
		h.in.Close()
	})
	return h
}

func (h *fakeHost) awaitReady() {
	h.t.Helper()
	m := h.link.take()
	ready, ok := m.(*protocol.Ready)
	if !ok {
		h.t.Fatalf("instead of READY came %#v", m)
	}
	h.ready = *ready
}

func (h *fakeHost) read() {
	if stray, err := h.conn.ReadMagic(); err != nil || len(stray) > 0 {
		h.t.Errorf("no clean magic: %q, %v", stray, err)
	}
	for {
		payload, err := h.conn.Read()
		if err != nil {
			break
		}
		id, m := decode(h.t, payload)
		h.stream(id).add(m)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.link.close()
	for s := range maps.Values(h.streams) {
		s.close()
	}
}

func decode(t testing.TB, payload []byte) (uint32, any) {
	kind, id, err := protocol.Head(payload)
	if err != nil {
		t.Fatal(err)
	}
	payload = bytes.Clone(payload)
	var m interface{ Parse([]byte) error }
	switch kind {
	case protocol.TypeReady:
		m = new(protocol.Ready)
	case protocol.TypeFailed:
		m = new(protocol.Failed)
	case protocol.TypePong:
		m = new(protocol.Pong)
	case protocol.TypeLog:
		id, m = 0, new(protocol.Log)
	case protocol.TypeResponse:
		m = new(protocol.Response)
	case protocol.TypeInform:
		m = new(protocol.Inform)
	case protocol.TypeData:
		m = new(protocol.Data)
	case protocol.TypeWindow:
		m = new(protocol.Window)
	case protocol.TypeReset:
		m = new(protocol.Reset)
	case protocol.TypeDone:
		return id, &protocol.Done{Stream: id}
	case protocol.TypeCall:
		m = new(protocol.Call)
	case protocol.TypeSwap:
		m = new(protocol.Swap)
	default:
		act := protocol.NewAct(kind)
		if act == nil {
			t.Fatalf("a worker must not send %s", kind)
		}
		m = act
	}
	if err := m.Parse(payload); err != nil {
		t.Fatal(err)
	}
	return id, m
}

func (h *fakeHost) stream(id uint32) *arrivals {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id == 0 {
		return h.link
	}
	if h.streams[id] == nil {
		h.streams[id] = newArrivals()
	}
	return h.streams[id]
}

func (h *fakeHost) send(m protocol.Message) {
	h.t.Helper()
	if err := h.conn.Send(m); err != nil {
		h.t.Errorf("sending %s: %v", m.Type(), err)
	}
}

// call is a request that the worker has.
type call struct {
	h  *fakeHost
	id uint32
	*arrivals
}

// open sends m on a new stream, with what a GET has for defaults.
func (h *fakeHost) open(m protocol.Request) *call {
	h.t.Helper()
	h.mu.Lock()
	m.Stream = h.next
	h.next += 2
	h.mu.Unlock()
	if m.Method == "" {
		m.Method, m.Flags = "GET", protocol.FlagEnd
	}
	if m.Target == "" {
		m.Target = "/"
	}
	if m.Version == "" {
		m.Version = "1.1"
	}
	if m.Scheme == "" {
		m.Scheme = "http"
	}
	c := &call{h, m.Stream, h.stream(m.Stream)}
	h.send(&m)
	return c
}

func expect[M any](c *call) M {
	c.h.t.Helper()
	got := c.take()
	m, ok := got.(M)
	if !ok {
		c.h.t.Fatalf("stream %d: expected %T, got %+v", c.id, m, got)
	}
	return m
}

// expectReset awaits RESET with code and then DONE.
func (c *call) expectReset(code protocol.ResetCode) {
	c.h.t.Helper()
	if m := expect[*protocol.Reset](c); m.Code != code {
		c.h.t.Fatalf("RESET %s (%s), not %s", m.Code, m.Reason, code)
	}
	expect[*protocol.Done](c)
}

// whole awaits a response in one frame.
func (c *call) whole() *protocol.Response {
	c.h.t.Helper()
	m := expect[*protocol.Response](c)
	if m.Flags != protocol.FlagEnd|protocol.FlagDone {
		c.h.t.Fatalf("RESPONSE has flags %d, not END and DONE: %+v", m.Flags, m)
	}
	return m
}

// expectLog awaits a LOG entry that holds text.
func (h *fakeHost) expectLog(text string) *protocol.Log {
	h.t.Helper()
	for {
		switch m := h.link.take().(type) {
		case *protocol.Log:
			if strings.Contains(m.Message, text) {
				return m
			}
		case nil:
			h.t.Fatalf("the link ended without a log entry that holds %q", text)
		}
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("SDK_TEST_WORKER") != "" {
		asWorker()
		return
	}
	code := m.Run()
	if left := leaked(); code == 0 && left != "" {
		fmt.Println("goroutines were left behind:\n" + left)
		code = 1
	}
	os.Exit(code)
}

// leaked gives the goroutines that are still there a second after the tests.
func leaked() (left string) {
	for range 100 {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		left = ""
		for i, g := range strings.Split(string(buf), "\n\n") {
			if i > 0 && !strings.Contains(g, "runtime.ensureSigM") && !strings.Contains(g, "os/signal.loop") {
				left += g + "\n\n"
			}
		}
		if left == "" {
			return ""
		}
		time.Sleep(10 * time.Millisecond)
	}
	return left
}
