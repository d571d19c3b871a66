package listen

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
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
	good, ping := clientText("Hello, world!"), clientFrame(0x89, nil)
	cases := map[string][]byte{
		"RSV2":                              clientFrame(0xa1, []byte("Hello, world!")),
		"RSV1 and RSV2":                     clientFrame(0xe1, []byte("Hello, world!")),
		"a continuation of nothing":         clientFrame(0x00, []byte("fragment1")),
		"the last continuation of nothing":  clientFrame(0x80, []byte("fragment1")),
		"a text in the middle of a message": append(clientFrame(0x01, []byte("fragment1")), clientText("fragment2")...),
		"a fragmented ping":                 clientFrame(0x09, nil),
		"a long ping":                       clientFrame(0x89, make([]byte, 126)),
		"half a code":                       clientFrame(0x88, []byte{3}),
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases["opcode "+string("0123456789abcdef"[op])] = clientFrame(0x80|op, []byte("Hello, world!"))
		cases["empty opcode "+string("0123456789abcdef"[op])] = clientFrame(0x80|op, nil)
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
			if first, p, err := k.frame(); err != nil || first != 0x88 || len(p) < 2 || p[0] != 1002>>8 || p[1] != 1002&0xff {
				t.Errorf("%s, in pieces %v: frame %#x %q, %v", name, pieces, first, p, err)
			}
			k.Close()
			if m := l.left(); m.Code != protocol.CloseProtocol || m.Clean {
				t.Errorf("%s: CLOSE %+v", name, m)
			}
		}
	}
}

// Autobahn's 6.4 and its like: what can't become text any more is refused without waiting for the rest.
func TestTextThatIsNoneIsRefusedAtItsFirstBadByte(t *testing.T) {
	before, after := "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", "edited"
	for name, bad := range map[string]string{
		"beyond Unicode": "\xf4\x90\x80\x80", "a surrogate": "\xed\xa0\x80", "too long a form": "\xc0\xaf", "a lone continuation": "\x80", "no such byte": "\xff",
	} {
		for i := range bad {
			if !notTextYet(before + bad[:i+1]) {
				continue // it may still become a character
			}
			start := before + bad[:i]
			for how, parts := range map[string][][]byte{
				"in one frame":       {clientFrame(0x81, []byte(start+bad[i:]+after))},
				"in fragments":       {clientFrame(0x01, []byte(start)), clientFrame(0x00, []byte(bad[i:])), clientFrame(0x80, []byte(after))},
				"in fragments of 1":  fragments(start + bad[i:] + after),
				"behind a long text": {clientFrame(0x01, []byte(strings.Repeat("ä", 20_000)+start)), clientFrame(0x80, []byte(bad[i:]+after))},
			} {
				stream := bytes.Join(parts, nil)
				at := -1
				f, to := &frames{}, &heard{most: 1 << 20}
				for n := range stream {
					if err := hear(f, to, stream[n:n+1]); err != nil {
						var wrong *breach
						if !errors.As(err, &wrong) || wrong.code != protocol.CloseNotText {
							t.Fatalf("%s, %s: %v", name, how, err)
						}
						at = n
						break
					}
				}
				want := reach(parts, len(start)+1)
				if how == "behind a long text" {
					want = reach(parts, 40_000+len(start)+1)
				}
				if at != want {
					t.Errorf("%s, byte %d, %s: refused at byte %d of %d, not at %d", name, i, how, at, len(stream), want)
				}
			}
			break
		}
	}
	for _, good := range []string{"", "ä", "€", "\U0010ffff", "\ud7ff\ue000", strings.Repeat("a€\U0001F600", 3000)} {
		to := &heard{most: 1 << 20}
		stream := bytes.Join(fragments(good), nil)
		for n := range stream {
			if err := hear(&frames{}, to); err != nil {
				t.Fatal(err, n)
			}
		}
		f := &frames{}
		for n := range stream {
			if err := hear(f, to, stream[n:n+1]); err != nil {
				t.Fatalf("%.20q: %v at %d", good, err, n)
			}
		}
		if len(to.events) != 1 || to.events[0] != "false "+digest([]byte(good)) {
			t.Errorf("%.20q became %q", good, to.events)
		}
	}
	f, to := &frames{}, &heard{most: 100}
	if err := hear(f, to, clientFrame(0x81, []byte("\xe2\x82"))); err == nil {
		t.Errorf("a text that ends within a character: %v", err)
	}
	if err := hear(&frames{}, to, clientFrame(0x02, []byte("\xff")), clientFrame(0x80, []byte("\xff"))); err != nil {
		t.Errorf("a binary message: %v", err)
	}
}

// notTextYet says whether nothing that follows can make text of s; the long way round, by trying.
func notTextYet(s string) bool {
	for _, tail := range []string{"", "\x80", "\x80\x80", "\x80\x80\x80", "\xbf", "\xbf\xbf", "\xbf\xbf\xbf", "\x90\x80\x80", "\xa0\x80"} {
		if strings.ToValidUTF8(s+tail, "?") == s+tail {
			return false
		}
	}
	return true
}

// fragments sends each byte of a text in a frame of its own.
func fragments(text string) (all [][]byte) {
	for i := range len(text) {
		first := byte(0)
		if i == 0 {
			first = 1
		}
		all = append(all, clientFrame(first, []byte(text[i:i+1])))
	}
	if all == nil {
		return [][]byte{clientFrame(0x81, nil)}
	}
	return append(all, clientFrame(0x80, nil))
}

// reach is which byte of the frames is byte n of what they say, counted from 1.
func reach(parts [][]byte, n int) int {
	at := 0
	for _, p := range parts {
		head := headSize(p)
		if size := len(p) - head; n > size {
			n -= size
			at += len(p)
			continue
		}
		return at + head + n - 1
	}
	return -1
}

func TestAClientThatNobodyListensToAnyMoreIsNotReadOn(t *testing.T) {
	const most = 64 << 20 // what the kernel keeps on the way is far less
	message := clientFrame(0x82, make([]byte, 60<<10))
	for name, c := range map[string]struct {
		change func(*switchboard, *Options)
		flood  []byte
	}{
		"messages": {quick(func(s *SocketLimits) { s.SendBuffer = 1 << 20 }), bytes.Repeat(message, 16)},
		"pings":    {quick(func(s *SocketLimits) { s.SendBuffer = 1 << 20 }), bytes.Repeat(clientFrame(0x89, make([]byte, 125)), 8000)},
		"pongs":    {quick(func(s *SocketLimits) { s.SendBuffer = 1 << 20 }), bytes.Repeat(clientFrame(0x8a, nil), 170_000)},
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
				k.send(clientText("hello"))
				k.expect(0x81, []byte("hello"))
			}
			for closed := false; !closed; { // it takes nothing, and is too slow
				l.hub.Commit(nil, []protocol.Act{&protocol.Send{To: protocol.ToAll, Flags: protocol.FlagBinary, Bytes: make([]byte, 512<<10)}})
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
	l := startLines(t, quick(func(s *SocketLimits) { s.MaxMessage = 1 << 20 }))
	k := l.call()
	k.send(clientText("hello"))
	k.expect(0x81, []byte("hello"))
	l.hub.Commit(nil, []protocol.Act{&protocol.Hangup{To: protocol.ToAll, Code: 4000}})
	go k.Write(bytes.Repeat(clientFrame(0x82, make([]byte, 60<<10)), 24)) // more than it is read of
	k.expectClose(4000)
	io.Copy(io.Discard, k.in)
	if m := l.left(); m.Code != 4000 {
		t.Errorf("CLOSE %+v", m)
	}
}
