package listen

import (
	"bytes"
	"compress/flate"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/protocol"
)

func quick(change func(*peer.SocketLimits)) func(*switchboard, *Options) {
	return func(_ *switchboard, o *Options) { change(&o.Sockets) }
}

func TestAMessageIsAnsweredOverEveryKindOfSocket(t *testing.T) {
	const most = 2 << 20 // more than sockets hold
	for name, change := range map[string]func(*switchboard, *Options){
		"plain": func(*switchboard, *Options) {},
		"TLS":   func(_ *switchboard, o *Options) { withTLS(t)(o) },
		"unix":  func(_ *switchboard, o *Options) { o.Address = "unix:" + t.TempDir() + "/s" },
	} {
		l := startLines(t, change, quick(func(s *peer.SocketLimits) { s.MaxMessage = most; s.SendBuffer = 4 * most }))
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
		k.send(peertest.Text("hello"))
		k.expect(0x81, []byte("hello"))
		k.send(peertest.Frame(0x02, []byte("one ")), peertest.Frame(0x89, []byte("ping")),
			peertest.Frame(0x80, []byte("two")))
		k.expect(0x8a, []byte("ping"))
		k.expect(0x82, []byte("one two"))
		for _, size := range []int{0, 65535, 65536, 65537, 1 << 20, most} {
			data := pattern(size)
			go k.Write(peertest.Frame(0x82, data))
			k.expect(0x82, data)
		}
		k.send(peertest.Close(4000, "that was all"))
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
	stream := bytes.Join([][]byte{peertest.Text("a"), peertest.Frame(0x01, []byte(text[:5])),
		peertest.Frame(0x80, []byte(text[5:])), peertest.Text("z")}, nil)
	var all sync.WaitGroup
	defer all.Wait()
	answer := func(k *caller) {
		k.expect(0x81, []byte("a"))
		k.expect(0x81, []byte(text))
		k.expect(0x81, []byte("z"))
		k.send(peertest.Close(1000, ""))
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

func TestCompressedMessagesGoBothWays(t *testing.T) {
	l := startLines(t, quick(func(s *peer.SocketLimits) { s.Compression = true }))
	k := l.call("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
	if got := k.head.Header.Get("Sec-Websocket-Extensions"); got != "permessage-deflate; "+
		"server_no_context_takeover; client_no_context_takeover" {
		t.Errorf("agreed on %q", got)
	}
	long := []byte(strings.Repeat("the same again, ", 200))
	for range 3 {
		k.send(peertest.Frame(0xc1, peertest.Squeeze(long)))
		first, p, err := k.frame()
		if err != nil || first != 0xc1 || len(p) >= len(long)/4 {
			t.Fatalf("frame %#x with %d bytes, %v", first, len(p), err)
		}
		if p, err = io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(p), strings.NewReader(
			"\x00\x00\xff\xff\x01\x00\x00\xff\xff")))); err != nil || !bytes.Equal(p, long) {
			t.Fatalf("%d bytes came back, %v", len(p), err)
		}
	}
	k.send(peertest.Text("short"))
	k.expect(0x81, []byte("short"))
	plain := l.call()
	plain.send(peertest.Text(string(long)))
	plain.expect(0x81, long)
}

func TestASilentClientIsAskedAndThenCutOff(t *testing.T) {
	l := startLines(t, quick(func(s *peer.SocketLimits) {
		s.PingInterval, s.PongTimeout = 50*time.Millisecond, 100*time.Millisecond
	}))
	alive, dead := l.call(), l.call()
	for range 4 {
		alive.expect(0x89, nil)
		alive.send(peertest.Frame(0x8a, nil))
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
	takesTime(t)
	work := make(chan struct{})
	l := startLines(t, func(b *switchboard, o *Options) {
		o.Sockets.PingInterval, o.Sockets.PongTimeout = 200*time.Millisecond, 500*time.Millisecond
		b.message = func(_ string, data []byte, _ bool) []protocol.Act {
			<-work
			return []protocol.Act{say(data[:1], false)}
		}
	})
	k := l.call()
	data := bytes.Repeat([]byte("a"), 60<<10)
	for range 4 { // more than may wait: the host stops reading, and hears no pong
		k.send(peertest.Text(string(data)))
	}
	time.Sleep(time.Second) // an answer to a ping is overdue
	close(work)
	for got := 0; got < 4; {
		first, _, err := k.frame()
		if err != nil {
			t.Fatalf("after %d answers: %v", got, err)
		}
		if first == 0x81 {
			got++
		} else {
			k.send(peertest.Frame(0x8a, nil))
		}
	}
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	l := startLines(t, quick(func(s *peer.SocketLimits) {
		s.PingInterval, s.IdleTimeout = 20*time.Millisecond, 150*time.Millisecond
	}))
	k := l.call()
	for range 5 {
		time.Sleep(50 * time.Millisecond)
		k.send(peertest.Text("here"))
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
	l := startLines(t, quick(func(s *peer.SocketLimits) { s.MessageRate, s.MessageBurst = 10, 5 }))
	k := l.call()
	for range 5 {
		k.send(peertest.Text("a"))
		k.expect(0x81, []byte("a"))
	}
	time.Sleep(110 * time.Millisecond)
	k.send(peertest.Text("b"))
	k.expect(0x81, []byte("b"))
	k.send(peertest.Text("c"), peertest.Frame(0x89, nil), peertest.Text("d"))
	if reason := k.expectClose(1008); reason != "too many messages" {
		t.Errorf("the reason is %q", reason)
	}
}

func TestAReloadChangesTheLimitsOfOpenConnections(t *testing.T) {
	other := new(switchboard)
	t.Cleanup(other.busy.Wait)
	l := startLines(t)
	k := l.call()
	k.send(peertest.Text(strings.Repeat("a", 2000)))
	k.expect(0x81, []byte(strings.Repeat("a", 2000)))
	o := l.options
	o.Sockets.MaxMessage = 1000
	other.hub, other.traits, other.closed = l.hub, l.board.traits, l.board.closed
	other.message = func(string, []byte, bool) []protocol.Act {
		return []protocol.Act{say([]byte("the new pool"), false)}
	}
	o.Backend = other
	p, err := l.Prepare(o.Terms)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Apply()
	k.send(peertest.Text("hello"))
	k.expect(0x81, []byte("the new pool"))
	k.send(peertest.Text(strings.Repeat("a", 1001)))
	k.expectClose(1009)
}
