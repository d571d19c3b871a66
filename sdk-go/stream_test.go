package sdk

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestARequestIsTheClients(t *testing.T) {
	checked := make(chan struct{})
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ada := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ada"}}
	certificate, err := x509.CreateCertificate(nil, ada, ada, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(checked)
		if r.Method != "PUT" || r.RequestURI != "/a%20b?q=1&q=2" || r.URL.Path != "/a b" ||
			r.URL.RawQuery != "q=1&q=2" || r.Host != "example.org" || r.RemoteAddr != "192.0.2.1:999" {
			t.Errorf("the request is %+v", r)
		}
		if r.Proto != "HTTP/2.0" || r.ProtoMajor != 2 || r.ContentLength != 3 {
			t.Errorf("%s, %d bytes", r.Proto, r.ContentLength)
		}
		if v := r.Header["X-Many"]; len(v) != 2 || v[0] != "1" || v[1] != "2" || r.Header.Get("cookie") != "a=b" {
			t.Errorf("the header is %v", r.Header)
		}
		if s := r.TLS; s == nil || s.Version != tls.VersionTLS13 || s.CipherSuite != tls.TLS_AES_128_GCM_SHA256 ||
			s.ServerName != "example.org" || s.NegotiatedProtocol != "h2" {
			t.Errorf("TLS is %+v", s)
		} else if len(s.VerifiedChains) != 1 || !bytes.Equal(s.VerifiedChains[0][0].Raw, certificate) ||
			s.PeerCertificates[0].Subject.CommonName != "ada" {
			t.Errorf("the client's certificate is %v", s.VerifiedChains)
		}
		if body, err := io.ReadAll(r.Body); string(body) != "abc" || err != nil {
			t.Errorf("the body is %q, %v", body, err)
		}
		if id, n, w := RequestID(r.Context()), Attempt(r.Context()),
			Self(r.Context()); id != "r1" || n != 2 ||
			w != (Place{Pool: "web", Generation: 7, Slot: 2, Host: "test"}) {
			t.Errorf("the context tells %q, %d, %+v", id, n, w)
		}
		if got := Trace(r.Context()); len(got) != 2 || got["traceparent"] != "00-1-2-01" ||
			got["tracestate"] != "a=1,b=2" {
			t.Errorf("its span is %v", got)
		}
	})
	c := h.open(protocol.Request{
		Flags: protocol.FlagEnd, Method: "PUT", Target: "/a%20b?q=1&q=2", Version: "2", Scheme: "https",
		Host: "example.org", Remote: "192.0.2.1:999",
		Headers: []string{"x-many", "1", "cookie", "a=b", "x-many", "2", "traceparent", "00-1-2-01",
			"tracestate", "a=1", "tracestate", "b=2"}, Body: []byte("abc"), Length: 3,
		TLS: &protocol.TLS{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ServerName: "example.org",
			ALPN: "h2", Client: &protocol.ClientCertificate{Subject: "CN=ada", DER: certificate}},
		Attempt: 2, ID: "r1",
	})
	<-checked
	c.whole()
	if Attempt(context.Background()) != 0 || RequestID(context.Background()) != "" ||
		Self(context.Background()) != (Place{}) || len(Trace(context.Background())) != 0 {
		t.Error("a context of another kind tells something")
	}
}

func TestTargetsOfEveryFormAreTaken(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path+" "+r.URL.Host) })
	for _, c := range []struct{ method, target, want string }{
		{"OPTIONS", "*", "* "},
		{"GET", "http://example.org/x", "/x example.org"},
		{"CONNECT", "example.org:80", " example.org:80"},
		{"GET", "//x/y", "//x/y "},
	} {
		if m := h.open(protocol.Request{Method: c.method, Target: c.target, Flags: protocol.FlagEnd}).whole(); string(
			m.Body) != c.want {
			t.Errorf("%s %s: %q", c.method, c.target, m.Body)
		}
	}
	nonsense := protocol.Request{Method: "GET", Target: "nonsense", Flags: protocol.FlagEnd}
	if m := h.open(nonsense).whole(); m.Status != 400 {
		t.Errorf("a target that is none: %d", m.Status)
	}
}

func TestABodyStreamsUnderItsWindow(t *testing.T) {
	const size = 5 << 20
	sum := make(chan int, 1)
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || r.Trailer.Get("X-Sum") != "ok" || r.ContentLength != -1 {
			t.Errorf("after %d bytes: %v, trailers %v", n, err, r.Trailer)
		}
		sum <- int(n)
	})
	c := h.open(protocol.Request{Method: "POST", Length: -1, Body: make([]byte, 1000)})
	credit := protocol.Credit(h.ready.Window)
	for sent := 1000; sent < size; {
		n := credit.Take(min(size-sent, protocol.MaxData))
		if n == 0 {
			if err := credit.Grant(1, expect[*protocol.Window](c).Bytes); err != nil {
				t.Fatal(err)
			}
			continue
		}
		h.send(&protocol.Data{Stream: c.id, Bytes: make([]byte, n)})
		sent += n
	}
	h.send(&protocol.Data{Stream: c.id, Flags: protocol.FlagEnd, Trailers: []string{"x-sum", "ok"}})
	if n := <-sum; n != size {
		t.Errorf("%d bytes arrived", n)
	}
}

func TestABodyBeyondItsWindowBreaksTheLink(t *testing.T) {
	h := startHost(t, protocol.Hello{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))
	h.awaitReady()
	c := h.open(protocol.Request{Method: "POST", Length: -1})
	for range 5 {
		h.send(&protocol.Data{Stream: c.id, Bytes: make([]byte, protocol.MaxData)})
	}
	var broken *protocol.LinkError
	if err := <-h.gone; !errors.As(err, &broken) {
		t.Errorf("Serve returned %v", err)
	}
	h.in.Close()
	h.out.Close()
}

func TestAResponseWaitsForItsWindow(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 100_000)
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
	c := h.open(protocol.Request{})
	got := append([]byte(nil), expect[*protocol.Response](c).Body...)
	window := protocol.DefaultWindow
	for {
		if window == 0 {
			h.send(&protocol.Window{Stream: c.id, Bytes: 100_000})
			window = 100_000
		}
		m := expect[*protocol.Data](c)
		if window -= len(m.Bytes); window < 0 {
			t.Fatalf("the window is overrun by %d bytes", -window)
		}
		got = append(got, m.Bytes...)
		if m.Flags == last {
			break
		}
	}
	if !bytes.Equal(got, body) {
		t.Errorf("%d bytes came", len(got))
	}
}

func TestTheLimitOfOneFrameIsExact(t *testing.T) {
	for _, size := range []int{0, 1, 65535, 65536} {
		h := newHost(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, size)) })
		if m := h.open(protocol.Request{}).whole(); len(m.Body) != size {
			t.Errorf("%d bytes came instead of %d", len(m.Body), size)
		}
	}
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", 65537)) })
	c := h.open(protocol.Request{})
	if m := expect[*protocol.Response](c); len(m.Body) != 65536 || m.Flags != 0 {
		t.Errorf("the head has %d bytes and flags %d", len(m.Body), m.Flags)
	}
	if m := expect[*protocol.Data](c); len(m.Bytes) != 1 || m.Flags != last {
		t.Errorf("the rest has %d bytes and flags %d", len(m.Bytes), m.Flags)
	}
}

func TestBothDirectionsStreamAtOnce(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 10)
		for {
			n, err := r.Body.Read(buf)
			w.Write(bytes.ToUpper(buf[:n]))
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	})
	c := h.open(protocol.Request{Method: "POST", Length: -1, Body: []byte("a")})
	if m := expect[*protocol.Response](c); string(m.Body) != "A" {
		t.Errorf("%q came", m.Body)
	}
	for _, s := range []string{"b", "c"} {
		h.send(&protocol.Data{Stream: c.id, Bytes: []byte(s)})
		if m := expect[*protocol.Data](c); string(m.Bytes) != strings.ToUpper(s) {
			t.Errorf("%q came", m.Bytes)
		}
	}
	h.send(&protocol.Data{Stream: c.id, Flags: protocol.FlagEnd})
	expect[*protocol.Data](c)
}

func TestAResetEndsContextReadsAndWritesAndStillGetsItsDone(t *testing.T) {
	for code, cause := range map[protocol.ResetCode]error{protocol.ResetCancelled: ErrClientGone,
		protocol.ResetTimeout: ErrTimeout, protocol.ResetDrained: ErrDrained} {
		h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			rc.Flush()
			if _, err := r.Body.Read(make([]byte, 1)); err != cause {
				t.Errorf("Read: %v", err)
			}
			<-r.Context().Done()
			if got := context.Cause(r.Context()); got != cause {
				t.Errorf("the cause is %v", got)
			}
			io.WriteString(w, "in vain")
			if err := rc.Flush(); err != cause {
				t.Errorf("Flush: %v", err)
			}
		})
		c := h.open(protocol.Request{Method: "POST", Length: -1})
		expect[*protocol.Response](c)
		h.send(&protocol.Reset{Stream: c.id, Code: code})
		h.send(&protocol.Data{Stream: c.id, Bytes: []byte("late")})
		expect[*protocol.Done](c)
	}
}

func TestAResetWakesAWriterThatWaitsForItsWindow(t *testing.T) {
	failed := make(chan error, 1)
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write(make([]byte, 1<<20))
		failed <- err
	})
	c := h.open(protocol.Request{})
	expect[*protocol.Response](c)
	for left := protocol.DefaultWindow; left > 0; {
		left -= len(expect[*protocol.Data](c).Bytes)
	}
	h.send(&protocol.Reset{Stream: c.id, Code: protocol.ResetCancelled})
	if err := <-failed; err != ErrClientGone {
		t.Errorf("Write: %v", err)
	}
	expect[*protocol.Done](c)
}

func TestCloseNotifyTellsOfAClientThatLeftAndOfNothingElse(t *testing.T) {
	notices := make(chan (<-chan bool), 2)
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		gone := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		notices <- gone
		if r.URL.Path == "/wait" {
			<-gone
		}
	})
	h.open(protocol.Request{}).whole()
	c := h.open(protocol.Request{Target: "/wait"})
	ended := <-notices
	<-notices
	h.send(&protocol.Reset{Stream: c.id, Code: protocol.ResetCancelled})
	expect[*protocol.Done](c)
	if len(ended) > 0 {
		t.Error("a handler's end counts as its client's")
	}
}

func TestAPanicHarmsItsOwnRequestOnly(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/early":
			w.Header().Set("Content-Length", "99")
			io.WriteString(w, "secret")
			panic("boom")
		case "/late":
			w.(http.Flusher).Flush()
			panic("bang")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
	})
	early := h.open(protocol.Request{Target: "/early"})
	if m := early.whole(); m.Status != 500 || string(m.Body) != "Internal Server Error\n" {
		t.Errorf("RESPONSE is %+v", m)
	}
	entry := h.expectLog("panic: boom")
	if context, err := entry.Context.Decode(); err != nil || entry.Stream != early.id || entry.Level != "error" ||
		!strings.Contains(context.(map[string]any)["stack"].(string), "stream_test.go") {
		t.Errorf("the entry is %+v with %v, %v", entry, context, err)
	}
	late := h.open(protocol.Request{Target: "/late"})
	expect[*protocol.Response](late)
	late.expectReset(protocol.ResetInternal)
	h.expectLog("panic: bang")
	h.open(protocol.Request{Target: "/abort"}).expectReset(protocol.ResetAborted)
	h.open(protocol.Request{}).whole()
	if len(h.link.messages) > 0 {
		t.Errorf("ErrAbortHandler was logged: %+v", h.link.messages)
	}
}

func TestThePageOfAPanicShowsTheTraceInDevelopmentOnly(t *testing.T) {
	h := startHost(t, protocol.Hello{Dev: true}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("boom")
	}))
	h.awaitReady()
	if m := h.open(protocol.Request{}).whole(); m.Status != 500 || !strings.Contains(string(m.Body), "boom") ||
		!strings.Contains(string(m.Body), "stream_test.go") {
		t.Errorf("the page is %s", m.Body)
	}
	h.out.Close()
	<-h.gone
	h.in.Close()
}

func TestAFileIsLeftToTheHost(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-From", "worker")
		ServeFile(wrapped{w}, r, "report.pdf")
	})
	m := h.open(protocol.Request{}).whole()
	here, _ := os.Getwd()
	if m.File != here+"/report.pdf" || len(m.Body) > 0 || strings.Join(m.Headers, " ") != "X-From worker" {
		t.Errorf("RESPONSE is %+v", m)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
}

type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestDeadlinesEndWaits(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.SetReadDeadline(time.Now().Add(-time.Second)), rc.EnableFullDuplex()); err != nil {
			t.Error(err)
		}
		if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		rc.SetReadDeadline(time.Time{})
		if n, err := r.Body.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("Read: %v", err)
		}
		rc.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
		if _, err := w.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
	})
	c := h.open(protocol.Request{Method: "POST", Length: -1, Body: []byte("x")})
	expect[*protocol.Response](c)
	for {
		m := c.take()
		if _, ok := m.(*protocol.Data); ok { // as much as the window or the deadline lets through
			continue
		}
		if m, ok := m.(*protocol.Reset); !ok || m.Code != protocol.ResetInternal {
			t.Errorf("RESET is %+v", m)
		}
		break
	}
	expect[*protocol.Done](c)
}

func TestAWriterThatOutlivesItsHandlerIsRefused(t *testing.T) {
	kept := make(chan http.ResponseWriter, 1)
	body := make(chan io.ReadCloser, 1)
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "x")
		kept <- w
		body <- r.Body
	})
	h.open(protocol.Request{Method: "POST", Length: -1}).whole()
	w := <-kept
	if _, err := w.Write([]byte("y")); err != errReturned {
		t.Errorf("Write: %v", err)
	}
	if err := http.NewResponseController(w).Flush(); err != errReturned {
		t.Errorf("Flush: %v", err)
	}
	if _, err := (<-body).Read(make([]byte, 1)); err != http.ErrBodyReadAfterClose {
		t.Errorf("Read: %v", err)
	}
}

func TestManyRequestsRunAtOnce(t *testing.T) {
	const n = 100
	var all sync.WaitGroup
	all.Add(n)
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		all.Done()
		all.Wait() // only together do they get on
		io.WriteString(w, r.URL.RawQuery)
	})
	calls := make(map[string]*call)
	for i := range n {
		query := strings.Repeat("x", i)
		calls[query] = h.open(protocol.Request{Target: "/?" + query})
	}
	for query, c := range calls {
		if m := c.whole(); string(m.Body) != query {
			t.Errorf("%q came instead of %q", m.Body, query)
		}
	}
}
