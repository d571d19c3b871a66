package succession

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer/peertest"
)

// Clients come, say something, and leave in every way, all the time, and while hosts take over. Whoever has come in is
// answered, and each connection has one CLOSE.
func TestClientsThatComeAndGoMeanwhileAreServed(t *testing.T) {
	times, crowd := 4, 24
	hosts := []*host{start(t, "h0")}
	var at atomic.Pointer[host]
	at.Store(hosts[0])
	stop := make(chan struct{})
	var all sync.WaitGroup
	var came, refused atomic.Int64
	for i := range crowd {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				h := at.Load() // perhaps one that has handed over this very moment
				if h.visit(t, []string{"ws", "tcp", "sse"}[(i+n)%3]) {
					came.Add(1)
				} else {
					refused.Add(1)
				}
			}
		})
	}
	for i := range times {
		time.Sleep(200 * time.Millisecond)
		next := start(t, fmt.Sprint("h", i+1))
		s, pause := hosts[i].handTo(next)
		t.Logf("%+v after %v", s, pause)
		hosts = append(hosts, next)
		at.Store(next)
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	all.Wait()
	t.Logf("%d came in, and %d were told that their host goes", came.Load(), refused.Load())
	if came.Load() == 0 || refused.Load() > came.Load()/10 {
		t.Errorf("%d came in, and %d were told that their host goes", came.Load(), refused.Load())
	}
	closed, opened := 0, int64(0)
	for _, h := range hosts {
		for until := time.Now().Add(15 * time.Second); h.hub.Count("", true) > 0 || h.hub.Absent() > 0; {
			if time.Now().After(until) {
				t.Fatalf("%s: %d sockets have not followed, and there are %+v", h.name, h.hub.Absent(), h.hub.List())
			}
			time.Sleep(time.Millisecond)
		}
		h.workers.rest()
		h.workers.mu.Lock()
		for id, n := range h.workers.closed {
			if closed++; n != 1 {
				t.Errorf("%s had %d CLOSEs", id, n)
			}
		}
		h.workers.mu.Unlock()
	}
	for _, tally := range hosts[times].hub.Tallies() {
		opened += tally.Opened
	}
	t.Logf("%d CLOSEs, %d counted as opened by the last host", closed, opened)
	if int64(closed) < came.Load() {
		t.Errorf("%d connections had a CLOSE, of %d", closed, came.Load())
	}
}

// visit is a client that comes, speaks, and leaves. It says false if it was told that the host goes away.
func (h *host) visit(t *testing.T, kind string) bool {
	address := h.web.Address()
	if kind == "tcp" {
		address = h.tcp.Address()
	}
	c := &client{t: t, Conn: h.dial(address), kind: kind, next: map[string]int{}}
	defer c.Close()
	c.in = bufio.NewReader(c.Conn)
	switch kind {
	case "ws":
		io.WriteString(c, handshake+"\r\n")
		c.head()
	case "sse":
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		c.head()
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		return true
	}
	said := []string{"hello", "1", "2", "3"}
	for i, want := range said {
		got, err := c.hear()
		if err != nil {
			// a host that goes ends those that were leaving; no others here have left yet
			if err == errClosed {
				return false
			}
			t.Errorf("%s: %v came instead of %q", kind, err, want)
			return true
		}
		if got != want {
			t.Errorf("%s: %q came instead of %q", kind, got, want)
			return true
		}
		if i+1 < len(said) {
			c.say("echo " + said[i+1])
		}
	}
	switch rand.IntN(3) {
	case 0:
		if kind == "ws" {
			c.Write(peertest.Close(1000, "bye"))
			if _, err := c.hear(); err != errClosed {
				t.Errorf("no goodbye, but %v", err)
			}
		} else {
			c.CloseWrite()
			io.Copy(io.Discard, c.in)
		}
	case 1:
		c.say("echo late") // the answer is for nobody
	}
	return true
}

// CloseWrite says that nothing more comes.
func (c *client) CloseWrite() { c.Conn.(interface{ CloseWrite() error }).CloseWrite() }
