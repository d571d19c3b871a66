package listen

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

func TestTheWorkersSeeTheHandshakeAndAnswerIt(t *testing.T) {
	opens := make(chan *protocol.Open, 1)
	l := startLines(t, func(b *switchboard, o *Options) {
		o.RequestID = "X-Request-Id"
		b.open = func(m *protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			opens <- m
			return []protocol.Act{
				&protocol.Accept{Subprotocol: "chat.v2", Headers: []string{"Set-Cookie", "a=1", "Set-Cookie", "b=2"}},
				say([]byte("welcome"), false),
			}, nil, nil
		}
	})
	k := l.call("Sec-WebSocket-Protocol", "chat.v1, chat.v2", "Cookie", "session=7", "X-Request-Id", "abc")
	k.expect(0x81, []byte("welcome"))
	h := k.head.Header
	if h.Get("Sec-Websocket-Protocol") != "chat.v2" || fmt.Sprint(h["Set-Cookie"]) != "[a=1 b=2]" ||
		h.Get("X-Request-Id") != "abc" || h.Get("Sec-Websocket-Extensions") != "" {
		t.Errorf("the answer has %v", h)
	}
	got := <-opens
	r := got.Request
	if r.Method != "GET" || r.Target != "/chat?room=1" || r.Scheme != "http" || r.Host != "one.test" ||
		r.ID != "abc" || pair(r.Headers, "Cookie") != "session=7" ||
		pair(r.Headers, "Upgrade") != "" || r.Remote == "" || got.Connection.Remote != r.Remote ||
		got.Connection.Protocol != "websocket" || got.Connection.Listener != "127.0.0.1:0" {
		t.Errorf("the workers got %+v with %+v", got.Connection, r)
	}
}

func TestAHandshakeFindsTheHeaderOfTheRequestsIDThatAReloadBrought(t *testing.T) {
	l := startLines(t, func(b *switchboard, o *Options) {
		o.RequestID = "X-Request-Id"
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			headers := []string{"X-Request-Id", "the worker's", "X-Trace", "the worker's"}
			return []protocol.Act{&protocol.Accept{Headers: headers}}, nil, nil
		}
	})
	for _, name := range []string{"X-Request-Id", "X-Trace"} {
		l.change(Terms{Terms: web.Terms{Backend: l.board, Hub: l.hub, Limits: web.DefaultLimits(),
			Sockets: peer.DefaultSocketLimits(), RequestID: name}})
		h := l.call("X-Request-Id", "abc", "X-Trace", "abc").head.Header
		for _, each := range []string{"X-Request-Id", "X-Trace"} {
			want := "[the worker's]"
			if each == name {
				want = "[abc]"
			}
			if got := fmt.Sprint(h[each]); got != want {
				t.Errorf("with %s: %s is %s", name, each, got)
			}
		}
	}
}

func TestAnAnswerThatIsNoAcceptance(t *testing.T) {
	type answerer func() ([]protocol.Act, *protocol.Response, *protocol.Failure)
	var respond atomic.Pointer[answerer]
	l := startLines(t, func(b *switchboard, o *Options) {
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			return (*respond.Load())()
		}
		o.Sockets.HandshakeTimeout = 200 * time.Millisecond
	})
	for name, c := range map[string]struct {
		acts     []protocol.Act
		response *protocol.Response
		failure  protocol.FailureKind
		status   int
	}{
		"refused": {response: &protocol.Response{Flags: protocol.FlagEnd | protocol.FlagDone, Status: 401,
			Headers: []string{"WWW-Authenticate", "Bearer"}, Body: []byte("who are you?")}, status: 401},
		"the worker died":     {failure: protocol.FailedDied, status: 502},
		"the queue is full":   {failure: protocol.FailedQueueFull, status: 503},
		"an unasked protocol": {acts: []protocol.Act{&protocol.Accept{Subprotocol: "other"}}, status: 502},
		"it takes too long":   {status: 504},
	} {
		respond.Store(new(answerer(func() ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			switch {
			case c.failure != 0:
				return nil, nil, &protocol.Failure{Kind: c.failure}
			case c.response == nil && c.acts == nil:
				time.Sleep(400 * time.Millisecond)
			}
			return c.acts, c.response, nil
		})))
		k := l.knock()
		body, _ := io.ReadAll(k.head.Body)
		if k.head.StatusCode != c.status ||
			c.response != nil && (string(body) != "who are you?" ||
				k.head.Header.Get("Www-Authenticate") != "Bearer") {
			t.Errorf("%s: %s %q", name, k.head.Status, body)
		}
		if c.status == 401 { // the connection goes on as HTTP's
			fmt.Fprintf(k, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if rest, _ := io.ReadAll(k.in); !strings.Contains(string(rest), "no WebSocket") {
				t.Errorf("%s: the next request was answered with %q", name, rest)
			}
		}
	}
	if n := len(l.hub.List()); n > 0 || len(l.board.closed) > 0 {
		t.Errorf("%d connections are open, and %d were closed", n, len(l.board.closed))
	}
}

func TestABadHandshakeIsRefused(t *testing.T) {
	l := startLines(t, quick(func(s *peer.SocketLimits) { s.AllowedOrigins = []string{"https://*.example.org"} }))
	for _, c := range []struct {
		status  int
		headers []string
	}{
		{426, []string{"Sec-WebSocket-Version", "8"}},
		{426, []string{"Sec-WebSocket-Version", ""}},
		{400, []string{"Sec-WebSocket-Key", ""}},
		{400, []string{"Sec-WebSocket-Key", "c2hvcnQ="}},
		{400, []string{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ?="}},
		{400, []string{"", "POST / HTTP/1.1"}},
		{400, []string{"Content-Length", "1"}},
		{403, []string{"Origin", "https://evil.test"}},
		{200, []string{"Upgrade", "h2c"}},
		{200, []string{"Connection", "keep-alive"}},
		{200, []string{"", "GET / HTTP/1.0"}},
		{101, []string{"Origin", "https://a.example.org"}},
		{101, []string{"Upgrade", "h2c, WebSocket", "Connection", "keep-alive, upgrade"}},
	} {
		k := l.knock(c.headers...)
		if k.head.StatusCode != c.status || c.status == 426 && k.head.Header.Get("Sec-Websocket-Version") != "13" {
			t.Errorf("%v: %s %v", c.headers, k.head.Status, k.head.Header)
		}
	}
	none := startLines(t, func(b *switchboard, _ *Options) { b.traits.Events = protocol.Events{} })
	if k := none.knock(); k.head.StatusCode != 200 {
		t.Errorf("a pool without connections: %s", k.head.Status)
	}
}

func TestARefusedOriginIsToldOnce(t *testing.T) {
	l := startLines(t)
	if k := l.knock("Origin", "https://evil.test"); k.head.StatusCode != 403 {
		t.Fatal(k.head.Status)
	}
	logged := l.logged.String()
	if strings.Count(logged, "[WARN]") != 1 || !strings.Contains(logged, "allowed_origins") ||
		l.Refused()["origin"] != 1 {
		t.Errorf("%v\n%s", l.Refused(), logged)
	}
}

func TestAClientThatDoesNotWaitForTheAnswerIsCutOff(t *testing.T) {
	asked, cancelled := make(chan struct{}, 2), make(chan struct{})
	l := startLines(t, func(b *switchboard, o *Options) {
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			asked <- struct{}{}
			<-cancelled
			return nil, nil, nil
		}
	})
	handshake := "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: " +
		"13\r\nSec-WebSocket-Key: " + aKey + "\r\n\r\n"
	gone := l.dial()
	io.WriteString(gone, handshake)
	<-asked
	hangUp(gone)
	early := l.dial()
	early.Write(append([]byte(handshake), peertest.Text("too early")...))
	<-asked
	time.Sleep(50 * time.Millisecond)
	close(cancelled)
	if b, _ := io.ReadAll(early); len(b) > 0 {
		t.Errorf("it was answered %q", b)
	}
	if m := l.left(); m.Code != protocol.CloseBroken {
		t.Errorf("%+v", m)
	}
}

func TestAnAddressHasOnlySoManyConnections(t *testing.T) {
	l := startLines(t, quick(func(s *peer.SocketLimits) { s.MaxPerAddress = 2 }))
	k := l.call()
	l.call()
	if third := l.knock(); third.head.StatusCode != 429 {
		t.Errorf("the third was answered with %s", third.head.Status)
	}
	k.send(peertest.Close(1000, ""))
	k.expectClose(1000)
	l.left()
	l.call()
}

func TestTheAccessLogHasALineForTheHandshake(t *testing.T) {
	path := t.TempDir() + "/access.json"
	log, err := accesslog.Open(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := startLines(t, func(_ *switchboard, o *Options) { o.Access = log })
	t.Cleanup(func() { log.Close() })
	l.call()
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got, _ := os.ReadFile(path)
		if strings.Contains(string(got), `"status":101`) && strings.Contains(string(got), `"pool":"web"`) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the log has %q", got)
		}
	}
}

func TestPublicFilesDoNotHideWebSockets(t *testing.T) {
	l := startLines(t, func(_ *switchboard, o *Options) {
		o.Public = t.TempDir()
		os.WriteFile(o.Public+"/chat", []byte("a file"), 0o600)
	})
	l.call()
}
