// Load from clients of many kinds, which count every request that was not answered well.

package harness

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

// Load runs until stop.
type Load struct {
	complaints
	t       *testing.T
	H       *Host
	over    chan struct{}
	clients sync.WaitGroup
	number  atomic.Int64 // of clients
	Served  atomic.Int64
}

// NewLoad is load on h of no client yet.
func NewLoad(h *Host) *Load { return &Load{t: h.T, H: h, over: make(chan struct{})} }

// rest is how long a client does nothing between two requests: the processors belong to the host, too, and to the
// tests that run beside this one. In the short form all clients together make at most 500 requests a second.
func (l *Load) rest() time.Duration {
	if Long {
		return 2 * time.Millisecond
	}
	return time.Duration(max(1, l.number.Load())) * 2 * time.Millisecond
}

// Run has n clients do something again and again.
func (l *Load) Run(n int, name string, again func() error) *Load {
	l.number.Add(int64(n))
	for range n {
		l.clients.Go(func() {
			for !l.ended() {
				if err := again(); err != nil {
					l.Report("%s: %v", name, err)
					return
				}
				l.Served.Add(1)
				select {
				case <-l.over:
				case <-time.After(l.rest()):
				}
			}
		})
	}
	return l
}

func (l *Load) ended() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

// Stop ends the load and fails the test for every request that failed.
func (l *Load) Stop() {
	l.t.Helper()
	close(l.over)
	l.clients.Wait()
	failed := l.tell(l.t)
	l.t.Logf("%d requests were answered well, %d were not", l.Served.Load(), failed)
}

// Kept runs n clients that use one connection each for all their requests.
func (l *Load) Kept(n int) *Load {
	for range n {
		c, err := l.H.TryDial()
		if err != nil {
			l.Report("kept connection: %v", err)
			return l
		}
		l.t.Cleanup(func() { c.Close() })
		l.Run(1, "kept connection", func() error { return Hello(c) })
	}
	return l
}

// Fresh runs n clients that connect for each request.
func (l *Load) Fresh(n int) *Load {
	return l.Run(n, "fresh connection", l.once(func(c *Client) error { return Hello(c) }))
}

// once gives each call a connection of its own.
func (l *Load) once(f func(*Client) error) func() error {
	return func() error {
		c, err := l.H.TryDial()
		if err != nil {
			return err
		}
		defer c.Close()
		return f(c)
	}
}

// Hello asks pages.php for its greeting.
func Hello(c *Client) error {
	text, err := c.Ask("/hello")
	if err == nil && !strings.HasPrefix(text, "hello ") {
		err = fmt.Errorf("answered with %q", text)
	}
	return err
}

// Posts runs n clients that send bodies, in one of the framings "length", "chunked" and "expect".
func (l *Load) Posts(n, size int, framing string) *Load {
	text, sum := Body(size)
	want := fmt.Sprintf(" %d %s", size, sum)
	return l.Run(n, "POST "+framing, l.once(func(c *Client) error {
		head := "POST /sum HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\n"
		switch framing {
		case "chunked":
			if _, err := io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n"); err != nil {
				return err
			}
			if err := Chunked(c, text, 7777); err != nil {
				return err
			}
		case "expect":
			fmt.Fprintf(c, "%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", head, size)
			if a, err := c.Try("POST"); err != nil || a.StatusCode != 100 {
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
		got, err := c.OK("POST")
		if err == nil && !strings.HasSuffix(got, want) {
			err = fmt.Errorf("%d bytes became %q", size, got)
		}
		return err
	}))
}

// uploads runs n clients that take steps times ms milliseconds to send a body of size bytes.
func (l *Load) uploads(n, size, steps, ms int) *Load {
	text, sum := Body(size)
	want := fmt.Sprintf("%d %s", size, sum)
	return l.Run(n, "slow upload", l.once(func(c *Client) error {
		if _, err := fmt.Fprintf(c,
			"POST /digest HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
			size); err != nil {
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
		got, err := c.OK("POST")
		if err == nil && got != want {
			err = fmt.Errorf("%d bytes became %q", size, got)
		}
		return err
	}))
}

// Bodies runs, n of each, clients with bodies of every kind: small and large ones, in each framing, and requests and
// responses that take two seconds. Each worker's end waits for these, and the test with it, so that in the short form
// they take half a second.
func (l *Load) Bodies(n int) *Load {
	pause := 25
	if Long {
		pause = 100
	}
	return l.Posts(n, 100_000, "length").Posts(n, 300_000, "chunked").Posts(n, 70_000, "expect").
		uploads(n, 200_000, 20, pause).Streams(n, 10, 2*pause)
}

// Streams runs n clients whose responses take steps times ms milliseconds; then they rest for half as long, since each
// reload waits for them.
func (l *Load) Streams(n, steps, ms int) *Load {
	want := ""
	for i := range steps {
		want += fmt.Sprintf("step %d\n", i+1)
	}
	return l.Run(n, "streamed response", l.once(func(c *Client) error {
		got, err := c.Ask(fmt.Sprintf("/steps?n=%d&ms=%d", steps, ms))
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

// Http2 runs n clients on one HTTP/2 connection, which get and post in turn.
func (l *Load) Http2(n int) *Load {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	l.t.Cleanup(transport.CloseIdleConnections)
	c := &http.Client{Transport: transport, Timeout: time.Minute}
	text, sum := Body(150_000)
	return l.Run(n, "HTTP/2", func() error {
		resp, err := c.Get(l.H.URL + "/hello")
		if err == nil {
			err = expect(resp, "hello ", "")
		}
		if err != nil {
			return err
		}
		// of unknown length
		resp, err = c.Post(l.H.URL+"/sum", "text/plain", struct{ io.Reader }{strings.NewReader(text)})
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
	if err == nil && (resp.StatusCode != 200 || !strings.HasPrefix(string(text), prefix) ||
		!strings.HasSuffix(string(text), suffix)) {
		err = fmt.Errorf("%s %q", resp.Status, text)
	}
	return err
}
