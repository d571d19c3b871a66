package listen

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

// startH3 serves HTTP/3, too, and gives a client of it.
func startH3(t testing.TB, work func(c *call), change ...func(*Options)) (*house, *http.Client) {
	t.Helper()
	h := start(t, work, append([]func(*Options){withTLS(t)}, change...)...)
	return h, h.clientsFor()["HTTP/3"]
}

// shortened has the limits of a listener that f changes.
func shortened(f func(l *web.Limits)) func(*Options) { return func(o *Options) { f(&o.Limits) } }

func fetch(t testing.TB, client *http.Client, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestOtherProtocolsAnnounceHTTP3(t *testing.T) {
	h := start(t, func(c *call) { c.whole(200, "") }, withTLS(t))
	want := fmt.Sprintf(`h3=":%s"; ma=86400`, h.address[strings.LastIndexByte(h.address, ':')+1:])
	for name, client := range h.clientsFor() {
		for _, method := range []string{"GET", "TRÄCE"} { // answered by the worker, and by the host
			req, _ := http.NewRequest("GET", h.url+"/", nil)
			req.Host = map[string]string{"GET": "one.test", "TRÄCE": "one.test:99999"}[method]
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(name, err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("Alt-Svc"); got != map[bool]string{true: "", false: want}[name == "HTTP/3"] {
				t.Errorf("%s, %d: Alt-Svc %q", name, resp.StatusCode, got)
			}
		}
	}
}

func TestWithoutHTTP3ThereIsNoSocketAndNoWordOfIt(t *testing.T) {
	h := start(t, hello, withTLS(t), func(o *Options) { o.HTTP3 = false })
	resp, _ := fetch(t, h.clientsFor()["HTTP/2"], "GET", h.url, nil)
	if resp.Header.Get("Alt-Svc") != "" || h.quic.Load() != nil {
		t.Error(resp.Header, h.quic.Load())
	}
}

func TestAnswersWithoutABodyOverHTTP3(t *testing.T) {
	h, client := startH3(t, func(c *call) {
		switch c.request.Target {
		case "/204":
			c.whole(204, "dropped")
		case "/304":
			c.whole(304, "dropped", "Etag", `"x"`)
		case "/none":
			c.whole(200, "")
		case "/long":
			c.whole(200, "", "Content-Length", "12345")
		default:
			c.whole(200, strings.Repeat("x", 5000))
		}
	})
	for _, test := range []struct{ method, path, status, length string }{
		{"GET", "/204", "204", ""}, {"GET", "/304", "304", ""}, {"HEAD", "/", "200", "5000"},
		{"HEAD", "/long", "200", "12345"}, {"HEAD", "/none", "200", ""},
	} {
		resp, body := fetch(t, client, test.method, h.url+test.path, nil)
		if !strings.HasPrefix(resp.Status, test.status) || body != "" ||
			resp.Header.Get("Content-Length") != test.length {
			t.Errorf("%s %s: %s, %d bytes, Content-Length %q", test.method, test.path, resp.Status, len(body),
				resp.Header.Get("Content-Length"))
		}
	}
}

func TestARequestWithoutABodyIsKnownToHaveNone(t *testing.T) {
	h, client := startH3(t, func(c *call) {
		whole := c.request.Flags&protocol.FlagEnd != 0
		c.whole(200, fmt.Sprint(whole, c.repeatable, string(c.readAll())))
	})
	h.backend.traits.Retry = protocol.RetrySafe
	for _, test := range []struct {
		method string
		body   io.Reader
		want   string
	}{
		{"GET", nil, "true true"}, {"HEAD", nil, ""}, {"DELETE", nil, "true false"},
		{"GET", io.MultiReader(strings.NewReader("a body")), "false falsea body"},
		{"POST", io.MultiReader(strings.NewReader("a body")), "false falsea body"},
	} {
		if _, got := fetch(t, client, test.method, h.url, test.body); got != test.want {
			t.Errorf("%s: %q, expected %q", test.method, got, test.want)
		}
	}
}

func TestHeadersOfAnAnswerAreItsOwnAlsoWhenOthersFollow(t *testing.T) {
	h, _ := startH3(t, func(c *call) {
		c.whole(200, "", "X-Target", c.request.Target, "X-Long", strings.Repeat("y", 4<<10))
	})
	clients := slices.Collect(maps.Values(h.clientsFor())) // of memory they have the same pool
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 60 {
				client, target := clients[(i+j)%len(clients)], fmt.Sprintf("/%d/%d", i, j)
				resp, err := client.Get(h.url + target)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				if resp.Header.Get("X-Target") != target || len(resp.Header.Get("X-Long")) != 4<<10 {
					t.Errorf("%s: %v", target, resp.Header)
				}
			}
		})
	}
	all.Wait()
}

// quic-go writes small answers when their handler has ended, and its memory may be the next one's.
func TestHeadersThatAreWrittenLateAreTheirAnswersOwn(t *testing.T) {
	h := start(t, func(c *call) { c.whole(200, "", "X-Target", c.request.Target) })
	serve := func(version int, target string) http.Header {
		r, w := httptest.NewRequest("GET", target, nil), httptest.NewRecorder()
		r.ProtoMajor, r.ProtoMinor = version, version%2
		h.web.Serve(w, r, nil)
		return w.Header()
	}
	for range 20 { // a pool of memory may forget
		serve(1, "/before")
		late := serve(3, "/late")
		serve(1, "/after")
		if got := late.Get("X-Target"); got != "/late" {
			t.Fatalf("%q", got)
		}
	}
}

func TestAClientThatCancelsOverHTTP3CancelsItsWorker(t *testing.T) {
	gone := make(chan struct{}, 1)
	h, client := startH3(t, func(c *call) {
		if c.request.Target == "/begun" {
			c.respond(0, 200, nil, "half")
		}
		select {
		case <-c.gone:
			gone <- struct{}{}
		case <-time.After(10 * time.Second):
		}
	})
	for _, path := range []string{"/", "/begun"} {
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", h.url+path, nil)
		calls := h.backend.calls.Load()
		time.AfterFunc(10*time.Second, cancel)
		go func() {
			for h.backend.calls.Load() == calls {
				time.Sleep(time.Millisecond)
			}
			if path == "/" {
				cancel()
			}
		}()
		if resp, err := client.Do(req); err == nil {
			cancel()
			resp.Body.Close()
		}
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
			t.Error(path, "the worker was not told")
		}
		cancel()
	}
}

func TestABodyThatBreaksOffOverHTTP3IsReset(t *testing.T) {
	answered := make(chan struct{})
	h, client := startH3(t, func(c *call) {
		c.respond(0, 200, nil, "half")
		c.data([]byte("x"), false)
		<-answered
		c.fail(protocol.FailedDied)
	})
	resp, err := client.Get(h.url)
	close(answered)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%q was ended as if it were whole", b)
	}
}

func TestUploadsOverHTTP3HaveTheirLimits(t *testing.T) {
	refused, lines := withAccess(t, "access.log")
	h, client := startH3(t, func(c *call) { c.whole(200, fmt.Sprint(len(c.readAll()))) }, refused,
		shortened(func(l *web.Limits) { l.MaxBody, l.ReadTimeout = 1<<20, 200*time.Millisecond }),
		func(o *Options) { o.Backend.(*fake).traits = protocol.Traits{WholeBody: true} })
	if resp, _ := fetch(t, client, "POST", h.url, bytes.NewReader(make([]byte, 2<<20))); resp.StatusCode != 413 {
		t.Error("announced:", resp.Status)
	}
	raw := h.dialH3()
	post := append([]string{":method", "POST"}, h3get()[2:]...)
	head := h3frame(1, h3block(post...))
	s := raw.begin(append(slices.Clone(head), h3frame(0, []byte("a beginning"))...))
	if got := status(s); got != "408" {
		t.Error("a body that stops:", got)
	}
	empty := raw.begin(slices.Clone(head))
	go func() { // empty frames are no sign of life
		for range 100 {
			if _, err := empty.Write(h3frame(0, nil)); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if got := status(empty); got != "408" {
		t.Error("a body of empty frames:", got)
	}
	s = raw.begin(append(slices.Clone(head), h3frame(0, []byte("a beginning"))...))
	s.CancelWrite(0x10c)
	status(s)
	h.Close()
	if all := strings.Join(lines(), "\n"); strings.Count(all, " 408 ") != 2 || strings.Count(all, " 413 ") != 1 ||
		strings.Contains(all, " 400 ") {
		t.Error(all)
	}
}

func TestASlowReaderOverHTTP3IsCutByTheWriteTimeout(t *testing.T) {
	gone := make(chan struct{})
	h, client := startH3(t, func(c *call) {
		defer close(gone)
		c.respond(0, 200, nil, "x")
		for c.data(make([]byte, 64<<10), false) {
		}
	}, shortened(func(l *web.Limits) { l.WriteTimeout, l.ResponseBuffer = 300*time.Millisecond, 64<<10 }))
	resp, err := client.Get(h.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the worker waits for the client")
	}
}

func TestExpectContinueIsHeededOverHTTP3(t *testing.T) {
	h, _ := startH3(t, echo)
	post := append([]string{":method", "POST"}, h3get("expect", "100-continue", "content-length", "4")[2:]...)
	s := h.dialH3().begin(h3frame(1, h3block(post...)))
	first := make([]byte, 2)
	if _, err := io.ReadFull(s, first); err != nil {
		t.Fatal("no answer before the body:", err)
	}
	io.CopyN(io.Discard, s, int64(first[1]))
	s.Write(h3frame(0, []byte("body")))
	s.Close()
	if head, _, err := answer(s); err != nil || head.Get("x-length") == "" && len(head["x-length"]) == 0 {
		t.Error(head, err)
	}
}

func TestTrailersOverHTTP3ArriveBothWays(t *testing.T) {
	h, _ := startH3(t, func(c *call) {
		c.readAll()
		c.respond(0, 200, nil, "a")
		c.data([]byte(strings.Join(c.trailers, " ")), true, "X-End", "1")
	})
	post := append([]string{":method", "POST"}, h3get()[2:]...)
	b := slices.Concat(h3frame(1, h3block(post...)), h3frame(0, []byte("body")),
		h3frame(1, h3block("x-sum", "1")))
	s := h.dialH3().begin(b)
	s.Close()
	if _, body, err := answer(s); err != nil || string(body) != "aX-Sum 1" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestConnectionsOverHTTP3AreLimited(t *testing.T) {
	for name, crowd := range map[string]*guard.Crowd{"in all": guard.NewCrowd(2, 0, nil, nil),
		"of an address": guard.NewCrowd(0, 2, nil, nil)} {
		t.Run(name, func(t *testing.T) { limitConnections(t, crowd) })
	}
}

func limitConnections(t *testing.T, crowd *guard.Crowd) {
	h, _ := startH3(t, hello, func(o *Options) { o.Crowd = crowd })
	one, two := h.dialH3(), h.dialH3()
	if got := status(one.ask(h3get()...)) + status(two.ask(h3get()...)); got != "200200" {
		t.Fatal(got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if q, err := quic.DialAddr(ctx, h.address, h3TLS(), nil); err == nil {
		<-q.Context().Done() // it may have been refused behind its handshake
	}
	if h.Refused()["too many connections"] == 0 || h.Connections() != 2 {
		t.Error(h.Refused(), h.Connections())
	}
	one.CloseWithError(0x100, "")
	for until := time.Now().Add(5 * time.Second); h.Connections() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal(h.Connections(), "are counted, and there is one")
		}
	}
	if got := status(h.dialH3().ask(h3get()...)); got != "200" {
		t.Error(got)
	}
}

func TestAConnectionOverHTTP3WithoutARequestIsClosed(t *testing.T) {
	h, _ := startH3(t, func(c *call) { time.Sleep(600 * time.Millisecond); hello(c) },
		shortened(func(l *web.Limits) { l.IdleTimeout = 300 * time.Millisecond }))
	idle, half, busy := h.dialH3(), h.dialH3(), h.dialH3()
	half.begin(h3frame(1, h3block(h3get()...))[:10])
	if got := status(busy.ask(h3get()...)); got != "200" {
		t.Error("a request that takes longer than idle_timeout:", got)
	}
	for name, c := range map[string]*h3client{"idle": idle, "with half a head": half, "after its request": busy} {
		select {
		case <-c.Context().Done():
		case <-time.After(5 * time.Second):
			t.Error(name, "stays")
		}
	}
}

func TestShutdownFinishesRequestsOverHTTP3(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	finish := sync.OnceFunc(func() { close(release) })
	defer finish()
	h, client := startH3(t, func(c *call) {
		close(began)
		<-release
		c.whole(200, strings.Repeat("x", 1<<20))
	})
	idle := h.dialH3()
	got := make(chan string, 1)
	go func() {
		resp, err := client.Get(h.url)
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		got <- fmt.Sprint(len(b), err)
	}()
	<-began
	for until := time.Now().Add(10 * time.Second); h.Connections() != 2; time.Sleep(time.Millisecond) {
		if time.Now().After(until) { // the client's end of a handshake comes before the host's
			t.Fatal(h.Connections(), "connections")
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Shutdown(context.Background()) }()
	control, err := idle.AcceptUniStream(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(control)
	if !bytes.HasSuffix(said, h3frame(7, []byte{0})) {
		t.Errorf("no GOAWAY at the end of %x", said)
	}
	select {
	case err := <-ended:
		t.Fatal("the request was not waited for", err)
	default:
	}
	finish()
	if s := <-got; s != "1048576 <nil>" {
		t.Error(s)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHTTP3ComesAndGoesWithTheTerms(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	h, client := startH3(t, func(c *call) {
		if c.request.Target == "/slow" {
			began <- struct{}{}
			<-release
		}
		hello(c)
	}, func(o *Options) { o.HTTP3 = false })
	plain := h.clientsFor()["HTTP/2"]
	announced := func() bool {
		resp, _ := fetch(t, plain, "GET", h.url, nil)
		return resp.Header.Get("Alt-Svc") != ""
	}
	terms := Terms{Terms: web.Terms{Backend: h.backend, Limits: web.DefaultLimits()}, TLS: h.options.TLS}
	turn := func(on bool) {
		terms.HTTP3 = on
		p, err := h.Prepare(terms)
		if err != nil {
			t.Fatal(err)
		}
		p.Apply()
	}
	if client != nil {
		t.Fatal("a client of nothing")
	}
	h.options.HTTP3 = true
	client = h.clientsFor()["HTTP/3"]
	for range 2 {
		turn(true)
		if _, body := fetch(t, client, "GET", h.url, nil); body != "Hello, World!" || !announced() {
			t.Error(body)
		}
		c := h.dialH3()
		slow := c.ask(append(h3get()[:6], ":path", "/slow")...)
		<-began
		turn(false)
		if announced() {
			t.Error("it is announced still")
		}
		turn(true) // while one is left of before
		if _, body := fetch(t, h.clientsFor()["HTTP/3"], "GET", h.url, nil); body != "Hello, World!" {
			t.Error(body)
		}
		turn(false)
		release <- struct{}{}
		if got := status(slow); got != "200" {
			t.Error("a request from before it was turned off:", got)
		}
		for until := time.Now().Add(10 * time.Second); h.quic.Load() != nil; time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				t.Fatal("the port is not given back")
			}
		}
	}
	terms.HTTP3 = true
	p, err := h.Prepare(terms)
	if err != nil {
		t.Fatal(err)
	}
	p.Discard()
	if c, err := bindUDP(h.address); err != nil {
		t.Error("terms that were discarded keep the port:", err)
	} else {
		defer c.Close()
		if _, err := h.Prepare(terms); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Error("a port that is taken:", err)
		}
	}
}

func TestHTTP3ThatComesLaterTakesTheSocketThatIsThere(t *testing.T) {
	var theirs *net.UDPConn
	h := start(t, hello, withTLS(t), func(o *Options) {
		o.HTTP3 = false
		o.Packets = func() (*os.File, error) { return theirs.File() }
	})
	var err error
	theirs, err = bindUDP(h.address)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	h.options.HTTP3 = true
	terms := Terms{Terms: web.Terms{Backend: h.backend, Limits: web.DefaultLimits()}, TLS: h.options.TLS}
	for range 2 {
		terms.HTTP3 = true
		p, err := h.Prepare(terms)
		if err != nil {
			t.Fatal(err)
		}
		p.Apply()
		if _, body := fetch(t, h.clientsFor()["HTTP/3"], "GET", h.url, nil); body != "Hello, World!" {
			t.Error(body)
		}
		terms.HTTP3 = false
		if p, err = h.Prepare(terms); err != nil {
			t.Fatal(err)
		}
		p.Apply()
	}
}

func TestAChangeOfTermsUnderLoadFailsNoRequestOverHTTP3(t *testing.T) {
	h, client := startH3(t, hello)
	fetch(t, client, "GET", h.url, nil)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Get(h.url)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(b) != "Hello, World!" {
					t.Errorf("%q, %v", b, err)
				}
			}
		})
	}
	limits := web.DefaultLimits()
	for range 20 {
		limits.MaxHeader++
		h.change(Terms{Terms: web.Terms{Backend: h.backend, Limits: limits}, TLS: h.options.TLS, HTTP3: true})
	}
	close(stop)
	all.Wait()
	if h.Connections() != 1 {
		t.Error(h.Connections(), "connections, and it was one")
	}
}

func TestHTTP3TakesOtherCertificates(t *testing.T) {
	h, _ := startH3(t, hello)
	certify(t, h.options.TLS.Files[0], "two.test")
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := h.dialH3().ConnectionState().TLS.PeerCertificates[0].Subject.CommonName; got != "two.test" {
		t.Error(got)
	}
}

func TestThereIsNoEarlyData(t *testing.T) {
	h, _ := startH3(t, hello)
	config := h3TLS()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		q, err := quic.DialAddrEarly(ctx, h.address, config, nil)
		if err != nil {
			t.Fatal(err)
		}
		<-q.HandshakeComplete()
		time.Sleep(50 * time.Millisecond) // for the session's ticket
		if s := q.ConnectionState(); s.Used0RTT || s.TLS.DidResume != (i == 1) {
			t.Errorf("0-RTT %v, resumed %v", s.Used0RTT, s.TLS.DidResume)
		}
		q.CloseWithError(0x100, "")
		cancel()
	}
}
