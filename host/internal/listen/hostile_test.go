// Clients that mean harm, or might as well: each costs bounded memory, bounded time and no worker, and others are
// served meanwhile.

package listen

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/protocol"
)

// full is a pool whose queue has no place, and whose workers are stuck.
type full struct{ traits protocol.Traits }

func (f *full) Traits() protocol.Traits { return f.traits }

func (f *full) Submit(x *protocol.Exchange) protocol.Ticket {
	x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedQueueFull})
	x.Sink.Finished()
	return f
}

func (f *full) Cancel(protocol.ResetCode) {}

// stuck is a pool that keeps what it is given until it is cancelled.
type stuck struct {
	full
	mu   sync.Mutex
	held map[*protocol.Exchange]protocol.Sink
}

func (s *stuck) Submit(x *protocol.Exchange) protocol.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[x] = x.Sink
	return stuckTicket{s, x}
}

func (s *stuck) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

type stuckTicket struct {
	pool *stuck
	x    *protocol.Exchange
}

func (t stuckTicket) Cancel(protocol.ResetCode) {
	t.pool.mu.Lock()
	sink := t.pool.held[t.x]
	delete(t.pool.held, t.x)
	t.pool.mu.Unlock()
	if sink != nil {
		sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
		sink.Finished()
	}
}

func TestAFullQueueIsAnsweredAtOnce(t *testing.T) {
	h := start(t, nil, func(o *Options) {
		o.Backend = &full{protocol.Traits{WholeBody: true, RetryAfter: time.Second}}
	})
	const clients, each = 32, 100
	took := make([]time.Duration, clients*each)
	var all sync.WaitGroup
	for i := range clients {
		c := h.dial()
		all.Go(func() {
			in := bufio.NewReader(c)
			for j := range each {
				began := time.Now()
				io.WriteString(c, benchRequest)
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Error(err)
					return
				}
				took[i*each+j] = time.Since(began)
				io.Copy(io.Discard, resp.Body)
				if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" {
					t.Error(resp.Status, resp.Header)
				}
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	half, most := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%d refusals by %d clients: p50 %v, p99 %v", len(took), clients, half, most)
	if half > 5*time.Millisecond && !raceEnabled {
		t.Errorf("half of them took longer than %v", half)
	}
}

// Thousands of clients whose requests no worker takes. Each costs its goroutine and its buffers, and nothing grows
// with time.
func TestManyClientsOfAStuckPoolFillBoundedMemory(t *testing.T) {
	clients := 4000
	if testing.Short() || raceEnabled {
		clients = 500
	}
	back := &stuck{held: map[*protocol.Exchange]protocol.Sink{}}
	before := inUse()
	h := start(t, nil, func(o *Options) { o.Backend = back })
	conns := make([]net.Conn, 0, clients)
	defer func() {
		for _, c := range conns {
			hangUp(c)
		}
		for until := time.Now().Add(10 * time.Second); back.count() > 0 && time.Now().Before(until); {
			time.Sleep(10 * time.Millisecond)
		}
		if n := back.count(); n > 0 {
			t.Errorf("%d requests are held for clients that left", n)
		}
	}()
	for i := range clients {
		var from net.Dialer
		from.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/2000))} // ports end before connections do
		c, err := from.Dial("tcp", h.address)
		if errors.Is(err, os.ErrPermission) || err != nil && strings.Contains(err.Error(), "too many open files") {
			t.Skipf("%d connections are too many for this machine: %v", i, err)
		}
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		io.WriteString(c, benchRequest)
	}
	for until := time.Now().Add(30 * time.Second); back.count() < clients; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d of %d requests arrived", back.count(), clients)
		}
	}
	each := (inUse() - before) / int64(clients)
	t.Logf("%d connections with a request each: %d MiB, %d KiB each (both ends of them are in this process)", clients,
		each*int64(clients)>>20, each>>10)
	if each > 64<<10 && !raceEnabled {
		t.Errorf("a waiting client costs %d KiB", each>>10)
	}
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// Every slow client loses its connection in time, having cost no worker.
func TestSlowClientsAreCutOffAndCostNoWorker(t *testing.T) {
	takesTime(t)
	for _, test := range []struct {
		name, begin, then string
		answer            string // what the status line holds; "" is a connection that just ends
	}{
		{"says nothing", "", "", ""},
		{"a header byte by byte", "GET / HTTP/1.1\r\nHost: a\r\n", "X", ""},
		{"headers without an end", "GET / HTTP/1.1\r\nHost: a\r\n", "X-A: b\r\n", ""},
		{"a body that stops", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc", "", "408"},
		{"a form that stops", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nContent-Type: " +
			"multipart/form-data; boundary=x\r\n\r\n--x\r\n", "", "408"},
		{"chunks that stop", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "",
			"408"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := start(t, func(c *call) { t.Error("a worker was asked"); c.whole(200, "") }, func(o *Options) {
				o.Limits.HeaderTimeout, o.Limits.ReadTimeout, o.Limits.IdleTimeout = 200*time.Millisecond,
					200*time.Millisecond, 200*time.Millisecond
			})
			h.backend.traits = protocol.Traits{WholeBody: true, Forms: true}
			c := h.dial()
			io.WriteString(c, test.begin)
			ended := make(chan struct{})
			if test.then != "" {
				go func() {
					for ticks := time.NewTicker(20 * time.Millisecond); ; {
						select {
						case <-ticks.C:
							io.WriteString(c, test.then)
						case <-ended:
							return
						}
					}
				}()
			}
			began := time.Now()
			all, _ := io.ReadAll(c)
			close(ended)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it held its connection for %v", took)
			}
			if got := statusLine(string(all)); test.answer == "" && strings.Contains(got, "200") ||
				!strings.Contains(got, test.answer) {
				t.Errorf("%q", got)
			}
		})
	}
}

// A client that takes nothing: its worker is free at once, and it is cut off.
func TestASlowReaderCostsNoWorker(t *testing.T) {
	free := make(chan time.Duration, 1)
	h := start(t, func(c *call) {
		began := time.Now()
		c.respond(0, 200, nil, "")
		c.data(make([]byte, 16<<20), true)
		free <- time.Since(began)
	}, func(o *Options) { o.Limits.WriteTimeout = 500 * time.Millisecond })
	h.backend.traits = protocol.Traits{WholeBody: true, Spool: true}
	c := h.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	select {
	case took := <-free:
		t.Logf("16 MiB for a client that reads nothing kept a worker for %v", took)
	case <-time.After(5 * time.Second):
		t.Fatal("the worker waits for the client")
	}
	for until := time.Now().Add(10 * time.Second); h.Server.clients.count() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the client is still connected")
		}
	}
}

// A client that sends requests without ever reading an answer: one at a time is with a worker, and what it sent waits
// in the kernel.
func TestPipeliningNeverReachesMoreThanOneWorker(t *testing.T) {
	release := make(chan struct{})
	h := start(t, func(c *call) { <-release; c.whole(200, "x") })
	c := h.dial()
	c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	sent := 0
	for range 100_000 { // until the kernel takes no more
		n, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Fill: "+strings.Repeat("x", 1000)+"\r\n\r\n")
		sent += n
		if err != nil {
			break
		}
	}
	if n := h.backend.calls.Load(); n != 1 {
		t.Errorf("%d requests of one connection are with workers", n)
	}
	t.Logf("%d KiB were sent ahead, and lie in the kernel", sent>>10)
	c.Close()
	close(release)
}

func TestAFloodOfHeadersIsRefused(t *testing.T) {
	h := start(t, func(c *call) { t.Error("a worker was asked") }, func(o *Options) { o.Limits.MaxHeader = 16 << 10 })
	for name, head := range map[string]string{
		"many":      strings.Repeat("X-A: b\r\n", 10_000),
		"one large": "X-A: " + strings.Repeat("b", 100_000) + "\r\n",
		"a name":    strings.Repeat("b", 100_000) + ": x\r\n",
	} {
		c := h.dial()
		go fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", head)
		all, _ := io.ReadAll(c)
		if got := statusLine(string(all)); got != "" && !strings.Contains(got, "431") &&
			!strings.Contains(got, "400") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A flood of connections at its limit: those that are in are served, and the flood takes no goroutine that stays.
func TestAFloodOfConnectionsLeavesThoseThatAreInAlone(t *testing.T) {
	h := start(t, hello, func(o *Options) { o.Crowd = guard.NewCrowd(1, 0, nil, o.Logger) })
	in := h.dial()
	ask := func() string {
		io.WriteString(in, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		b := make([]byte, 512)
		n, _ := in.Read(b)
		return statusLine(string(b[:n]))
	}
	if got := ask(); !strings.Contains(got, "200") {
		t.Fatal(got)
	}
	for range 1000 {
		c, err := net.Dial("tcp", h.address)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if got := ask(); !strings.Contains(got, "200") {
		t.Errorf("the one that is in: %q", got)
	}
	if n := strings.Count(h.logged.String(), "turned away"); n != 1 {
		t.Errorf("%d log lines", n)
	}
}

// A pool that is full delays no other: they share nothing but the process.
func TestAFullPoolNeverDelaysAnother(t *testing.T) {
	back := &stuck{held: map[*protocol.Exchange]protocol.Sink{}}
	crowd := guard.NewCrowd(400, 0, nil, nil)
	busy := start(t, nil, func(o *Options) { o.Backend, o.Crowd, o.MaxConnections = back, crowd, 300 })
	for range 300 {
		io.WriteString(busy.dial(), benchRequest)
	}
	for back.count() < 300 {
		runtime.Gosched()
	}
	other := start(t, hello, func(o *Options) { o.Crowd = crowd })
	for range 100 {
		if resp, body := other.get("/"); resp.StatusCode != 200 || body != "Hello, World!" {
			t.Fatal(resp.Status)
		}
	}
	busy.Server.Close()
}
