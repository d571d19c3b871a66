package sdk

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ofTunnel is a request that asks for a WebSocket.
var ofTunnel = protocol.Request{Method: "GET", Flags: protocol.FlagEnd, Remote: "192.0.2.1:5", Local: "192.0.2.2:80",
	Headers: []string{"Sec-Websocket-Key", "k"}, Tunnel: protocol.TunnelWebSocket}

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: yes\r\n\r\n"

// tunnelHost has a handler that hijacks.
func tunnelHost(t *testing.T, work func(c net.Conn, rw *bufio.ReadWriter), opts ...Option) (*fakeHost, *call) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Connection") != "Upgrade" {
			t.Errorf("the handler got %v", r.Header)
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		work(c, rw)
	}, opts...)
	return h, h.open(ofTunnel)
}

func (c *call) data(flags protocol.Flags, p string) {
	c.h.send(&protocol.Data{Stream: c.id, Flags: flags, Bytes: []byte(p)})
}

func TestAHijackedConnectionSpeaksByHand(t *testing.T) {
	_, c := tunnelHost(t, func(c net.Conn, rw *bufio.ReadWriter) {
		if c.LocalAddr().String() != "192.0.2.2:80" || c.RemoteAddr().String() != "192.0.2.1:5" {
			t.Errorf("from %v to %v", c.RemoteAddr(), c.LocalAddr())
		}
		for i := range len(switching) { // byte by byte, and bytes of the tunnel behind it
			p := switching[i : i+1]
			if i == len(switching)-1 {
				p += "first"
			}
			if n, err := io.WriteString(c, p); n != len(p) || err != nil {
				t.Error(n, err)
			}
		}
		line, err := rw.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		rw.WriteString("got " + line)
		rw.Flush()
		if _, err := rw.ReadByte(); err != io.EOF {
			t.Error(err)
		}
		io.WriteString(c, "bye")
		c.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	want := []string{"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Accept", "yes"}
	if m := expect[*protocol.Response](c); m.Status != 101 || m.Flags != 0 || !slices.Equal(m.Headers, want) ||
		string(m.Body) != "first" {
		t.Fatalf("%+v", m)
	}
	c.data(0, "hel")
	c.data(0, "lo\n")
	if m := expect[*protocol.Data](c); string(m.Bytes) != "got hello\n" {
		t.Fatalf("%q", m.Bytes)
	}
	c.data(protocol.FlagEnd, "")
	if m := expect[*protocol.Data](c); string(m.Bytes) != "bye" {
		t.Fatalf("%q", m.Bytes)
	}
	if m := expect[*protocol.Data](c); m.Flags != protocol.FlagEnd || len(m.Bytes) != 0 {
		t.Fatalf("%+v", m)
	}
	expect[*protocol.Done](c)
}

// As coder/websocket does it.
func TestWriteHeader101BeforeHijackIsTheAnswer(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Sec-WebSocket-Accept", "yes")
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := w.Write([]byte("x")); err != http.ErrHijacked {
			t.Error(err)
		}
		if _, _, err := w.(http.Hijacker).Hijack(); err != http.ErrHijacked {
			t.Error(err)
		}
		io.WriteString(c, "hi")
		c.Close()
	})
	c := h.open(ofTunnel)
	if m := expect[*protocol.Response](c); m.Status != 101 ||
		!slices.Equal(m.Headers, []string{"Sec-Websocket-Accept", "yes"}) {
		t.Fatalf("%+v", m)
	}
	if m := expect[*protocol.Data](c); string(m.Bytes) != "hi" {
		t.Fatalf("%q", m.Bytes)
	}
	expect[*protocol.Data](c)
	expect[*protocol.Done](c)
}

// As in gorilla's example of a chat: goroutines of the program's have the connection when its handler has returned.
func TestAHijackedConnectionOutlivesItsHandler(t *testing.T) {
	conns := make(chan net.Conn, 1)
	h, c := tunnelHost(t, func(c net.Conn, _ *bufio.ReadWriter) {
		io.WriteString(c, switching)
		conns <- c
	}, WithConcurrency(1))
	expect[*protocol.Response](c)
	k := <-conns
	c.data(0, "ping")
	p := make([]byte, 4)
	if _, err := io.ReadFull(k, p); err != nil || string(p) != "ping" {
		t.Fatal(string(p), err)
	}
	second := h.open(ofTunnel) // it takes no room
	expect[*protocol.Response](second)
	h.send(&protocol.Drain{})
	io.WriteString(k, "pong")
	if m := expect[*protocol.Data](c); string(m.Bytes) != "pong" {
		t.Fatalf("%q", m.Bytes)
	}
	k.Close()
	expect[*protocol.Data](c)
	expect[*protocol.Done](c)
	(<-conns).Close()
	expect[*protocol.Data](second)
	expect[*protocol.Done](second)
	if err := <-h.gone; err != nil { // nothing is left, and it drains
		t.Fatal(err)
	}
	h.gone <- nil
}

func TestAHijackedConnectionHasDeadlines(t *testing.T) {
	done := make(chan struct{})
	_, c := tunnelHost(t, func(c net.Conn, _ *bufio.ReadWriter) {
		defer close(done)
		defer c.Close()
		io.WriteString(c, switching)
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Error(err)
		}
		c.SetDeadline(time.Time{})
		c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		n, err := c.Write(make([]byte, 1<<20)) // the host grants nothing
		if !errors.Is(err, os.ErrDeadlineExceeded) || n != protocol.DefaultWindow {
			t.Error(n, err)
		}
	})
	expect[*protocol.Response](c)
	<-done
}

// Close wakes who reads and who writes.
func TestClosingAHijackedConnectionWakesItsUsers(t *testing.T) {
	ended := make(chan error, 2)
	_, c := tunnelHost(t, func(c net.Conn, _ *bufio.ReadWriter) {
		io.WriteString(c, switching)
		go func() { _, err := c.Read(make([]byte, 1)); ended <- err }()
		go func() { _, err := c.Write(make([]byte, 1<<20)); ended <- err }()
		time.Sleep(10 * time.Millisecond)
		c.Close()
	})
	expect[*protocol.Response](c)
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestAHijackedConnectionEndsWithItsStream(t *testing.T) {
	for code, want := range map[protocol.ResetCode]error{
		protocol.ResetCancelled: ErrClientGone, protocol.ResetDrained: ErrDrained,
	} {
		ended := make(chan error, 1)
		h, c := tunnelHost(t, func(c net.Conn, _ *bufio.ReadWriter) {
			io.WriteString(c, switching)
			go func() {
				_, err := c.Read(make([]byte, 1))
				if _, werr := c.Write([]byte("x")); werr == nil {
					err = errors.New("it still writes")
				}
				c.Close()
				ended <- err
			}()
		})
		expect[*protocol.Response](c)
		h.send(&protocol.Reset{Stream: c.id, Code: code})
		if err := <-ended; !errors.Is(err, want) {
			t.Errorf("%v, not %v", err, want)
		}
		expect[*protocol.Done](c)
		h.send(&protocol.Drain{})
		if err := <-h.gone; err != nil { // nothing is left of it that would keep the worker
			t.Error(err)
		}
		h.gone <- nil
	}
}

func TestAnAnswerByHandThatIsNo101(t *testing.T) {
	for name, c := range map[string]struct {
		said string
		want string // status and body, or the RESET's code
	}{
		"whole":   {"HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 2\r\n\r\nno", "403 no"},
		"chunked": {"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", "400 no"},
		"to eof":  {"HTTP/1.0 500 X\r\n\r\nno", "500 no"},
		"cut off": {"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno", "INTERNAL"},
		"garbage": {"hello", "INTERNAL"},
		"informs": {"HTTP/1.1 103 Early Hints\r\n\r\n", "INTERNAL"},
		"nothing": {"", "ABORTED"},
	} {
		t.Run(name, func(t *testing.T) {
			h, call := tunnelHost(t, func(k net.Conn, _ *bufio.ReadWriter) {
				io.WriteString(k, c.said)
				k.Close()
			})
			switch m := call.take().(type) {
			case *protocol.Response:
				if got := strconv.Itoa(m.Status) + " " + string(m.Body); got != c.want || m.Flags != protocol.FlagEnd {
					t.Errorf("%+v", m)
				}
			case *protocol.Reset:
				if m.Code.String() != c.want {
					t.Errorf("%+v", m)
				}
				if c.want == "INTERNAL" {
					h.expectLog("hijacked connection")
				}
			}
			expect[*protocol.Done](call)
		})
	}
}

func TestAnAnswerByHandHasALimit(t *testing.T) {
	_, c := tunnelHost(t, func(c net.Conn, _ *bufio.ReadWriter) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		if _, err := c.Write(make([]byte, mostByHand)); !errors.Is(err, errByHand) {
			t.Error(err)
		}
		io.WriteString(c, "short")
		c.Close()
	})
	if m := expect[*protocol.Response](c); string(m.Body) != "short" {
		t.Errorf("%+v", m)
	}
	expect[*protocol.Done](c)
}

func TestWhatCanNotBeHijacked(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			w.WriteHeader(200)
		}
		_, _, err := w.(http.Hijacker).Hijack()
		if errors.Is(err, http.ErrNotSupported) {
			io.WriteString(w, "not supported: ")
		}
		io.WriteString(w, err.Error())
	})
	if m := h.open(protocol.Request{}).whole(); !strings.Contains(string(m.Body), "not supported: sdk: ") {
		t.Errorf("%s", m.Body)
	}
	late := ofTunnel
	late.Target = "/late"
	if m := h.open(late).whole(); !strings.Contains(string(m.Body), "begun, with status 200") {
		t.Errorf("%s", m.Body)
	}
}

func TestStatus101WithoutHijackIsAFault(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(101)
		w.Write([]byte("x"))
		w.(http.Flusher).Flush()
	})
	if m := h.open(ofTunnel).whole(); m.Status != 500 {
		t.Errorf("%+v", m)
	}
	h.expectLog("without Hijack")
}

func TestAHandlerThatPanicsLosesItsHijackedConnection(t *testing.T) {
	h, c := tunnelHost(t, func(c net.Conn, _ *bufio.ReadWriter) {
		io.WriteString(c, switching)
		panic("oh")
	})
	expect[*protocol.Response](c)
	if m := expect[*protocol.Data](c); m.Flags != protocol.FlagEnd {
		t.Errorf("%+v", m)
	}
	expect[*protocol.Done](c)
	h.expectLog("panic: oh")
}

// Whatever is said by hand: what counts as a 101 here is one for net/http, too, with the same fields.
func FuzzHeadsByHand(f *testing.F) {
	f.Add([]byte(switching))
	f.Add([]byte("HTTP/1.1 101\r\nA:b\r\nA: c \r\n\r\nrest"))
	f.Add([]byte("HTTP/1.0 403 No\r\nContent-Length: 2\r\n\r\nno"))
	f.Add([]byte("HTTP/1.1 101 X\r\nA : b\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 101 X\r\nA: b\r\n c\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		status, pairs, size, err := parseHead(b)
		_, _ = parseAnswer(b)
		if err != nil {
			return
		}
		if size > len(b) || !bytes.HasSuffix(b[:size], []byte("\r\n\r\n")) || protocol.CheckHeaders(pairs) != nil {
			t.Fatalf("%d bytes, %q", size, pairs)
		}
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil || status != 101 {
			return
		}
		if r.StatusCode != 101 {
			t.Fatalf("%d, not 101", r.StatusCode)
		}
		for i := 0; i < len(pairs); i += 2 {
			name := http.CanonicalHeaderKey(pairs[i])
			if name != "Content-Length" && name != "Transfer-Encoding" && name != "Trailer" &&
				!slices.Contains(r.Header[name], pairs[i+1]) {
				t.Fatalf("%s: %q, not %q", name, pairs[i+1], r.Header[name])
			}
		}
	})
}
