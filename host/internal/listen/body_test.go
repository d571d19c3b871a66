package listen

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i)
	}
	return b
}

func digest(p []byte) string { return fmt.Sprintf("%x", sha256.Sum256(p)) }

// sizes stand around the limits: 64 KiB inside REQUEST, the window, body_buffer.
var sizes = []int{1, 65535, 65536, 65537, 262143, 262144, 262145, 1048575, 1048576, 1048577, 3 << 20}

func TestBodiesOfAnySizeArriveWhole(t *testing.T) {
	for _, whole := range []bool{true, false} {
		h := start(t, func(c *call) {
			if whole && c.request.Length < 0 {
				t.Error("the length of a whole body is not told")
			}
			c.whole(200, digest(c.readAll()))
		})
		h.backend.traits.WholeBody = whole
		for _, size := range sizes {
			body := pattern(size)
			for _, chunked := range []bool{false, true} {
				var r io.Reader = bytes.NewReader(body)
				if chunked {
					r = io.MultiReader(r)
				}
				if resp, got := h.do("POST", "/", r); got != digest(body) {
					t.Errorf("whole %v, %d bytes, chunked %v: %s", whole, size, chunked, resp.Status)
				}
			}
		}
	}
}

func TestAnEarlyAnswerReachesAClientThatStillUploads(t *testing.T) {
	for _, whole := range []bool{true, false} {
		h := start(t, func(c *call) { c.whole(200, "early") })
		h.backend.traits.WholeBody = whole
		for _, size := range []int{1, 100, 65536, 65537, 256 << 10, 257 << 10, 1 << 20} {
			body := pattern(size)
			for _, chunked := range []bool{false, true} {
				c := h.dial()
				sent := make(chan error, 1)
				go func() { // a client that reads nothing before it has sent everything
					head := "POST / HTTP/1.1\r\nHost: a\r\n"
					if chunked {
						_, err := fmt.Fprintf(c, "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head,
							size, body)
						sent <- err
						return
					}
					_, err := fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", head, size, body)
					sent <- err
				}()
				if err := <-sent; err != nil {
					t.Errorf("whole %v, %d bytes, chunked %v: upload: %v", whole, size, chunked, err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Errorf("whole %v, %d bytes, chunked %v: %v", whole, size, chunked, err)
					continue
				}
				if got, err := io.ReadAll(resp.Body); string(got) != "early" || err != nil {
					t.Errorf("whole %v, %d bytes, chunked %v: %q %v", whole, size, chunked, got, err)
				}
				c.Close()
			}
		}
	}
}

// The rest of the upload never comes: the answer's end must not wait for it.
func TestAnEarlyAnswerGoesOutWholeWhileTheClientStillSends(t *testing.T) {
	takesTime(t)
	answers := map[string]func(c *call){
		"whole": func(c *call) { c.whole(413, "too much") },
		"streamed": func(c *call) {
			c.respond(0, 413, nil, "too ")
			c.data([]byte("much"), true)
		},
		"a failure": func(c *call) { c.fail(protocol.FailedReset) },
		"empty":     func(c *call) { c.whole(413, "", "Content-Length", "0") },
	}
	for name, answer := range answers {
		for _, secure := range []bool{false, true} {
			for _, request := range []string{
				"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc",
				"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
				"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1000\r\n\r\nabc",
			} {
				h := start(t, answer, func(o *Options) {
					if secure {
						withTLS(t)(o)
					}
				})
				raw := h.dial()
				c := raw
				if secure {
					c = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
				}
				io.WriteString(c, request)
				in := bufio.NewReader(c)
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatalf("%s, TLS %v, %.40q: %v", name, secure, request, err)
				}
				sending := time.NewTicker(lingerGap / 10)
				over := make(chan struct{})
				go func() { // ends with the connection
					defer close(over)
					for range sending.C {
						if _, err := io.WriteString(raw, "s"); err != nil {
							return
						}
					}
				}()
				if _, err = io.ReadAll(resp.Body); err == nil {
					_, err = in.ReadByte()
				}
				if lingering := h.clients.count(); err != io.EOF || !resp.Close || lingering != 1 {
					t.Errorf("%s, TLS %v, %.40q: %v; Connection: close %v; %d connections linger",
						name, secure, request, err, resp.Close, lingering)
				}
				raw.Close()
				<-over
				sending.Stop()
			}
		}
	}
}

func TestAStreamedBodyAndItsEchoFlowAtOnce(t *testing.T) {
	h := start(t, func(c *call) {
		c.respond(0, 200, nil, "")
		for {
			p, end := c.read()
			if !c.data(p, end) || end {
				return
			}
		}
	})
	r, w := io.Pipe()
	req, _ := http.NewRequest("POST", h.url, r)
	go io.WriteString(w, "ping")
	resp, err := h.client.Do(req) // the head comes while the body is open
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buffer := make([]byte, 4)
	for i := range 5 {
		if _, err := io.ReadFull(resp.Body, buffer); err != nil || (i == 0 && string(buffer) != "ping") {
			t.Fatal(err, string(buffer))
		}
		if i < 4 {
			fmt.Fprintf(w, "pi%02d", i)
		}
	}
	w.Close()
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Error(string(rest), err)
	}
}

func TestALargeUploadTakesLittleMemory(t *testing.T) {
	takesTime(t)
	for _, whole := range []bool{true, false} {
		most := 0
		h := start(t, func(c *call) {
			n := 0
			for {
				p, end := c.read()
				if n += len(p); end {
					break
				}
			}
			most = c.most
			c.whole(200, fmt.Sprint(n))
		})
		h.backend.traits.WholeBody = whole
		heap := heapGrowth(func() {
			if _, got := h.do("POST", "/", io.LimitReader(zeros{}, 32<<20)); got != fmt.Sprint(32<<20) {
				t.Errorf("whole %v: %s bytes arrived", whole, got)
			}
		})
		if heap > 24<<20 {
			t.Errorf("whole %v: the heap grew by %d MiB", whole, heap>>20)
		}
		if most > protocol.DefaultWindow {
			t.Errorf("whole %v: the window was overrun: %d", whole, most)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestABodyOverTheLimitIs413(t *testing.T) {
	for _, whole := range []bool{true, false} {
		h := start(t, func(c *call) {
			c.readAll()
			if !c.cancelled() {
				t.Error("a worker got all of it")
			}
		}, func(o *Options) { o.Limits.MaxBody = 1 << 20 })
		h.backend.traits.WholeBody = whole
		before := h.backend.calls.Load()
		got := h.raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n")
		if !strings.Contains(statusLine(got), "413") || strings.Contains(got, "100 Continue") ||
			h.backend.calls.Load() != before {
			t.Errorf("announced: %q", got)
		}
		for _, chunked := range []bool{false, true} {
			var r io.Reader = bytes.NewReader(pattern(4 << 20))
			if chunked {
				r = io.MultiReader(r)
			}
			if resp, _ := h.do("POST", "/", r); resp.StatusCode != 413 {
				t.Errorf("whole %v, chunked %v: %s", whole, chunked, resp.Status)
			}
		}
	}
}

func TestExpectContinueIsHeeded(t *testing.T) {
	for _, whole := range []bool{true, false} {
		h := start(t, func(c *call) {
			if c.header("Expect") != "" {
				t.Error("Expect reached the worker")
			}
			c.whole(200, string(c.readAll()))
		})
		h.backend.traits.WholeBody = whole
		c := h.dial()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
		in := bufio.NewReader(c)
		if line, _ := in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("got %q", line)
		}
		in.ReadString('\n')
		io.WriteString(c, "abc")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(resp.Body); string(got) != "abc" {
			t.Errorf("got %q", got)
		}
	}
}

func TestTrailersOfARequestReachTheWorker(t *testing.T) {
	for _, whole := range []bool{true, false} {
		h := start(t, func(c *call) {
			body := c.readAll()
			c.whole(200, fmt.Sprint(string(body), c.trailers))
		})
		h.backend.traits.WholeBody = whole
		got := h.raw("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: " +
			"X-A\r\n\r\n3\r\nabc\r\n0\r\nX-A: 1\r\nHost: evil\r\nX-B: 2\r\n\r\n")
		if !strings.HasSuffix(got, "abc[X-A 1 X-B 2]") {
			t.Errorf("whole %v: %q", whole, got)
		}
	}
}

func TestABodyThatStopsIs408(t *testing.T) {
	for _, whole := range []bool{true, false} {
		h := start(t, func(c *call) {
			c.readAll()
		}, func(o *Options) { o.Limits.ReadTimeout = 200 * time.Millisecond })
		h.backend.traits.WholeBody = whole
		if got := h.raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"); !strings.Contains(
			statusLine(got), "408") {
			t.Errorf("whole %v: %q", whole, got)
		}
		if n := h.backend.calls.Load(); whole && n != 0 {
			t.Error("half a body reached a worker")
		}
	}
}

func TestAHangUpDuringTheUploadCancels(t *testing.T) {
	told := make(chan bool, 1)
	h := start(t, func(c *call) {
		c.readAll()
		told <- c.cancelled()
	})
	c := h.dial()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nab")
	c.Close()
	if !<-told {
		t.Error("the worker took half a body for all of it")
	}
}

func TestPastTheQuotaABodyIs503(t *testing.T) {
	h := start(t, echo, func(o *Options) { o.Spool = spool.New(t.TempDir(), 2<<20, o.Logger) })
	h.backend.traits.WholeBody = true
	if resp, _ := h.do("POST", "/", bytes.NewReader(pattern(8<<20))); resp.StatusCode != 413 {
		t.Errorf("one that says that it will never fit: %s", resp.Status)
	}
	resp, _ := h.do("POST", "/", io.MultiReader(bytes.NewReader(pattern(8<<20)))) // of a length that nobody knows
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" ||
		!strings.Contains(h.logged.String(), "spool_quota") {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	if resp, _ := h.do("POST", "/", bytes.NewReader(pattern(2<<20))); resp.StatusCode != 200 {
		t.Errorf("a smaller one: %s", resp.Status)
	}
}

// again is a worker that takes a part of the body and dies; the next one gets it from the start.
type again struct {
	fake
	takes int
}

func (a *again) Submit(x *protocol.Exchange) protocol.Ticket {
	first := &call{sink: x.Sink, credit: a.takes, gone: make(chan struct{})}
	first.cond.L = &first.mu
	both := twoTickets{first, make(chan protocol.Ticket, 1)}
	a.busy.Add(1)
	go func() {
		defer a.busy.Done()
		first.say(func() { first.sink.Begin(first) })
		first.mu.Lock()
		whole := x.Request.(*protocol.Request).Flags&protocol.FlagEnd != 0
		for !whole && len(first.body) < a.takes && !first.cancelled() {
			first.cond.Wait()
		}
		first.over = true
		first.mu.Unlock()
		both.second <- a.fake.Submit(x)
	}()
	return both
}

// twoTickets is that of an exchange which is submitted twice.
type twoTickets struct {
	first  *call
	second chan protocol.Ticket
}

func (t twoTickets) Cancel(code protocol.ResetCode) {
	t.first.Cancel(code)
	(<-t.second).Cancel(code)
}

func TestABodyIsSentAgainFromTheStart(t *testing.T) {
	back := &again{takes: 100_000}
	back.work = func(c *call) { c.whole(200, digest(c.readAll())) }
	back.traits.WholeBody = true
	h := start(t, nil, func(o *Options) { o.Backend = back })
	body := pattern(1<<20 + 4711)
	if resp, got := h.do("PUT", "/", bytes.NewReader(body)); got != digest(body) {
		t.Errorf("%s: %s", resp.Status, got)
	}
	back.busy.Wait()
}

// One that is handed on as it comes can be sent again while it is small; a larger one ends with 502 rather than
// without its beginning.
func TestASmallBodyIsSentAgainThoughItWasStreamed(t *testing.T) {
	for _, c := range []struct{ size, takes, status int }{{1, 1, 200}, {10_000, 10_000, 200}, {65_535, 65_535, 200},
		{65_535, 1000, 200}, {200_000, 70_000, 502}} {
		back := &again{takes: c.takes}
		back.work = func(c *call) { c.whole(200, digest(c.readAll())) }
		h := start(t, nil, func(o *Options) { o.Backend = back })
		for _, body := range []io.Reader{bytes.NewReader(pattern(c.size)),
			struct{ io.Reader }{bytes.NewReader(pattern(c.size))}} {
			resp, got := h.do("PUT", "/", body)
			if resp.StatusCode != c.status || c.status == 200 && got != digest(pattern(c.size)) {
				t.Errorf("%d bytes, %d of them taken: %s %s", c.size, c.takes, resp.Status, got)
			}
		}
		back.busy.Wait()
	}
}

func TestShutdownFinishesWhatIsInFlightAndClosesTheRest(t *testing.T) {
	takesTime(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	h := start(t, func(c *call) { close(begun); <-finish; hello(c) })
	silent, busy := h.dial(), h.dial()
	io.WriteString(busy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-begun
	down := make(chan error, 1)
	go func() { down <- h.Shutdown(context.Background()) }()
	if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a silent connection: %v", err)
	}
	close(finish)
	all, err := io.ReadAll(busy)
	if err != nil || !strings.HasSuffix(string(all), "Hello, World!") {
		t.Errorf("%q %v", all, err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}
