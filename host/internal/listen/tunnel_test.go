package listen

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

const anAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" // that of aKey

// startTunnels serves requests with a worker that speaks WebSockets itself.
func startTunnels(t *testing.T, work func(c *call), change ...func(*Options)) *lines {
	h := start(t, work, append([]func(*Options){func(o *Options) {
		o.Backend.(*fake).traits = protocol.Traits{Pool: "web", Tunnel: true, Spool: true}
		o.Sockets = peer.DefaultSocketLimits()
		o.RequestID = "X-Request-Id"
	}}, change...)...)
	return &lines{house: h}
}

// switches answers with 101 and the first bytes.
func (c *call) switches(first string, headers ...string) {
	c.mu.Lock()
	c.complete = false
	c.mu.Unlock()
	c.respond(0, 101, append([]string{"Sec-WebSocket-Accept", anAccept}, headers...), first)
}

// repeats sends back what comes, until the client's end.
func repeats(c *call) {
	c.switches("")
	for {
		p, end := c.read()
		if !c.data(p, end) || end {
			return
		}
	}
}

// A client's bytes and a worker's, however many, and over TLS as well; no limit of a body counts for them.
func TestATunnelPassesBytesBothWays(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for name, change := range map[string][]func(*Options){
		"cleartext": nil,
		"TLS":       {withTLS(t)},
	} {
		t.Run(name, func(t *testing.T) {
			access, logged := withAccess(t, "access.json")
			asked := make(chan *call, 1)
			l := startTunnels(t, func(c *call) {
				asked <- c
				c.switches("hi", "Sec-WebSocket-Protocol", "chat", "Connection", "X-Hop", "X-Hop", "1", "X-App", "2")
				for {
					p, end := c.read()
					if !c.data(p, end) || end {
						return
					}
				}
			}, append(change, access, func(o *Options) {
				o.Limits.MaxBody, o.Limits.ReadTimeout = 10, 50*time.Millisecond
			})...)
			k := l.call("X-Request-Id", "abc", "Sec-WebSocket-Protocol", "chat", "Sec-WebSocket-Extensions", "x")
			if got := k.upgraded(); got != "websocket Upgrade "+anAccept {
				t.Error(got)
			}
			if h := k.head.Header; h.Get("X-Request-Id") != "abc" || h.Get("Sec-Websocket-Protocol") != "chat" ||
				h.Get("X-App") != "2" || len(h["Connection"]) != 1 {
				t.Errorf("the answer has %v", h)
			}
			c := <-asked
			if r := c.request; c.repeatable || r.Tunnel != "websocket" || r.Flags != protocol.FlagEnd ||
				c.header("Upgrade") != "" ||
				c.header("Sec-Websocket-Key") != aKey || c.header("Sec-Websocket-Extensions") != "x" {
				t.Errorf("the worker got %+v", c.request)
			}
			time.Sleep(100 * time.Millisecond) // more than read_timeout
			go func() {
				k.Write(big)
				k.Conn.(interface{ CloseWrite() error }).CloseWrite()
			}()
			got, err := io.ReadAll(k.in)
			if err != nil || string(got) != "hi"+string(big) {
				t.Fatalf("%d bytes and %v came back", len(got), err)
			}
			k.Close()
			l.Close()
			if all := logged(); len(all) != 1 || !strings.Contains(all[0], `"status":101,`) ||
				!strings.Contains(all[0], `"bytes_in":1048576,`) || !strings.Contains(all[0], `"bytes_out":1048578,`) {
				t.Errorf("the access log has %q", all)
			}
		})
	}
}

func TestWhatIsNoHandshakeIsNoTunnel(t *testing.T) {
	offered := make(chan string, 1)
	l := startTunnels(t, func(c *call) {
		offered <- c.request.Tunnel
		hello(c)
	})
	for name, headers := range map[string][]string{
		"POST":            {"", "POST / HTTP/1.1", "Content-Length", "0"},
		"HTTP/1.0":        {"", "GET / HTTP/1.0"},
		"another upgrade": {"Upgrade", "h2c"},
		"no Connection":   {"Connection", "keep-alive"},
	} {
		k := l.knock(headers...)
		if got := <-offered; got != "" || k.head.StatusCode != 200 {
			t.Errorf("%s: offered %q, %s", name, got, k.head.Status)
		}
	}
	got := l.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n" +
		"Content-Length: 1\r\n\r\nx")
	if offer := <-offered; offer != "" || statusLine(got) != "HTTP/1.1 200 OK" {
		t.Errorf("a body: offered %q, %s", offer, got)
	}
	l.backend.traits.Tunnel = false // which the next request finds, since it comes later
	k := l.knock()
	if got := <-offered; got != "" || k.head.StatusCode != 200 {
		t.Errorf("without the feature: offered %q, %s", got, k.head.Status)
	}
}

// A worker need not take the tunnel, and what it says of one has to be right.
func TestAnAnswerThatMakesNoTunnel(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(c *call)
		status int
	}{
		"a refusal":     {func(c *call) { c.whole(403, "no") }, 403},
		"no accept":     {func(c *call) { c.respond(0, 101, nil, "") }, 502},
		"wrong accept":  {func(c *call) { c.respond(0, 101, []string{"Sec-WebSocket-Accept", aKey}, "") }, 502},
		"its end":       {func(c *call) { c.whole(101, "", "Sec-WebSocket-Accept", anAccept) }, 502},
		"a bad header":  {func(c *call) { c.switches("", "X\n", "1") }, 502},
		"no answer":     {func(c *call) { c.fail(protocol.FailedDied) }, 502},
		"other upgrade": {func(c *call) { c.respond(0, 102, nil, "") }, 502},
	} {
		t.Run(name, func(t *testing.T) {
			l := startTunnels(t, c.answer)
			if k := l.knock(); k.head.StatusCode != c.status {
				t.Error(k.head.Status)
			}
			if n := l.web.Tunnels(); n != 0 {
				t.Error(n)
			}
		})
	}
}

func TestATunnelsClientThatLeavesCancelsIt(t *testing.T) {
	ended := make(chan struct{})
	l := startTunnels(t, func(c *call) {
		c.switches("")
		<-c.gone
		close(ended)
	})
	k := l.call()
	hangUp(k.Conn)
	<-ended
}

func TestAHalfClosedClientStillListens(t *testing.T) {
	l := startTunnels(t, func(c *call) {
		c.switches("")
		for end := false; !end; {
			_, end = c.read()
		}
		c.data([]byte("last words"), true)
	})
	k := l.call()
	k.Conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(k.in); string(got) != "last words" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
}

// No more than a window waits anywhere, and nothing goes to disk.
func TestASlowClientSlowsItsTunnelsWorker(t *testing.T) {
	sent := make(chan int, 1)
	l := startTunnels(t, func(c *call) {
		c.switches("")
		c.mu.Lock()
		had := c.allowance
		c.mu.Unlock()
		go func() {
			for range 40 { // until it makes no progress
				time.Sleep(50 * time.Millisecond)
				c.mu.Lock()
				stuck := c.allowance == 0
				c.mu.Unlock()
				if stuck {
					break
				}
			}
			sent <- had
		}()
		c.data(make([]byte, 8<<20), true)
	})
	k := l.call()
	<-sent
	if used := l.options.Spool.Used(); used != 0 {
		t.Errorf("%d bytes went to the spool", used)
	}
	if n, err := io.Copy(io.Discard, k.in); n != 8<<20 || err != nil {
		t.Fatal(n, err)
	}
}

func TestASlowWorkerSlowsItsTunnelsClient(t *testing.T) {
	proceed, most := make(chan struct{}), make(chan int, 1)
	l := startTunnels(t, func(c *call) {
		c.switches("")
		<-proceed
		n := 0
		for end := false; !end; {
			var p []byte
			p, end = c.read()
			n += len(p)
		}
		c.mu.Lock()
		most <- c.most
		c.mu.Unlock()
		if n != 8<<20 {
			t.Errorf("%d bytes came", n)
		}
	})
	k := l.call()
	wrote := make(chan error, 1)
	go func() {
		_, err := k.Write(make([]byte, 8<<20))
		k.Conn.(*net.TCPConn).CloseWrite()
		wrote <- err
	}()
	select {
	case <-wrote:
		t.Error("all of it was taken while the worker read nothing")
	case <-time.After(200 * time.Millisecond):
	}
	close(proceed)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if n := <-most; n > protocol.DefaultWindow {
		t.Errorf("%d bytes lay at the worker", n)
	}
}

// The host says 1012 where a frame ends, nothing after it, and passes on what the client answers.
func TestATunnelTakesLeaveBetweenFrames(t *testing.T) {
	answered := make(chan []byte, 1)
	l := startTunnels(t, func(c *call) {
		c.switches("\x81\x05He")
		c.leaves(0)
		time.Sleep(50 * time.Millisecond)
		c.data([]byte("llo\x81\x02no"), false)
		c.data([]byte("\x81\x02no"), false)
		var all []byte
		for end := false; !end; {
			var p []byte
			p, end = c.read()
			all = append(all, p...)
		}
		answered <- all
		c.data([]byte("\x81\x02no"), true)
	})
	k := l.call()
	k.expect(0x81, []byte("Hello"))
	if why := k.expectClose(protocol.CloseRestart); why == "" {
		t.Error("no reason")
	}
	k.send([]byte("answer"))
	k.Conn.(*net.TCPConn).CloseWrite()
	k.expectEnd()
	if got := <-answered; string(got) != "answer" {
		t.Errorf("the worker heard %q", got)
	}
	if text := l.logged.String(); strings.Count(text, "end with it, at drain_timeout") != 1 {
		t.Error(text)
	}
}

// A close frame of the worker's own is the last: the host says nothing behind it.
func TestATunnelThatCloses(t *testing.T) {
	l := startTunnels(t, func(c *call) {
		c.switches("\x88\x02\x03\xe8")
		c.leaves(0)
		time.Sleep(50 * time.Millisecond)
		c.data(nil, true)
	})
	k := l.call()
	k.expectClose(protocol.CloseNormal)
	k.expectEnd()
}

// Who does not answer the leave is cut.
func TestATunnelThatDoesNotHeedItsLeaveIsCut(t *testing.T) {
	takesTime(t)
	l := startTunnels(t, func(c *call) {
		c.switches("")
		c.leaves(0)
		<-c.gone
	})
	k := l.call()
	k.expectClose(protocol.CloseRestart)
	k.expectEnd()
}

func TestATunnelEndsWithItsWorker(t *testing.T) {
	for kind, code := range map[protocol.FailureKind]int{
		protocol.FailedDrained: protocol.CloseRestart, protocol.FailedDied: 0,
	} {
		l := startTunnels(t, func(c *call) {
			c.switches("\x81\x02hi")
			time.Sleep(10 * time.Millisecond)
			c.fail(kind)
		})
		k := l.call()
		k.expect(0x81, []byte("hi"))
		if code != 0 {
			k.expectClose(code)
		}
		k.expectEnd()
	}
}

func TestAnIdleTunnelCloses(t *testing.T) {
	l := startTunnels(t, repeats, func(o *Options) { o.Sockets.IdleTimeout = 200 * time.Millisecond })
	k := l.call()
	began := time.Now()
	for range 6 { // it is not idle as long as something goes
		time.Sleep(50 * time.Millisecond)
		k.send([]byte("\x81\x02hi"))
		k.expect(0x81, []byte("hi"))
	}
	k.expectClose(protocol.CloseGoing)
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Error(took)
	}
}

func TestAListenerThatEndsTakesLeaveOfItsTunnels(t *testing.T) {
	l := startTunnels(t, repeats, func(o *Options) { o.Sockets.ShutdownSpread = 100 * time.Millisecond })
	k := l.call()
	ended := make(chan error, 1)
	go func() { ended <- l.Shutdown(context.Background()) }()
	k.expectClose(protocol.CloseGoing)
	select {
	case <-ended:
		t.Error("it did not wait for the client's answer")
	case <-time.After(50 * time.Millisecond):
	}
	k.Conn.(*net.TCPConn).CloseWrite()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// It may become one after the listener has begun to end, and is told so.
func TestAListenerThatEndsAwaitsTheTunnelOfAHandshakeInFlight(t *testing.T) {
	began := make(chan struct{})
	var l *lines
	l = startTunnels(t, func(c *call) {
		close(began)
		<-l.ending
		time.Sleep(20 * time.Millisecond)
		repeats(c)
	}, func(o *Options) { o.Sockets.ShutdownSpread = time.Millisecond })
	ended := make(chan error, 1)
	go func() {
		<-began
		ended <- l.Shutdown(context.Background())
	}()
	k := l.call()
	k.expectClose(protocol.CloseGoing)
	select {
	case <-ended:
		t.Fatal("it did not wait for the client's answer")
	case <-time.After(300 * time.Millisecond):
	}
	k.Conn.(*net.TCPConn).CloseWrite()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTunnelsOfAnAddressAreCounted(t *testing.T) {
	l := startTunnels(t, repeats, func(o *Options) { o.Sockets.MaxPerAddress = 1 })
	k := l.call()
	if other := l.knock(); other.head.StatusCode != 429 {
		t.Error(other.head.Status)
	}
	k.Conn.(*net.TCPConn).CloseWrite()
	k.expectEnd()
	k.Close()
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if l.knock().head.StatusCode == 101 {
			return
		}
		if time.Now().After(until) {
			t.Fatal("it is still counted")
		}
	}
}

// What comes before the answer was read as if it were HTTP.
func TestAClientThatDoesNotWaitForTheAnswerHasNoTunnel(t *testing.T) {
	l := startTunnels(t, func(c *call) {
		time.Sleep(100 * time.Millisecond)
		repeats(c)
	})
	got := l.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + aKey + "\r\n\r\n\x81\x02hi")
	if got != "" {
		t.Errorf("%q", got)
	}
}
