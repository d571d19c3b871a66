// Tests of the memory that unfinished messages share.

package listen

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

// lendStep is how much of the memory that is shared is lent at a time.
const lendStepOfPeers = 64 << 10

// owes waits until so much of the spool's memory is lent out of all that there was.
func (l *lines) owes(all, lent int64) {
	l.t.Helper()
	for until := time.Now().Add(10 * time.Second); l.options.Spool.Memory() != all-lent; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			l.t.Fatalf("%d bytes are lent, not %d", all-l.options.Spool.Memory(), lent)
		}
	}
}

// unfinished are beginnings of large messages: 150,000 bytes of 1 MB.
var unfinished = map[string]struct {
	framing   peer.Framing
	websocket bool
	begin     []byte
}{
	"WebSocket": {websocket: true, begin: peertest.Frame(0x82, make([]byte, 1e6))[:150e3]},
	"fragments": {websocket: true, begin: append(peertest.Frame(0x02, make([]byte, 75e3)),
		peertest.Frame(0x00, make([]byte, 75e3))...)},
	"lines": {framing: byLine, begin: bytes.Repeat([]byte("x"), 150e3)},
	"lengths": {framing: peer.Framing{Kind: peer.FrameLength32},
		begin: peer.Framing{Kind: peer.FrameLength32}.Append(nil, make([]byte, 1e6), true)[:150e3]},
}

func TestUnfinishedMessagesTogetherHoldNoMoreThanTheirBudget(t *testing.T) {
	for name, u := range unfinished {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // much of it is waiting for clients to leave
			const budget = 5 * 3 * lendStepOfPeers
			change := func(_ *switchboard, o *Options) { o.Spool.LimitMemory(budget) }
			var l *lines
			connect := func() net.Conn { return l.dial() }
			if u.websocket {
				l = startLines(t, change)
				connect = func() net.Conn { return l.call() }
			} else {
				l = startTCP(t, u.framing, change)
			}
			const clients = 30
			var all []net.Conn
			for range clients {
				c := connect()
				all = append(all, c)
				c.Write(u.begin) // some are closed while they write
			}
			closed := 0
			for closed < clients-10 { // five at least had what they wanted, and none more than ten can have
				m := l.left()
				if m.Code != protocol.CloseTryAgain || !strings.Contains(m.Reason, "memory") {
					t.Fatalf("closed with %d %q", m.Code, m.Reason)
				}
				closed++
			}
			if spare := l.options.Spool.Memory(); spare < 0 {
				t.Errorf("%d bytes more than the budget are lent", -spare)
			}
			if n := strings.Count(l.logged.String(), "the memory for large messages is used up"); n != 1 {
				t.Errorf("%d warnings", n)
			}
			for _, c := range all {
				c.Close()
			}
			l.owes(budget, 0)
			if u.websocket { // those who come later are served
				k := l.call()
				large := make([]byte, 200e3)
				k.send(peertest.Frame(0x82, large))
				k.expect(0x82, large)
			}
			l.owes(budget, 0)
		})
	}
}

func TestAWebSocketWithoutMemoryIsToldToTryAgain(t *testing.T) {
	l := startLines(t, func(_ *switchboard, o *Options) {
		o.Spool.LimitMemory(0)
		o.Sockets.Compression = true
	})
	k := l.call()
	large := make([]byte, 65536)
	k.send(peertest.Frame(0x82, large)) // one's own
	k.expect(0x82, large)
	k.send(peertest.Frame(0x82, make([]byte, 65537)))
	if reason := k.expectClose(protocol.CloseTryAgain); !strings.Contains(reason, "try again") {
		t.Errorf("the reason is %q", reason)
	}
	l.owes(0, 0)
	bomb := l.call("Sec-WebSocket-Extensions", "permessage-deflate")
	bomb.send(peertest.Frame(0xc2, peertest.Squeeze(make([]byte, 1<<20))))
	bomb.expectClose(protocol.CloseTryAgain)
	l.owes(0, 0)
}

func TestALargeMessageIsOnLoanUntilItIsHandled(t *testing.T) {
	release := make(chan struct{})
	l := startLines(t, func(b *switchboard, o *Options) {
		b.message = func(string, []byte, bool) []protocol.Act {
			<-release
			return nil
		}
	})
	k := l.call()
	for range 3 { // one is handled, one waits, and one waits for room
		k.send(peertest.Frame(0x82, make([]byte, 320<<10)))
	}
	l.owes(spool.MemoryBudget, 3*4*lendStepOfPeers)
	close(release)
	l.owes(spool.MemoryBudget, 0)
}

// TestAClientWaitsForMemoryThatWholeMessagesHave: nobody is closed because the workers are slow.
func TestAClientWaitsForMemoryThatWholeMessagesHave(t *testing.T) {
	const budget = 4 * lendStepOfPeers
	release := make(chan struct{})
	l := startLines(t, func(b *switchboard, o *Options) {
		o.Spool.LimitMemory(budget)
		b.message = func(string, []byte, bool) []protocol.Act {
			<-release
			return []protocol.Act{say([]byte("done"), false)}
		}
	})
	first, second := l.call(), l.call()
	first.send(peertest.Frame(0x82, make([]byte, 5*lendStepOfPeers)))
	l.owes(budget, budget)
	second.send(peertest.Frame(0x82, make([]byte, 5*lendStepOfPeers)))
	close(release)
	for _, k := range []*caller{first, second} {
		k.expect(0x81, []byte("done"))
	}
	l.owes(budget, 0)
}

func TestNoEndOfAConnectionKeepsMemoryOnLoan(t *testing.T) {
	const budget = 1 << 20
	work := func(b *switchboard, o *Options) {
		o.Spool.LimitMemory(budget)
		o.Sockets.Compression = true
		b.message = func(id string, data []byte, _ bool) []protocol.Act {
			switch rand.IntN(6) {
			case 0:
				return []protocol.Act{&protocol.Hangup{Code: protocol.CloseNormal}}
			case 1:
				time.Sleep(time.Millisecond)
			}
			return []protocol.Act{say(data[:min(len(data), 100)], true)}
		}
	}
	ways := map[string]func(l *lines) (net.Conn, func(size int) []byte){}
	for _, extension := range []string{"", "permessage-deflate"} {
		ways["WebSocket "+extension] = func(l *lines) (net.Conn, func(int) []byte) {
			return l.call("Sec-WebSocket-Extensions", extension), func(size int) []byte {
				data := make([]byte, size)
				if extension != "" && size > 1000 {
					return peertest.Frame(0xc2, peertest.Squeeze(data))
				}
				return append(peertest.Frame(0x02, data[:size/3]), peertest.Frame(0x80, data[size/3:])...)
			}
		}
	}
	for _, f := range []peer.Framing{byLine, {Kind: peer.FrameLength32}} {
		ways[string(rune('0'+f.Kind))] = func(l *lines) (net.Conn, func(int) []byte) {
			return l.dial(), func(size int) []byte { return f.Append(nil, bytes.Repeat([]byte("x"), size), true) }
		}
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l *lines
			if strings.HasPrefix(name, "WebSocket") {
				l = startLines(t, work)
			} else {
				l = startTCP(t, peer.Framing{Kind: peer.FramingKind(name[0] - '0')}, work)
			}
			clients := 20
			if os.Getenv("LONG_TESTS") != "" {
				clients = 60
			}
			var all sync.WaitGroup
			for range clients {
				c, frame := way(l)
				all.Go(func() {
					defer c.Close()
					go io.Copy(io.Discard, c)
					for range 1 + rand.IntN(6) {
						b := frame(rand.IntN(300e3))
						if rand.IntN(4) == 0 {
							c.Write(b[:rand.IntN(len(b))])
							return
						}
						if _, err := c.Write(b); err != nil {
							return
						}
					}
				})
			}
			all.Wait()
			l.owes(budget, 0)
		})
	}
}
