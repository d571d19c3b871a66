package listen

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/protocol"
)

// alert is a log's reader: it closes heard at the first line with these words.
type alert struct {
	words string
	heard chan struct{}
	once  sync.Once
}

func (a *alert) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(a.words)) {
		a.once.Do(func() { close(a.heard) })
	}
	return len(p), nil
}

// alerted has a listener's handlers of messages wait until the host has noticed a breach, so that it comes while they
// are at work.
func alerted(b *switchboard, o *Options) {
	a := &alert{words: "is closed for what its client sent", heard: make(chan struct{})}
	o.Logger = hclog.New(&hclog.LoggerOptions{Output: a, Level: hclog.Debug})
	b.message = func(_ string, data []byte, binary bool) []protocol.Act {
		<-a.heard
		return []protocol.Act{say(data, binary)}
	}
}

func TestWhatCameBeforeABreachIsAnsweredBeforeTheConnectionIsClosed(t *testing.T) {
	good, ping := peertest.Text("Hello, world!"), peertest.Frame(0x89, nil)
	cases := map[string][]byte{
		"RSV2":                             peertest.Frame(0xa1, []byte("Hello, world!")),
		"RSV1 and RSV2":                    peertest.Frame(0xe1, []byte("Hello, world!")),
		"a continuation of nothing":        peertest.Frame(0x00, []byte("fragment1")),
		"the last continuation of nothing": peertest.Frame(0x80, []byte("fragment1")),
		"a text in the middle of a message": append(peertest.Frame(0x01, []byte("fragment1")),
			peertest.Text("fragment2")...),
		"a fragmented ping": peertest.Frame(0x09, nil),
		"a long ping":       peertest.Frame(0x89, make([]byte, 126)),
		"half a code":       peertest.Frame(0x88, []byte{3}),
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases["opcode "+string("0123456789abcdef"[op])] = peertest.Frame(0x80|op, []byte("Hello, world!"))
		cases["empty opcode "+string("0123456789abcdef"[op])] = peertest.Frame(0x80|op, nil)
	}
	for name, bad := range cases {
		for _, pieces := range []bool{false, true} {
			l := startLines(t, alerted)
			k := l.call()
			if stream := bytes.Join([][]byte{good, bad, ping}, nil); pieces {
				k.Conn.(*net.TCPConn).SetNoDelay(true)
				for i := range stream {
					k.Write(stream[i : i+1]) // the end may come too late to be taken
				}
			} else {
				k.send(stream)
			}
			k.expect(0x81, []byte("Hello, world!"))
			if first, p, err := k.frame(); err != nil || first != 0x88 || len(p) < 2 || p[0] != 1002>>8 ||
				p[1] != 1002&0xff {
				t.Errorf("%s, in pieces %v: frame %#x %q, %v", name, pieces, first, p, err)
			}
			k.Close()
			if m := l.left(); m.Code != protocol.CloseProtocol || m.Clean {
				t.Errorf("%s: CLOSE %+v", name, m)
			}
		}
	}
}

func TestAClientThatNobodyListensToAnyMoreIsNotReadOn(t *testing.T) {
	takesTime(t)
	const most = 64 << 20 // what the kernel keeps on the way is far less
	message := peertest.Frame(0x82, make([]byte, 60<<10))
	for name, c := range map[string]struct {
		change func(*switchboard, *Options)
		flood  []byte
	}{
		"messages": {quick(func(s *peer.SocketLimits) { s.SendBuffer = 1 << 20 }), bytes.Repeat(message, 16)},
		"pings": {quick(func(s *peer.SocketLimits) {
			s.SendBuffer = 1 << 20
		}), bytes.Repeat(peertest.Frame(0x89, make([]byte, 125)), 8000)},
		"pongs": {quick(func(s *peer.SocketLimits) {
			s.SendBuffer = 1 << 20
		}), bytes.Repeat(peertest.Frame(0x8a, nil), 170_000)},
		"TCP": {func(_ *switchboard, o *Options) {
			o.Protocol, o.Framing, o.Sockets.SendBuffer = TCP, byLine, 1<<20
		}, bytes.Repeat([]byte(strings.Repeat("a", 1023)+"\n"), 1024)},
	} {
		t.Run(name, func(t *testing.T) {
			l := startLines(t, c.change)
			var conn net.Conn
			if l.options.Protocol == TCP {
				conn = l.dial()
				talk(t, conn, "hello\n", "hello\n")
			} else {
				k := l.call()
				conn = k.Conn
				k.send(peertest.Text("hello"))
				k.expect(0x81, []byte("hello"))
			}
			for closed := false; !closed; { // it takes nothing, and is too slow
				l.hub.Apply(nil, []protocol.Act{
					&protocol.Send{To: protocol.ToAll, Flags: protocol.FlagBinary, Bytes: make([]byte, 512<<10)}})
				closed = hungUp(l.hub)
			}
			sent := 0
			for sent < most {
				conn.SetWriteDeadline(time.Now().Add(time.Second))
				n, err := conn.Write(c.flood)
				sent += n
				if err != nil {
					break // nobody reads it, or the host has closed it already
				}
			}
			if sent >= most {
				t.Errorf("%d bytes were read of a client that was hung up on", sent)
			}
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			if m := l.left(); m.Code != protocol.ClosePolicy {
				t.Errorf("CLOSE %+v", m)
			}
		})
	}
}

// hungUp says whether the only connection takes no more messages.
func hungUp(h *hub.Hub) bool {
	for _, i := range h.List() {
		return i.Dropped > 0
	}
	return true
}

func TestAClientThatGoesOnForAWhileStillReadsWhyItWasClosed(t *testing.T) {
	takesTime(t)
	l := startLines(t, quick(func(s *peer.SocketLimits) { s.MaxMessage = 1 << 20 }))
	k := l.call()
	k.send(peertest.Text("hello"))
	k.expect(0x81, []byte("hello"))
	l.hub.Apply(nil, []protocol.Act{&protocol.Hangup{To: protocol.ToAll, Code: 4000}})
	go k.Write(bytes.Repeat(peertest.Frame(0x82, make([]byte, 60<<10)), 24)) // more than it is read of
	k.expectClose(4000)
	io.Copy(io.Discard, k.in)
	if m := l.left(); m.Code != 4000 {
		t.Errorf("CLOSE %+v", m)
	}
}
