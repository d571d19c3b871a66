package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/web"
)

// change applies c to the listener, and returns once nothing goes on under the terms before.
func (h *house) change(c Terms) {
	h.t.Helper()
	p, err := h.Prepare(c)
	if err != nil {
		h.t.Fatal(err)
	}
	select {
	case <-p.Apply():
	case <-time.After(20 * time.Second):
		h.t.Fatal("something still goes on under the terms before")
	}
}

// ask sends a request without a body over a kept connection and reads the answer.
func ask(t *testing.T, c io.Writer, r *bufio.Reader, head string) (int, string) {
	t.Helper()
	if _, err := io.WriteString(c, head); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAConnectionFindsNewTermsWithItsNextRequest(t *testing.T) {
	h := start(t, hello)
	c := h.dial()
	r := bufio.NewReader(c)
	const get = "GET / HTTP/1.1\r\nHost: one.test\r\n\r\n"
	const post = "POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 5\r\n\r\n12345"
	if code, body := ask(t, c, r, get); code != 200 || body != "Hello, World!" {
		t.Fatal(code, body)
	}
	other := &fake{work: func(c *call) { c.readAll(); c.whole(200, "the other one") }}
	limits := web.DefaultLimits()
	h.change(Terms{Terms: web.Terms{Backend: other, Limits: limits}})
	if code, body := ask(t, c, r, post); code != 200 || body != "the other one" {
		t.Error("another backend:", code, body)
	}
	limits.MaxBody, limits.HeaderTimeout, limits.IdleTimeout, limits.MaxHeader = 4, time.Minute, time.Minute, 32<<10
	h.change(Terms{Terms: web.Terms{Backend: other, Limits: limits}})
	if code, _ := ask(t, c, r, get); code != 200 {
		t.Error("a connection from before:", code)
	}
	if code, _ := ask(t, c, r, post); code != 413 {
		t.Error("another max_body:", code)
	}
	other.busy.Wait()
}

func TestTimeOutsOfNetHTTPChangeForNewConnectionsAndCloseNone(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("TLS ", secure), func(t *testing.T) {
			h := start(t, hello, func(o *Options) {
				if secure {
					withTLS(t)(o)
				}
			})
			clients := h.clientsFor()
			limits := h.options.Limits
			for i := range 5 {
				for name, client := range clients {
					resp, err := client.Get(h.url)
					if err != nil {
						t.Fatal(i, name, err)
					}
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				limits.IdleTimeout += time.Second
				h.change(Terms{Terms: web.Terms{Backend: h.backend, Limits: limits}, TLS: h.options.TLS,
					HTTP3: h.options.HTTP3})
			}
			limits.IdleTimeout = 50 * time.Millisecond
			h.change(Terms{Terms: web.Terms{Backend: h.backend, Limits: limits}, TLS: h.options.TLS,
				HTTP3: h.options.HTTP3})
			if open := h.Connections(); open != len(clients) {
				t.Errorf("%d connections are open, and there were %d", open, len(clients))
			}
			closed := false
			// one that an old server was about to accept keeps its time-out
			for earlier := 0; !closed && earlier < 5; earlier++ {
				resp, err := h.clientsFor()["HTTP/1.1"].Get(h.url)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				for until := time.Now().Add(2 * time.Second); !closed &&
					time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
					closed = h.Connections() <= len(clients)+earlier
				}
			}
			if !closed {
				t.Fatal("the new idle_timeout does not count for a new connection")
			}
			if n := len(h.httpServers()); n > 3 { // the first, the last, and one that may be accepting yet
				t.Errorf("%d servers of net/http are left", n)
			}
		})
	}
}

func TestWhatBeganBeforeAChangeEndsUnderItsOwnTerms(t *testing.T) {
	release := make(chan struct{})
	h := start(t, func(c *call) { <-release; c.whole(200, "the first one") })
	got := make(chan string, 1)
	go func() {
		resp, err := h.client.Get(h.url)
		if err != nil {
			got <- err.Error()
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		got <- string(body)
	}()
	for h.backend.calls.Load() == 0 {
		time.Sleep(time.Millisecond) // until the backend has it
	}
	other := &fake{work: hello}
	p, err := h.Prepare(Terms{Terms: web.Terms{Backend: other, Limits: web.DefaultLimits()}})
	if err != nil {
		t.Fatal(err)
	}
	settled := p.Apply()
	if _, body := h.get("/"); body != "Hello, World!" {
		t.Error("a request after the change:", body)
	}
	select {
	case <-settled:
		t.Error("the change is called settled while a request goes on")
	default:
	}
	close(release)
	if body := <-got; body != "the first one" {
		t.Error(body)
	}
	<-settled
	other.busy.Wait()
}

func TestAChangeThatCannotBePreparedChangesNothing(t *testing.T) {
	h := start(t, hello)
	for name, c := range map[string]Terms{
		"public": {Terms: web.Terms{Backend: h.backend, Limits: web.DefaultLimits(),
			Public: filepath.Join(t.TempDir(), "missing")}},
		"restart": {Terms: web.Terms{Backend: h.backend, Limits: web.DefaultLimits()}, TLS: &TLS{}},
	} {
		if _, err := h.Prepare(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, body := h.get("/"); body != "Hello, World!" {
		t.Error(body)
	}
}

func TestAListenerTakesOtherCertificateFiles(t *testing.T) {
	h := start(t, hello, withTLS(t))
	name := func() string {
		c, err := tls.Dial("tcp", h.address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	dir := t.TempDir()
	files := TLSFiles{Certificate: filepath.Join(dir, "other.pem"), Key: filepath.Join(dir, "other.key")}
	c := Terms{Terms: web.Terms{Backend: h.backend, Limits: web.DefaultLimits()}, TLS: &TLS{Files: []TLSFiles{files}}}
	if _, err := h.Prepare(c); err == nil || !strings.Contains(err.Error(), files.Certificate) {
		t.Errorf("files that are missing: %v", err)
	}
	certify(t, files, "two.test")
	p, err := h.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "one.test" {
		t.Errorf("before the change counts: %s", got)
	}
	<-p.Apply()
	if got := name(); got != "two.test" {
		t.Errorf("after it: %s", got)
	}
	certify(t, files, "three.test")
	if err := h.Reload(); err != nil || name() != "three.test" {
		t.Errorf("the other files, read again: %v, %s", err, name())
	}
}

func TestAChangeAfterTheEndDoesNoHarm(t *testing.T) {
	h := start(t, hello)
	limits := web.DefaultLimits()
	limits.IdleTimeout = time.Second
	p, err := h.Prepare(Terms{Terms: web.Terms{Backend: h.backend, Limits: limits, Public: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-p.Apply()
}
