package listen

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/protocol"
)

func TestABreachClosesTheConnectionWithItsCode(t *testing.T) {
	l := startLines(t, quick(func(s *peer.SocketLimits) { s.MaxMessage, s.Compression = 1000, true }))
	for name, c := range map[string]struct {
		stream []byte
		code   int
	}{
		"unmasked":  {[]byte{0x81, 1, 'a'}, 1002},
		"no text":   {peertest.Text("\xff"), 1007},
		"too big":   {peertest.Frame(0x82, pattern(1001)), 1009},
		"a bomb":    {peertest.Frame(0xc2, peertest.Squeeze(make([]byte, 8<<20))[:900]), 1009},
		"RSV2":      {peertest.Frame(0xa1, nil), 1002},
		"late data": {append(peertest.Frame(0x83, nil), pattern(100_000)...), 1002},
	} {
		k := l.call("Sec-WebSocket-Extensions", "permessage-deflate")
		k.send(peertest.Text("fine"))
		k.expect(0x81, []byte("fine"))
		k.send(c.stream)
		k.expectClose(c.code)
		k.Close()
		if m := l.left(); m.Code != c.code || m.Clean {
			t.Errorf("%s: CLOSE %+v", name, m)
		}
	}
}

func TestTheEndOfAConnectionIsToldWithItsCode(t *testing.T) {
	l := startLines(t)
	for name, c := range map[string]struct {
		end   func(k *caller)
		code  int
		clean bool
	}{
		"without a code": {func(k *caller) {
			k.send(peertest.Frame(0x88, nil))
			k.expectClose(protocol.CloseNoCode)
		}, 1005, true},
		"cut": {func(k *caller) { k.Conn.(*net.TCPConn).SetLinger(0); k.Close() }, 1006, false},
		"half-closed": {func(k *caller) {
			k.send(peertest.Text("the last")[:5])
			k.Conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, k)
		}, 1006, false},
		"closed by the host": {func(k *caller) {
			l.hub.Apply(nil, []protocol.Act{&protocol.Send{To: protocol.ToAll, Bytes: []byte("last")},
				&protocol.Hangup{To: protocol.ToAll, Code: 4444, Reason: "enough"}})
			k.expect(0x81, []byte("last"))
			if reason := k.expectClose(4444); reason != "enough" {
				t.Errorf("the reason is %q", reason)
			}
			k.send(peertest.Text("late"), peertest.Close(4444, ""))
			k.expectEnd()
		}, 4444, true},
		"closed by the host, with a client that leaves at once": {func(k *caller) {
			l.hub.Apply(nil, []protocol.Act{&protocol.Hangup{To: protocol.ToAll, Code: 1000}})
			k.expectClose(1000)
			k.Close()
		}, 1000, false},
	} {
		k := l.call()
		k.send(peertest.Text("hello"))
		k.expect(0x81, []byte("hello"))
		c.end(k)
		if m := l.left(); m.Code != c.code || m.Clean != c.clean {
			t.Errorf("%s: CLOSE %+v", name, m)
		}
	}
}

func TestWhatCameBeforeTheClientsCloseIsAnsweredBeforeOurs(t *testing.T) {
	var mu sync.Mutex
	var handled []string
	l := startLines(t, func(b *switchboard, o *Options) {
		b.message = func(_ string, data []byte, _ bool) []protocol.Act {
			time.Sleep(time.Millisecond)
			mu.Lock()
			handled = append(handled, string(data))
			mu.Unlock()
			return []protocol.Act{say(data, false)}
		}
	})
	k := l.call()
	var want []string
	var sent []byte
	for i := range 50 {
		sent = append(sent, peertest.Text(fmt.Sprint(i))...)
		want = append(want, fmt.Sprint(i))
	}
	k.send(sent, peertest.Close(4321, "so long")) // in one write
	for _, text := range want {
		k.expect(0x81, []byte(text))
	}
	k.expectClose(4321)
	k.expectEnd()
	if m := l.left(); m.Code != 4321 || m.Reason != "so long" || !m.Clean {
		t.Errorf("CLOSE %+v", m)
	}
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(handled) != fmt.Sprint(want) {
		t.Errorf("handled were %v", handled)
	}
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
		quick.send(peertest.Text("hello"))
		quick.expect(0x81, []byte("hello"))
		id := ""
		for _, i := range l.hub.List() {
			if i.MessagesIn == 0 {
				id = i.ID
			}
		}
		for range 40 { // beyond what the kernel takes
			l.hub.Apply(nil, []protocol.Act{
				&protocol.Send{To: protocol.ToConnections, Names: []string{id}, Flags: protocol.FlagBinary,
					Bytes: pattern(512 << 10)}})
		}
		quick.send(peertest.Text("still there?"))
		quick.expect(0x81, []byte("still there?"))
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
		slow.send(peertest.Close(1008, ""))
		if m := l.left(); m.Code != 1008 {
			t.Errorf("CLOSE %+v", m)
		}
	}
}

func TestStoppingTakesLeaveOfEveryone(t *testing.T) {
	takesTime(t)
	l := startLines(t, quick(func(s *peer.SocketLimits) { s.ShutdownSpread = 200 * time.Millisecond }))
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
			k.send(peertest.Close(1001, ""))
			k.expectEnd()
		})
	}
	asleep := l.call()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.Shutdown(ctx); err != nil {
		t.Errorf("a client that does not answer holds it up: %v", err)
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
	go busy.Write(bytes.Repeat(peertest.Text(strings.Repeat("a", 60<<10)), 20))
	time.Sleep(100 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := l.Shutdown(ctx); err == nil {
		t.Error("everybody left in time")
	}
	l.Close()
	for _, k := range []*caller{quiet, busy} {
		for _, _, err := k.frame(); err == nil; _, _, err = k.frame() {
		}
	}
}

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
				k.Write(peertest.Text("hello"))
				switch (i + round) % 6 {
				case 0:
					k.Write(peertest.Close(1000, ""))
					io.Copy(io.Discard, k.in)
				case 1:
					k.Conn.(*net.TCPConn).SetLinger(0)
				case 2:
					k.Write(peertest.Text("goodbye"))
					k.Write(peertest.Close(1000, ""))
					io.Copy(io.Discard, k.in)
				case 3:
					k.Write([]byte{0xff, 0xff, 0xff})
					io.Copy(io.Discard, k.in)
				case 4:
					l.hub.Apply(nil, []protocol.Act{&protocol.Hangup{To: protocol.ToAll, Code: 1000}})
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
