package listen

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// halfClosers are clients that say nothing more after their request.
var halfClosers = map[string]string{
	"GET 1.1":       "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET 1.0":       "GET / HTTP/1.0\r\n\r\n",
	"GET 1.0, kept": "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"POST 1.1":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
	"POST 1.0":      "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
	"chunked":       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"two at once":   "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
}

func TestAClientThatClosesItsSendingHalfGetsItsResponse(t *testing.T) {
	for _, whole := range []bool{true, false} {
		for _, secure := range []bool{false, true} {
			name := fmt.Sprintf("whole %v, TLS %v", whole, secure)
			t.Run(name, func(t *testing.T) { answerHalfClosers(t, whole, secure) })
		}
	}
}

func answerHalfClosers(t *testing.T, whole, secure bool) {
	changes := []func(*Options){}
	if secure {
		changes = append(changes, withTLS(t))
	}
	asked, answer := make(chan struct{}, 2), make(chan struct{}, 2)
	h := start(t, func(c *call) {
		c.readAll()
		asked <- struct{}{}
		<-answer
		c.respond(0, 200, nil, "Hello, ")
		<-answer
		c.data([]byte("World!"), true)
	}, changes...)
	h.backend.traits.WholeBody = whole
	defer close(answer)
	for name, request := range halfClosers {
		c := h.dial()
		if secure {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "one.test"})
		}
		io.WriteString(c, request)
		c.(interface{ CloseWrite() error }).CloseWrite()
		in := bufio.NewReader(c)
		for range strings.Count(request, "HTTP/") {
			select {
			case <-asked:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: no worker was asked", name)
			}
			answer <- struct{}{}
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			answer <- struct{}{}
			if b, err := io.ReadAll(resp.Body); string(b) != "Hello, World!" {
				t.Errorf("%s: %q %v", name, b, err)
			}
		}
		if more, err := in.ReadByte(); err != io.EOF {
			t.Errorf("%s: then %d %v", name, more, err)
		}
	}
}

func TestAClientThatGoesLaterHasLeft(t *testing.T) {
	takesTime(t)
	told := make(chan struct{})
	h := start(t, func(c *call) {
		c.readAll()
		<-c.gone
		told <- struct{}{}
	})
	names := []string{"GET 1.1", "GET 1.0", "POST 1.1", "chunked"}
	for _, name := range names {
		c := h.dial()
		io.WriteString(c, halfClosers[name])
		time.AfterFunc(halfCloseTime+100*time.Millisecond, func() { c.Close() })
	}
	for range names {
		<-told
	}
}

func TestAClientThatIsResetAfterItsFinHasLeft(t *testing.T) {
	h := start(t, func(c *call) {
		c.respond(0, 200, nil, "x")
		<-c.gone // what it wrote comes back as a RST
		c.fail(protocol.FailedCancelled)
	})
	c := h.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.Close()
	h.backend.busy.Wait()
}

func TestHalfARequestIsNotAwaited(t *testing.T) {
	h := start(t, echo)
	h.backend.traits.WholeBody = true
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		c := h.dial()
		io.WriteString(c, request)
		c.(*net.TCPConn).CloseWrite()
		if b, err := io.ReadAll(c); strings.Contains(string(b), " 200 ") || err != nil {
			t.Errorf("%q: %q %v", request, b, err)
		}
	}
}

// A client whose body is not all there keeps us from reading on once we have closed behind our answer.
func TestAnAnswerBeforeTheEndOfABodyBreaksNoHandler(t *testing.T) {
	takesTime(t)
	h := start(t, hello)
	for _, leaves := range []bool{false, true} {
		for range 10 {
			c := h.dial()
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
			in := bufio.NewReader(c)
			if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			if leaves {
				c.Close()
			}
		}
	}
	for h.clients.count() > 0 {
		time.Sleep(time.Millisecond)
	}
	if log := h.logged.String(); strings.Contains(log, "panic") {
		t.Error(log)
	}
}
