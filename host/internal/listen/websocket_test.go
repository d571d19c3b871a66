package listen

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

func quick(change func(*SocketLimits)) func(*switchboard, *Options) {
	return func(_ *switchboard, o *Options) { change(&o.Sockets) }
}

func TestAMessageIsAnsweredOverEveryKindOfSocket(t *testing.T) {
	for name, change := range map[string]func(*switchboard, *Options){
		"plain": func(*switchboard, *Options) {},
		"TLS":   func(_ *switchboard, o *Options) { withTLS(t)(o) },
		"unix":  func(_ *switchboard, o *Options) { o.Address = "unix:" + t.TempDir() + "/s" },
	} {
		l := startLines(t, change, quick(func(s *SocketLimits) { s.MaxMessage = 16 << 20; s.SendBuffer = 64 << 20 }))
		var k *caller
		if name == "unix" {
			c, err := net.Dial("unix", strings.TrimPrefix(l.address, "unix:"))
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(20 * time.Second))
			t.Cleanup(func() { c.Close() })
			k = knockOn(t, c)
		} else {
			k = l.call()
		}
		if got := k.upgraded(); got != "websocket Upgrade s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Errorf("%s: %q", name, got)
		}
		k.send(clientText("hello"))
		k.expect(0x81, []byte("hello"))
		k.send(clientFrame(0x02, []byte("one ")), clientFrame(0x89, []byte("ping")), clientFrame(0x80, []byte("two")))
		k.expect(0x8a, []byte("ping"))
		k.expect(0x82, []byte("one two"))
		for _, size := range []int{0, 65535, 65536, 65537, 1 << 20, 16 << 20} {
			data := pattern(size)
			go k.Write(clientFrame(0x82, data))
			k.expect(0x82, data)
		}
		k.send(clientClose(4000, "that was all"))
		k.expectClose(4000)
		k.expectEnd()
		if m := l.left(); m.Code != 4000 || m.Reason != "that was all" || !m.Clean {
			t.Errorf("%s: CLOSE %+v", name, m)
		}
	}
}

func TestAMessageIsAnsweredHoweverThePacketsAreCut(t *testing.T) {
	l := startLines(t)
	text := strings.Repeat("½", 80)
	stream := bytes.Join([][]byte{clientText("a"), clientFrame(0x01, []byte(text[:5])), clientFrame(0x80, []byte(text[5:])), clientText("z")}, nil)
	var all sync.WaitGroup
	defer all.Wait()
	answer := func(k *caller) {
		k.expect(0x81, []byte("a"))
		k.expect(0x81, []byte(text))
		k.expect(0x81, []byte("z"))
		k.send(clientClose(1000, ""))
		k.expectClose(1000)
	}
	for i := 1; i < len(stream); i++ {
		k := l.call()
		all.Go(func() {
			k.send(stream[:i])
			time.Sleep(5 * time.Millisecond) // so that the packets come one by one
			k.send(stream[i:])
			answer(k)
		})
	}
	k := l.call()
	all.Go(func() {
		for i := range stream {
			k.send(stream[i : i+1])
		}
		answer(k)
	})
}

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
	if h.Get("Sec-Websocket-Protocol") != "chat.v2" || fmt.Sprint(h["Set-Cookie"]) != "[a=1 b=2]" || h.Get("X-Request-Id") != "abc" || h.Get("Sec-Websocket-Extensions") != "" {
		t.Errorf("the answer has %v", h)
	}
	got := <-opens
	r := got.Request
	if r.Method != "GET" || r.Target != "/chat?room=1" || r.Scheme != "http" || r.Host != "one.test" || r.ID != "abc" || pair(r.Headers, "Cookie") != "session=7" ||
		pair(r.Headers, "Upgrade") != "" || r.Remote == "" || got.Connection.Remote != r.Remote || got.Connection.Protocol != "websocket" || got.Connection.Listener != "127.0.0.1:0" {
		t.Errorf("the workers got %+v with %+v", got.Connection, r)
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
		"refused":             {response: &protocol.Response{Flags: protocol.FlagEnd | protocol.FlagDone, Status: 401, Headers: []string{"WWW-Authenticate", "Bearer"}, Body: []byte("who are you?")}, status: 401},
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
		if k.head.StatusCode != c.status || c.response != nil && (string(body) != "who are you?" || k.head.Header.Get("Www-Authenticate") != "Bearer") {
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
	l := startLines(t, quick(func(s *SocketLimits) { s.AllowedOrigins = []string{"https://*.example.org"} }))
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

func TestAClientThatDoesNotWaitForTheAnswerIsCutOff(t *testing.T) {
	asked, cancelled := make(chan struct{}, 2), make(chan struct{})
	l := startLines(t, func(b *switchboard, o *Options) {
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			asked <- struct{}{}
			<-cancelled
			return nil, nil, nil
		}
	})
	handshake := "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + aKey + "\r\n\r\n"
	gone := l.dial()
	io.WriteString(gone, handshake)
	<-asked
	gone.Close()
	early := l.dial()
	early.Write(append([]byte(handshake), clientText("too early")...))
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

func TestABreachClosesTheConnectionWithItsCode(t *testing.T) {
	l := startLines(t, quick(func(s *SocketLimits) { s.MaxMessage, s.Compression = 1000, true }))
	for name, c := range map[string]struct {
		stream []byte
		code   int
	}{
		"unmasked":  {[]byte{0x81, 1, 'a'}, 1002},
		"no text":   {clientText("\xff"), 1007},
		"too big":   {clientFrame(0x82, pattern(1001)), 1009},
		"a bomb":    {clientFrame(0xc2, squeeze(make([]byte, 8<<20))[:900]), 1009},
		"RSV2":      {clientFrame(0xa1, nil), 1002},
		"late data": {append(clientFrame(0x83, nil), pattern(100_000)...), 1002},
	} {
		k := l.call("Sec-WebSocket-Extensions", "permessage-deflate")
		k.send(clientText("fine"))
		k.expect(0x81, []byte("fine"))
		k.send(c.stream)
		k.expectClose(c.code)
		k.Close()
		if m := l.left(); m.Code != c.code || m.Clean {
			t.Errorf("%s: CLOSE %+v", name, m)
		}
	}
}

func TestCompressedMessagesGoBothWays(t *testing.T) {
	l := startLines(t, quick(func(s *SocketLimits) { s.Compression = true }))
	k := l.call("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
	if got := k.head.Header.Get("Sec-Websocket-Extensions"); got != "permessage-deflate; server_no_context_takeover; client_no_context_takeover" {
		t.Errorf("agreed on %q", got)
	}
	long := []byte(strings.Repeat("the same again, ", 200))
	for range 3 {
		k.send(clientFrame(0xc1, squeeze(long)))
		first, p, err := k.frame()
		if err != nil || first != 0xc1 || len(p) >= len(long)/4 {
			t.Fatalf("frame %#x with %d bytes, %v", first, len(p), err)
		}
		if p, err = inflate(p, 1<<20); err != nil || !bytes.Equal(p, long) {
			t.Fatalf("%d bytes came back, %v", len(p), err)
		}
	}
	k.send(clientText("short"))
	k.expect(0x81, []byte("short"))
	plain := l.call()
	plain.send(clientText(string(long)))
	plain.expect(0x81, long)
}

func TestTheEndOfAConnectionIsToldWithItsCode(t *testing.T) {
	l := startLines(t)
	for name, c := range map[string]struct {
		end   func(k *caller)
		code  int
		clean bool
	}{
		"without a code": {func(k *caller) { k.send(clientFrame(0x88, nil)); k.expectClose(protocol.CloseNoCode) }, 1005, true},
		"cut":            {func(k *caller) { k.Conn.(*net.TCPConn).SetLinger(0); k.Close() }, 1006, false},
		"half-closed": {func(k *caller) {
			k.send(clientText("the last")[:5])
			k.Conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, k)
		}, 1006, false},
		"closed by the host": {func(k *caller) {
			l.hub.Commit(nil, []protocol.Act{&protocol.Send{To: protocol.ToAll, Bytes: []byte("last")}, &protocol.Hangup{To: protocol.ToAll, Code: 4444, Reason: "enough"}})
			k.expect(0x81, []byte("last"))
			if reason := k.expectClose(4444); reason != "enough" {
				t.Errorf("the reason is %q", reason)
			}
			k.send(clientText("late"), clientClose(4444, ""))
			k.expectEnd()
		}, 4444, true},
		"closed by the host, with a client that leaves at once": {func(k *caller) {
			l.hub.Commit(nil, []protocol.Act{&protocol.Hangup{To: protocol.ToAll, Code: 1000}})
			k.expectClose(1000)
			k.Close()
		}, 1000, false},
	} {
		k := l.call()
		k.send(clientText("hello"))
		k.expect(0x81, []byte("hello"))
		c.end(k)
		if m := l.left(); m.Code != c.code || m.Clean != c.clean {
			t.Errorf("%s: CLOSE %+v", name, m)
		}
	}
}

func TestWhatCameBeforeTheClientsCloseIsHandled(t *testing.T) {
	var mu sync.Mutex
	var handled []string
	l := startLines(t, func(b *switchboard, o *Options) {
		b.message = func(_ string, data []byte, _ bool) []protocol.Act {
			time.Sleep(time.Millisecond)
			mu.Lock()
			handled = append(handled, string(data))
			mu.Unlock()
			return nil
		}
	})
	k := l.call()
	var want []string
	for i := range 50 {
		k.send(clientText(fmt.Sprint(i)))
		want = append(want, fmt.Sprint(i))
	}
	k.send(clientClose(1000, ""))
	k.expectClose(1000)
	l.left()
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(handled) != fmt.Sprint(want) {
		t.Errorf("handled were %v", handled)
	}
}

func TestASilentClientIsAskedAndThenCutOff(t *testing.T) {
	l := startLines(t, quick(func(s *SocketLimits) { s.PingInterval, s.PongTimeout = 50*time.Millisecond, 100*time.Millisecond }))
	alive, dead := l.call(), l.call()
	for range 4 {
		alive.expect(0x89, nil)
		alive.send(clientFrame(0x8a, nil))
	}
	if m := l.left(); m.Code != protocol.CloseBroken || m.Reason != "no answer to a ping" {
		t.Errorf("CLOSE %+v", m)
	}
	if n := len(l.hub.List()); n != 1 {
		t.Errorf("%d connections are open", n)
	}
	dead.expect(0x89, nil)
	if _, _, err := dead.frame(); err == nil {
		t.Error("it was pinged again")
	}
}

func TestAClientIsNotCutOffBecauseTheWorkersAreBusy(t *testing.T) {
	work := make(chan struct{})
	l := startLines(t, func(b *switchboard, o *Options) {
		o.Sockets.PingInterval, o.Sockets.PongTimeout = 30*time.Millisecond, 30*time.Millisecond
		b.message = func(_ string, data []byte, _ bool) []protocol.Act {
			<-work
			return []protocol.Act{say(data[:1], false)}
		}
	})
	k := l.call()
	data := bytes.Repeat([]byte("a"), 60<<10)
	for range 4 { // more than may wait: the host stops reading, and hears no pong
		k.send(clientText(string(data)))
	}
	time.Sleep(300 * time.Millisecond)
	close(work)
	for got := 0; got < 4; {
		first, _, err := k.frame()
		if err != nil {
			t.Fatalf("after %d answers: %v", got, err)
		}
		if first == 0x81 {
			got++
		} else {
			k.send(clientFrame(0x8a, nil))
		}
	}
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	l := startLines(t, quick(func(s *SocketLimits) { s.PingInterval, s.IdleTimeout = 20*time.Millisecond, 150*time.Millisecond }))
	k := l.call()
	for range 5 {
		time.Sleep(50 * time.Millisecond)
		k.send(clientText("here"))
		for first := byte(0); first != 0x81; {
			var err error
			if first, _, err = k.frame(); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := time.Now()
	if reason := k.expectClose(1001); reason != "idle for too long" {
		t.Errorf("the reason is %q", reason)
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("it was closed after %v", took)
	}
}

func TestTooManyMessagesCloseTheConnection(t *testing.T) {
	l := startLines(t, quick(func(s *SocketLimits) { s.MessageRate, s.MessageBurst = 10, 5 }))
	k := l.call()
	for range 5 {
		k.send(clientText("a"))
		k.expect(0x81, []byte("a"))
	}
	time.Sleep(110 * time.Millisecond)
	k.send(clientText("b"))
	k.expect(0x81, []byte("b"))
	k.send(clientText("c"), clientFrame(0x89, nil), clientText("d"))
	if reason := k.expectClose(1008); reason != "too many messages" {
		t.Errorf("the reason is %q", reason)
	}
}

func TestAnAddressHasOnlySoManyConnections(t *testing.T) {
	l := startLines(t, quick(func(s *SocketLimits) { s.MaxPerAddress = 2 }))
	k := l.call()
	l.call()
	if third := l.knock(); third.head.StatusCode != 429 {
		t.Errorf("the third was answered with %s", third.head.Status)
	}
	k.send(clientClose(1000, ""))
	k.expectClose(1000)
	l.left()
	l.call()
}

func TestASlowReaderHoldsUpNobody(t *testing.T) {
	for _, secure := range []bool{false, true} {
		l := startLines(t, func(b *switchboard, o *Options) {
			o.Sockets.SendBuffer = 1 << 20
			if secure {
				withTLS(t)(o)
			}
		})
		slow, quick := l.call(), l.call()
		quick.send(clientText("hello"))
		quick.expect(0x81, []byte("hello"))
		id := ""
		for _, i := range l.hub.List() {
			if i.MessagesIn == 0 {
				id = i.ID
			}
		}
		began := time.Now()
		for range 40 { // beyond what the kernel takes
			l.hub.Commit(nil, []protocol.Act{&protocol.Send{To: protocol.ToConnections, Names: []string{id}, Flags: protocol.FlagBinary, Bytes: pattern(512 << 10)}})
		}
		quick.send(clientText("still there?"))
		quick.expect(0x81, []byte("still there?"))
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("TLS %v: that took %v", secure, took)
		}
		n := 0
		for ; ; n++ {
			if first, p, err := slow.frame(); err != nil || first != 0x82 || !bytes.Equal(p, pattern(512<<10)) {
				if first != 0x88 || binary.BigEndian.Uint16(p) != 1008 {
					t.Errorf("TLS %v: after %d messages: frame %#x, %v", secure, n, first, err)
				}
				break
			}
		}
		if n == 0 && !secure || n >= 40 { // over TLS none may have been begun when the rest was dropped
			t.Errorf("TLS %v: %d messages came", secure, n)
		}
		slow.send(clientClose(1008, ""))
		if m := l.left(); m.Code != 1008 {
			t.Errorf("CLOSE %+v", m)
		}
	}
}

func TestStoppingTakesLeaveOfEveryone(t *testing.T) {
	l := startLines(t, quick(func(s *SocketLimits) { s.ShutdownSpread = 200 * time.Millisecond }))
	var all sync.WaitGroup
	var mu sync.Mutex
	var ends []time.Time
	for range 20 {
		k := l.call()
		all.Go(func() {
			k.expectClose(1001)
			mu.Lock()
			ends = append(ends, time.Now())
			mu.Unlock()
			k.send(clientClose(1001, ""))
			k.expectEnd()
		})
	}
	asleep := l.call()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	began := time.Now()
	if err := l.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > answerTime+3*time.Second {
		t.Errorf("a client that does not answer held it up for %v", took)
	}
	all.Wait()
	asleep.expectClose(1001)
	asleep.expectEnd()
	if spread := ends[len(ends)-1].Sub(ends[0]); spread < 100*time.Millisecond {
		t.Errorf("they were closed within %v", spread)
	}
	if len(l.board.closed) != 21 {
		t.Errorf("%d CLOSE came", len(l.board.closed))
	}
}

func TestClosingCutsClientsThatDoNotAnswer(t *testing.T) {
	work := make(chan struct{})
	l := startLines(t, func(b *switchboard, o *Options) {
		o.Sockets.ShutdownSpread = time.Hour
		b.message = func(string, []byte, bool) []protocol.Act { <-work; return nil }
	})
	defer close(work)
	quiet, busy := l.call(), l.call()
	go busy.Write(bytes.Repeat(clientText(strings.Repeat("a", 60<<10)), 20))
	time.Sleep(100 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := l.Shutdown(ctx); err == nil {
		t.Error("everybody left in time")
	}
	began := time.Now()
	l.Close()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	for _, k := range []*caller{quiet, busy} {
		for _, _, err := k.frame(); err == nil; _, _, err = k.frame() {
		}
	}
}

func TestAReloadChangesTheLimitsOfOpenConnections(t *testing.T) {
	other := new(switchboard)
	t.Cleanup(other.busy.Wait)
	l := startLines(t)
	k := l.call()
	k.send(clientText(strings.Repeat("a", 2000)))
	k.expect(0x81, []byte(strings.Repeat("a", 2000)))
	o := l.options
	o.Sockets.MaxMessage = 1000
	other.hub, other.traits, other.closed = l.hub, l.board.traits, l.board.closed
	other.message = func(string, []byte, bool) []protocol.Act { return []protocol.Act{say([]byte("the new pool"), false)} }
	o.Backend = other
	p, err := l.PrepareOptions(o)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Apply()
	k.send(clientText("hello"))
	k.expect(0x81, []byte("the new pool"))
	k.send(clientText(strings.Repeat("a", 1001)))
	k.expectClose(1009)
}

func TestTheAccessLogHasALineForTheHandshake(t *testing.T) {
	path := t.TempDir() + "/access.json"
	log, err := OpenAccessLog(path, nil)
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

var _ hub.Peer = (*websocket)(nil)

// Whoever opened is told closed exactly once, whatever both ends do to each other at the same time.
func TestEveryConnectionThatOpenedIsClosedOnce(t *testing.T) {
	opened := new(atomic.Int64)
	l := startLines(t, func(b *switchboard, o *Options) {
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			opened.Add(1)
			return nil, nil, nil
		}
		b.message = func(id string, data []byte, binary bool) []protocol.Act {
			acts := []protocol.Act{say(data, binary)}
			if len(data) == 7 {
				acts = append(acts, &protocol.Hangup{Code: 4007})
			}
			return acts
		}
		o.Sockets.PingInterval, o.Sockets.PongTimeout = 5*time.Millisecond, 5*time.Millisecond
	})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for round := range 12 {
				k := l.knock()
				if k.head.StatusCode != 101 { // cut meanwhile
					t.Error(k.head.Status)
					return
				}
				k.SetDeadline(time.Now().Add(200 * time.Millisecond)) // it answers no close frame either
				k.Write(clientText("hello"))
				switch (i + round) % 6 {
				case 0:
					k.Write(clientClose(1000, ""))
					io.Copy(io.Discard, k.in)
				case 1:
					k.Conn.(*net.TCPConn).SetLinger(0)
				case 2:
					k.Write(clientText("goodbye"))
					k.Write(clientClose(1000, ""))
					io.Copy(io.Discard, k.in)
				case 3:
					k.Write([]byte{0xff, 0xff, 0xff})
					io.Copy(io.Discard, k.in)
				case 4:
					l.hub.Commit(nil, []protocol.Act{&protocol.Hangup{To: protocol.ToAll, Code: 1000}})
				case 5:
					io.Copy(io.Discard, k.in) // it answers no ping
				}
				k.Close()
			}
		})
	}
	all.Wait()
	ids := make(map[string]bool)
	for range opened.Load() {
		m := l.left()
		if ids[m.Connection.ID] {
			t.Errorf("%s was closed twice", m.Connection.ID)
		}
		ids[m.Connection.ID] = true
	}
	if n := len(l.hub.List()); n > 0 {
		t.Errorf("%d connections are left", n)
	}
}
