// Load from clients of many kinds, which count every request that was not answered well.

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load runs until stop.
type load struct {
	t       *testing.T
	h       *host
	over    chan struct{}
	clients sync.WaitGroup
	served  atomic.Int64

	mu       sync.Mutex
	failures []string // guarded by mu
}

func newLoad(h *host) *load { return &load{t: h.t, h: h, over: make(chan struct{})} }

// run has n clients do something again and again.
func (l *load) run(n int, name string, again func() error) *load {
	for range n {
		l.clients.Go(func() {
			for !l.ended() {
				if err := again(); err != nil {
					l.fail(fmt.Errorf("%s: %w", name, err))
					return
				}
				l.served.Add(1)
				select { // the processors belong to the host, too
				case <-l.over:
				case <-time.After(2 * time.Millisecond):
				}
			}
		})
	}
	return l
}

func (l *load) fail(err error) {
	l.mu.Lock()
	l.failures = append(l.failures, time.Now().Format("15:04:05.000 ")+err.Error())
	l.mu.Unlock()
}

func (l *load) ended() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

// stop ends the load and fails the test for every request that failed.
func (l *load) stop() {
	l.t.Helper()
	close(l.over)
	l.clients.Wait()
	for i, f := range l.failures {
		if i == 20 {
			l.t.Errorf("and %d more", len(l.failures)-i)
			break
		}
		l.t.Errorf("%s", f)
	}
	l.t.Logf("%d requests were answered well, %d were not", l.served.Load(), len(l.failures))
}

// kept runs n clients that use one connection each for all their requests.
func (l *load) kept(n int) *load {
	for range n {
		c, err := l.h.tryDial()
		if err != nil {
			l.fail(err)
			return l
		}
		l.t.Cleanup(func() { c.Close() })
		l.run(1, "kept connection", func() error { return hello(c) })
	}
	return l
}

// fresh runs n clients that connect for each request.
func (l *load) fresh(n int) *load {
	return l.run(n, "fresh connection", l.once(func(c *client) error { return hello(c) }))
}

// once gives each call a connection of its own.
func (l *load) once(f func(*client) error) func() error {
	return func() error {
		c, err := l.h.tryDial()
		if err != nil {
			return err
		}
		defer c.Close()
		return f(c)
	}
}

func hello(c *client) error {
	text, err := c.ask("/hello")
	if err == nil && !strings.HasPrefix(text, "hello ") {
		err = fmt.Errorf("answered with %q", text)
	}
	return err
}

// posts runs n clients that send bodies, in one of the framings "length", "chunked" and "expect".
func (l *load) posts(n, size int, framing string) *load {
	text, sum := body(size)
	want := fmt.Sprintf(" %d %s", size, sum)
	return l.run(n, "POST "+framing, l.once(func(c *client) error {
		head := "POST /sum HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\n"
		switch framing {
		case "chunked":
			if _, err := io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n"); err != nil {
				return err
			}
			if err := chunked(c, text, 7777); err != nil {
				return err
			}
		case "expect":
			fmt.Fprintf(c, "%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", head, size)
			if a, err := c.try("POST"); err != nil || a.StatusCode != 100 {
				return fmt.Errorf("instead of 100 Continue: %v %v", a.Response, err)
			}
			if _, err := io.WriteString(c, text); err != nil {
				return err
			}
		default:
			if _, err := fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", head, size, text); err != nil {
				return err
			}
		}
		got, err := c.ok("POST")
		if err == nil && !strings.HasSuffix(got, want) {
			err = fmt.Errorf("%d bytes became %q", size, got)
		}
		return err
	}))
}

// uploads runs n clients that take steps times ms milliseconds to send a body of size bytes.
func (l *load) uploads(n, size, steps, ms int) *load {
	text, sum := body(size)
	want := fmt.Sprintf("%d %s", size, sum)
	return l.run(n, "slow upload", l.once(func(c *client) error {
		if _, err := fmt.Fprintf(c, "POST /digest HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", size); err != nil {
			return err
		}
		for i := range steps {
			if i > 0 {
				time.Sleep(time.Duration(ms) * time.Millisecond)
			}
			if _, err := io.WriteString(c, text[i*size/steps:(i+1)*size/steps]); err != nil {
				return err
			}
		}
		got, err := c.ok("POST")
		if err == nil && got != want {
			err = fmt.Errorf("%d bytes became %q", size, got)
		}
		return err
	}))
}

// bodies runs, n of each, clients with bodies of every kind: small and large ones, in each framing, and requests and responses that take two seconds.
func (l *load) bodies(n int) *load {
	return l.posts(n, 100_000, "length").posts(n, 300_000, "chunked").posts(n, 70_000, "expect").
		uploads(n, 200_000, 20, 100).streams(n, 10, 200)
}

// streams runs n clients whose responses take steps times ms milliseconds; then they rest for half as long, since each reload waits for them.
func (l *load) streams(n, steps, ms int) *load {
	want := ""
	for i := range steps {
		want += fmt.Sprintf("step %d\n", i+1)
	}
	return l.run(n, "streamed response", l.once(func(c *client) error {
		got, err := c.ask(fmt.Sprintf("/steps?n=%d&ms=%d", steps, ms))
		if err == nil && !strings.HasPrefix(got, want+"end ") {
			err = fmt.Errorf("got %q", got)
		}
		select {
		case <-l.over:
		case <-time.After(time.Duration(steps*ms/2) * time.Millisecond):
		}
		return err
	}))
}

// http2 runs n clients on one HTTP/2 connection, which get and post in turn.
func (l *load) http2(n int) *load {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	l.t.Cleanup(transport.CloseIdleConnections)
	c := &http.Client{Transport: transport, Timeout: time.Minute}
	text, sum := body(150_000)
	return l.run(n, "HTTP/2", func() error {
		resp, err := c.Get(l.h.url + "/hello")
		if err == nil {
			err = expect(resp, "hello ", "")
		}
		if err != nil {
			return err
		}
		resp, err = c.Post(l.h.url+"/sum", "text/plain", struct{ io.Reader }{strings.NewReader(text)}) // of unknown length
		if err == nil {
			err = expect(resp, "", sum)
		}
		return err
	})
}

// expect reads a response whose body begins and ends in a certain way.
func expect(resp *http.Response, prefix, suffix string) error {
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != 200 || !strings.HasPrefix(string(text), prefix) || !strings.HasSuffix(string(text), suffix)) {
		err = fmt.Errorf("%s %q", resp.Status, text)
	}
	return err
}
