package fastcgi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestAScriptLearnsWhatNginxAndCaddyTellIt(t *testing.T) {
	requests := make(chan asked, 1)
	a, _ := newAdapter(t, serveFake(t, answerEach(func(a asked) []byte {
		requests <- a
		return page("X-A: b\r\n\r\nhello")
	})), "app/page.php")
	const target = "http://example.org:8080/app/page.php/more%20info?a=b&c"
	r := httptest.NewRequest("POST", target, strings.NewReader("body"))
	r.RequestURI = "/app/page.php/more%20info?a=b&c"
	r.Header = http.Header{
		"Content-Type": {"text/plain"}, "Content-Length": {"4"}, "X-Twice": {"1", "2"}, "Cookie": {"a=1", "b=2"},
		"Accept": {"*/*"}, "Proxy": {"evil"}, "X_Forged": {"evil"}, "Authorization": {"Basic dXNlcjpwYXNz"},
	}
	var local net.Addr = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8443}
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
	w, aborted := ask(a, r)
	if aborted || w.Code != 200 || w.Body.String() != "hello" || w.Header().Get("X-A") != "b" {
		t.Fatalf("%v %d %q %v", aborted, w.Code, w.Body, w.Header())
	}
	got := <-requests
	want := map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SOFTWARE": "test/1", "REDIRECT_STATUS": "200",
		"REQUEST_METHOD":  "POST",
		"DOCUMENT_ROOT":   a.site.root,
		"SCRIPT_FILENAME": a.site.root + "/app/page.php", "SCRIPT_NAME": "/app/page.php",
		"DOCUMENT_URI": "/app/page.php/more info", "PATH_INFO": "/more info",
		"PATH_TRANSLATED": a.site.root + "/more info",
		"REQUEST_URI":     "/app/page.php/more%20info?a=b&c", "QUERY_STRING": "a=b&c",
		"SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_SCHEME": "http", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "4",
		"SERVER_NAME": "example.org", "SERVER_ADDR": "10.0.0.1", "SERVER_PORT": "8443",
		"REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "1234",
		"HTTP_HOST":    "example.org:8080",
		"HTTP_X_TWICE": "1, 2", "HTTP_COOKIE": "a=1; b=2", "HTTP_ACCEPT": "*/*",
		"HTTP_AUTHORIZATION": "Basic dXNlcjpwYXNz",
	}
	for name, value := range want {
		if got.params[name] != value {
			t.Errorf("%s is %q, not %q", name, got.params[name], value)
		}
	}
	for name, value := range got.params {
		if _, expected := want[name]; !expected {
			t.Errorf("%s is %q, and should not be there", name, value)
		}
	}
	if got.body != "body" {
		t.Errorf("the body came as %q", got.body)
	}
}

// Whatever a server sends, the client gets no answer that it did not give, and the adapter goes on.
func TestAScriptLearnsWhoTheClientIsByItsCertificate(t *testing.T) {
	client := &x509.Certificate{Raw: []byte("der"), SerialNumber: big.NewInt(42),
		Subject: pkix.Name{CommonName: "ada"}, Issuer: pkix.Name{CommonName: "ca"}}
	params := map[string]string{}
	add := func(name, value string) { params[name] = value }
	addClientCertificate(add, &tls.ConnectionState{PeerCertificates: []*x509.Certificate{client}})
	if len(params) > 0 {
		t.Errorf("of one that nobody has verified: %v", params)
	}
	addClientCertificate(add, &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{client}}})
	if want := map[string]string{"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": "CN=ada",
		"SSL_CLIENT_I_DN": "CN=ca", "SSL_CLIENT_M_SERIAL": "2A",
		"SSL_CLIENT_CERT": "-----BEGIN CERTIFICATE-----\nZGVy\n-----END CERTIFICATE-----\n",
	}; !maps.Equal(params, want) {
		t.Errorf("%v, expected %v", params, want)
	}
}

func TestAHostileServerIsSurvived(t *testing.T) {
	long := strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", 400)
	for name, response := range map[string][]byte{
		"nothing":                   {},
		"text":                      []byte("HTTP/1.1 200 OK\r\n\r\n"),
		"zeros":                     make([]byte, 100),
		"an end alone":              end(0),
		"an end that is too short":  appendHeader(nil, typeEnd, 0),
		"an unknown role":           end(3),
		"an end within the head":    append(appendStream(nil, typeStdout, []byte("A: b\r\n")), end(0)...),
		"a head without an end":     appendStream(nil, typeStdout, []byte(long)),
		"a head that is none":       page("<html>\n\nx"),
		"a status that is none":     page("Status: 42\r\n\r\n"),
		"a record of another":       {1, typeStdout, 9, 9, 0, 0, 0, 0},
		"a record that is cut":      {1, typeStdout, 0, 1, 255, 255, 0, 0, 'A'},
		"a body that is broken off": appendStream(nil, typeStdout, []byte("A: b\r\n\r\nhalf")),
	} {
		t.Run(name, func(t *testing.T) {
			a, log := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
				readRequest(c)
				c.Write(response)
			}))
			w, aborted := ask(a, get("/"))
			if begun := name == "a body that is broken off"; aborted != begun || !begun && w.Code != 502 {
				t.Errorf("it was answered: %d %q, aborted %v", w.Code, w.Body, aborted)
			}
			if !strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("the log says %q", log)
			}
		})
	}
}

func TestWhatComesAfterARequestsEndIsNoAnswerToTheNextOne(t *testing.T) {
	a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
		for {
			if _, err := readRequest(c); err != nil {
				return
			}
			c.Write(append(page("A: b\r\n\r\nright"), page("A: b\r\n\r\nforged")...))
		}
	}))
	for range 3 {
		if w, aborted := ask(a, get("/")); aborted || w.Body.String() != "right" {
			t.Fatalf("%v %q", aborted, w.Body)
		}
	}
}

func TestOnlyRequestsThatMayComeTwiceShareAConnection(t *testing.T) {
	var closed atomic.Int32
	a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
		answerEach(func(a asked) []byte { return page(fmt.Sprintf("\r\n%d %v", a.nth, a.keep)) })(c)
		closed.Add(1)
	}))
	for n := 1; n <= 3; n++ {
		if w, _ := ask(a, get("/")); w.Body.String() != fmt.Sprintf("%d true", n) {
			t.Errorf("GET %d: %q", n, w.Body)
		}
	}
	if w, _ := ask(a, httptest.NewRequest("POST", "/", strings.NewReader("x"))); w.Body.String() != "1 false" {
		t.Errorf("POST: %q", w.Body)
	}
	if w, _ := ask(a, get("/")); w.Body.String() != "1 true" {
		t.Errorf("a connection was kept that had a child to itself: %q", w.Body)
	}
}

func TestAConnectionThatEndedWhileItWasKeptHarmsNoRequest(t *testing.T) {
	a, log := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
		readRequest(c)
		c.Write(page("\r\nx"))
	}))
	for range 5 {
		if _, aborted := ask(a, get("/")); aborted {
			t.Fatal("a request was lost")
		}
	}
	if strings.Contains(log.String(), "ERROR") {
		t.Error(log)
	}
}

func TestAChildThatDiesWithASafeRequestCostsOneMoreTry(t *testing.T) {
	for _, c := range []struct {
		method string
		retry  protocol.Retry
		tries  int32
	}{
		{"GET", protocol.RetrySafe, 2}, {"HEAD", protocol.RetryKeyed, 2}, {"GET", protocol.RetryNever, 1},
		{"POST", protocol.RetrySafe, 1}, {"DELETE", protocol.RetrySafe, 1},
	} {
		var tries atomic.Int32
		a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) { readRequest(c); tries.Add(1) }))
		a.retry = c.retry
		if w, _ := ask(a, httptest.NewRequest(c.method, "/", nil)); w.Code != 502 || tries.Load() != c.tries {
			t.Errorf("%s: %d tries, %d", c.method, tries.Load(), w.Code)
		}
	}
	var tries atomic.Int32
	a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
		if readRequest(c); tries.Add(1) == 2 {
			c.Write(page("\r\nsecond"))
		}
	}))
	if w, aborted := ask(a, get("/")); aborted || w.Body.String() != "second" {
		t.Errorf("%v %q", aborted, w.Body)
	}
}

// So that there are never more requests at hand than children.
func TestARequestWhoseClientLeftLastsAsLongAsItsChild(t *testing.T) {
	began, refused, ended := make(chan struct{}), make(chan error, 1), make(chan struct{})
	a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
		readRequest(c)
		close(began)
		var err error
		for err == nil {
			_, err = c.Write(appendStream(nil, typeStdout, []byte("X: y\r\n")))
			time.Sleep(time.Millisecond)
		}
		refused <- err
		<-ended
	}))
	ctx, leave := context.WithCancel(t.Context())
	answered := make(chan struct{})
	go func() {
		ask(a, get("/").WithContext(ctx))
		close(answered)
	}()
	<-began
	leave()
	if err := <-refused; err == nil {
		t.Error("the child could write on")
	}
	if canWaitForServers {
		select {
		case <-answered:
			t.Error("the request was over before its child was")
		case <-time.After(100 * time.Millisecond):
		}
	}
	close(ended)
	<-answered
}

// As PHP does: it reads what is left, and waits for the end of it, before it closes a connection.
func TestAChildThatWaitsForTheClientsEndIsDone(t *testing.T) {
	for name, body := range map[string]string{"GET": "", "POST": "body"} {
		began, drained := make(chan struct{}), make(chan struct{})
		a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
			defer close(drained)
			content, h := []byte(nil), [headerSize]byte{}
			for h[1] != typeParams || len(content) > 0 { // the end of the body is left
				io.ReadFull(c, h[:])
				content = make([]byte, binary.BigEndian.Uint16(h[4:]))
				io.ReadFull(c, content)
			}
			if body != "" {
				io.ReadFull(c, make([]byte, headerSize+len(body)))
			}
			close(began)
			for err := error(nil); err == nil; {
				_, err = c.Write(appendStream(nil, typeStdout, []byte("X: y\r\n")))
				time.Sleep(time.Millisecond)
			}
			c.CloseWrite()
			io.Copy(io.Discard, c)
		}))
		ctx, leave := context.WithCancel(t.Context())
		answered := make(chan struct{})
		go func() {
			ask(a, httptest.NewRequest(name, "/", strings.NewReader(body)).WithContext(ctx))
			close(answered)
		}()
		<-began
		leave()
		<-answered
		<-drained
	}
}

func TestABodyThatWillNotComeLeavesNoChildWaiting(t *testing.T) {
	began := make(chan struct{})
	read := make(chan struct{})
	a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
		close(began)
		io.Copy(io.Discard, c)
		close(read)
	}))
	ctx, leave := context.WithCancel(t.Context())
	body, stays := io.Pipe()
	defer stays.Close()
	go func() { <-began; leave() }()
	r := httptest.NewRequest("POST", "/", body).WithContext(ctx)
	r.ContentLength = 100
	ask(a, r)
	<-read
}

// Scripts that send files leave a line end behind ?> as often as not, and no client of nginx has seen it.
func TestWhatGoesBeyondTheContentLengthIsDropped(t *testing.T) {
	a, log := newAdapter(t, serveFake(t, answerEach(func(asked) []byte {
		return page("Content-Length: 4\r\n\r\nfile\nand more")
	})))
	server := httptest.NewServer(a)
	defer server.Close()
	r, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err != nil || string(b) != "file" {
		t.Errorf("%q, %v", b, err)
	}
	if !strings.Contains(log.String(), "level=WARN") || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the log says %q", log)
	}
}

// PHP reads each record by itself.
func TestNoParameterLiesInTwoRecords(t *testing.T) {
	type seen struct {
		asked
		whole bool
	}
	requests := make(chan seen, 1)
	a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
		var stream bytes.Buffer
		got, err := readRequest(io.TeeReader(c, &stream))
		if err != nil {
			return // a connection that asked nothing
		}
		requests <- seen{got, paramsLieWhole(stream.Bytes())}
		c.Write(page("\r\nx"))
	}))
	long := "/index.php/" + strings.Repeat("q", 30000)
	w, aborted := ask(a, get(long))
	if aborted || w.Body.String() != "x" {
		t.Fatalf("%v %d %q", aborted, w.Code, w.Body)
	}
	if got := <-requests; !got.whole || got.params["REQUEST_URI"] != long {
		t.Errorf("whole %v, %d bytes of a URI", got.whole, len(got.params["REQUEST_URI"]))
	}
	r := get("/")
	r.Header["Cookie"] = []string{strings.Repeat("a", 40000), strings.Repeat("b", 40000)}
	if w, aborted := ask(a, r); aborted || w.Code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("more than a record holds: %v %d", aborted, w.Code)
	}
}

// paramsLieWhole says whether each name and value of the PARAMS records in stream lies in one of them.
func paramsLieWhole(stream []byte) bool {
	for len(stream) > 0 {
		kind, size := stream[1], int(binary.BigEndian.Uint16(stream[4:]))
		content := stream[headerSize : headerSize+size]
		stream = stream[headerSize+size:]
		for kind == typeParams && len(content) > 0 {
			pair := take1(&content)
			pair += take1(&content)
			if pair > len(content) {
				return false
			}
			content = content[pair:]
		}
	}
	return true
}

func TestAnUploadThatNobodyReadsEndsWithTheAnswer(t *testing.T) {
	a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
		io.ReadFull(c, make([]byte, 16))
		c.Write(page("Status: 413\r\n\r\ntoo much"))
	}))
	body := bytes.NewReader(make([]byte, 8<<20))
	if w, aborted := ask(a, httptest.NewRequest("POST", "/", body)); aborted || w.Code != 413 {
		t.Errorf("%v %d", aborted, w.Code)
	}
}

func TestAResponseIsHandedOnAsItComes(t *testing.T) {
	next := make(chan string)
	a, _ := newAdapter(t, serveFake(t, func(c *net.UnixConn) {
		readRequest(c)
		for text := range next {
			c.Write(appendStream(nil, typeStdout, []byte(text)))
		}
		c.Write(end(0))
	}))
	server := httptest.NewServer(a)
	defer server.Close()
	go func() { next <- "Content-Type: text/event-stream\r\n\r\nfirst" }()
	r, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b := make([]byte, 16)
	for _, text := range []string{"first", "second"} {
		if n, err := io.ReadAtLeast(r.Body, b, len(text)); err != nil || string(b[:n]) != text {
			t.Fatalf("%q, %v", b[:n], err)
		}
		if text == "first" {
			next <- "second"
		}
	}
	close(next)
	if rest, err := io.ReadAll(r.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestWhatPHPSaysOfARequestIsLoggedWithIt(t *testing.T) {
	a, log := newAdapter(t, serveFake(t, answerEach(func(asked) []byte {
		const first = "PHP message: PHP Warning:  one; PHP message: two\nlines\nPHP message: PHP Fatal err"
		b := appendStream(nil, typeStderr, []byte(first))
		b = append(b, appendStream(nil, typeStderr, []byte("or:  three; PHP message: [critical] four; PHP message: "+
			"PHP Fatal error:  Uncaught five in /a.php:1\nStack trace:\n#0 {main}\n  thrown in /a.php on line 1"))...)
		return append(b, page("\r\nx")...)
	})))
	ask(a, get("/"))
	for _, want := range []string{
		`level=WARN msg="PHP Warning:  one"`, `level=INFO msg="two\nlines"`,
		`level=ERROR msg="PHP Fatal error:  three"`, `level=ERROR msg="[critical] four"`,
		`msg="PHP Fatal error:  Uncaught five in /a.php:1" trace="Stack trace:\n#0 {main}\n  thrown in /a.php on line 1"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
}

func TestAPathThatLeadsToNoScriptIsAnsweredHere(t *testing.T) {
	a, _ := newAdapter(t, Address{"unix", "/nonexistent"}, "admin/index.php", "uploads/x.php")
	for target, want := range map[string]string{
		"/admin?a=b": "301 /admin/?a=b", "/uploads/x.php": "403 ", "/%00": "400 ",
	} {
		w, _ := ask(a, &http.Request{Method: "GET", RequestURI: target, URL: get("/?a=b").URL, Body: http.NoBody})
		if got := fmt.Sprintf("%d %s", w.Code, w.Header().Get("Location")); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
	r := httptest.NewRequest("POST", "/", nil)
	r.ContentLength = -1
	if w, _ := ask(a, r); w.Code != http.StatusLengthRequired {
		t.Errorf("a body of no known length: %d", w.Code)
	}
	var gone *net.OpError
	if err := a.probe(t.Context(), ""); !errors.Is(err, errNoServer) || !errors.As(err, &gone) {
		t.Errorf("the probe says %v", err)
	}
}
