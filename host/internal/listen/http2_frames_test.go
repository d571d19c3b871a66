package listen

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"
)

// onBoth runs a test over HTTP/2 with prior knowledge and over TLS.
func onBoth(t *testing.T, test func(t *testing.T, secure func(*Options))) {
	for name, secure := range map[string]func(*Options){"prior knowledge": func(*Options) {}, "TLS": withTLS(t)} {
		t.Run(name, func(t *testing.T) { test(t, secure) })
	}
}

func TestFramesThatAskForNothingEndTheirConnection(t *testing.T) {
	takesTime(t)
	opened := frame(frameHeaders, endHeaders, 1, block(get()...))
	for _, test := range []struct {
		name  string
		first []byte
		flood []byte
	}{
		{"PING", nil, frame(framePing, 0, 0, make([]byte, 8))},
		{"PING of an answer", nil, frame(framePing, 1, 0, make([]byte, 8))},
		{"SETTINGS", nil, frame(frameSettings, 0, 0, nil)},
		{"PRIORITY", nil, frame(framePriority, 0, 1, []byte{0, 0, 0, 3, 1})},
		{"empty DATA", opened, frame(frameData, 0, 1, nil)},
		{"DATA of padding", opened, frame(frameData, flagPadded, 1, []byte{1, 0})},
		{"empty CONTINUATION", frame(frameHeaders, endStream, 1, block(get()...)),
			frame(frameContinuation, 0, 1, nil)},
		{"WINDOW_UPDATE", opened, frame(frameWindow, 0, 1, []byte{0, 0, 0, 1})},
		{"a type that nobody knows", nil, frame(99, 0, 0, []byte("x"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, secure func(*Options)) {
				t.Parallel() // net/http closes a second after its GOAWAY
				h := start(t, echo, secure)
				c := h.dialH2()
				c.Write(test.first)
				go func() { // ends with its last byte, or with the connection
					for range 20 {
						if _, err := c.Write(bytes.Repeat(test.flood, 100)); err != nil {
							return
						}
					}
				}()
				if got := c.ended(); got != "GOAWAY 1" {
					t.Error(got)
				}
			})
		})
	}
}

func TestWhoeverIsAnsweredMayGoOnAsking(t *testing.T) {
	h := start(t, hello, withTLS(t))
	c := h.dialH2(noTable...)
	for i := range 2000 {
		c.frame(framePing, 0, 0, make([]byte, 8))
		c.frame(frameWindow, 0, 0, []byte{0, 0, 0, 13})
		if got := c.ask(endStream, get()...); got != "200" {
			t.Fatal(i, got)
		}
	}
}

func TestTimeAllowsMoreFramesThatAskForNothing(t *testing.T) {
	f := newClientFrames()
	ping := frame(framePing, 0, 0, make([]byte, 8))
	sent := func() (n int) {
		for ; n < 10_000; n++ {
			if good, wrong := f.feed(ping); wrong != "" {
				if good != len(ping) {
					t.Errorf("%d bytes may be passed on", good)
				}
				return n
			}
		}
		return n
	}
	f.asked.Store(time.Now().UnixNano())
	if n := sent(); n < mostIdleFrames || n > 2*mostIdleFrames {
		t.Errorf("%d frames at once", n)
	}
	f.idle.Store(0)
	f.asked.Store(time.Now().Add(-2 * time.Second).UnixNano())
	if n := sent(); n < 2*idleFramesPerSec || n > mostIdleFrames {
		t.Errorf("%d frames after two seconds", n)
	}
	f.idle.Store(0)
	f.asked.Store(time.Now().Add(-time.Hour).UnixNano())
	if n := sent(); n < mostIdleFrames || n > 2*mostIdleFrames {
		t.Errorf("%d frames after an hour", n)
	}
}

// Go's client gives 4 KiB back at a time, twice, when what may lie there for long is read.
func TestWindowsForWhatWasSentAreNoFlood(t *testing.T) {
	const size = 4 << 20
	h := start(t, func(c *call) { c.whole(200, strings.Repeat("x", size)) }, withTLS(t))
	c := h.dialH2(4, 2*size)
	c.frame(frameWindow, 0, 0, binary.BigEndian.AppendUint32(nil, 2*size))
	window := binary.BigEndian.AppendUint32(nil, 4<<10)
	for range 2 {
		stream := c.open(endStream|endHeaders, get()...)
		for got := 0; got < size; {
			kind, _, _, payload, err := c.read()
			if err != nil || kind == frameGoAway {
				t.Fatalf("%d bytes, %d %q, %v", got, kind, payload, err)
			}
			if kind == frameData {
				got += len(payload)
			}
		}
		for range size / (4 << 10) {
			c.frame(frameWindow, 0, stream, window)
			c.frame(frameWindow, 0, 0, window)
		}
	}
	if got := c.ask(endStream|endHeaders, get()...); got != "200" {
		t.Error(got)
	}
}

func TestAHeaderBlockThatHasBegunHasToEndInTime(t *testing.T) {
	whole := frame(frameHeaders, endStream|endHeaders, 1, block(get()...))
	unended := frame(frameHeaders, endStream, 1, block(get()...))
	for name, sent := range map[string][]byte{
		"no CONTINUATION":          unended,
		"another CONTINUATION":     append(bytes.Clone(unended), frame(frameContinuation, 0, 1, nil)...),
		"half a HEADERS":           whole[:20],
		"half the head of a frame": whole[:4],
		"half a PING":              frame(framePing, 0, 0, make([]byte, 8))[:12],
		"an unended trailer": append(frame(frameHeaders, endHeaders, 1, block(get()...)),
			frame(frameHeaders, endStream, 1, block("x-a", "b"))...),
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, secure func(*Options)) {
				change, lines := withAccess(t, "access.log")
				h := start(t, func(c *call) {
					c.readAll()
				}, secure, change, func(o *Options) { o.Limits.HeaderTimeout = 50 * time.Millisecond })
				c := h.dialH2()
				c.Write(sent)
				if got := c.ended(); got != "closed" {
					t.Error(got)
				}
				h.Close()
				if got := strings.Join(lines(), "\n"); !strings.Contains(got, `"- - HTTP/2.0" 408 0`) ||
					!strings.Contains(got,
						`fault="too slow" reason="its headers did not come within header_timeout"`) {
					t.Errorf("the access log says %s", got)
				}
			})
		})
	}
}

func TestOnlyWhatBelongsToHeadersHasToEndInTime(t *testing.T) {
	for name, test := range map[string]struct {
		sent       []byte
		unfinished bool
	}{
		"nothing":       {nil, false},
		"a whole block": {frame(frameHeaders, endHeaders, 1, block(get()...)), false},
		"a block in two": {append(frame(frameHeaders, 0, 1, block(get()...)),
			frame(frameContinuation, endHeaders, 1, nil)...), false},
		"half a DATA":         {frame(frameData, 0, 1, make([]byte, 100))[:50], false},
		"a DATA without any":  {frame(frameData, 0, 1, make([]byte, 100))[:9], false},
		"half a DATA's head":  {frame(frameData, 0, 1, make([]byte, 100))[:8], true},
		"a block without end": {frame(frameHeaders, 0, 1, block(get()...)), true},
	} {
		for size := 1; size < 20; size++ {
			f := newClientFrames()
			for b := test.sent; len(b) > 0; {
				n := min(size, len(b))
				f.feed(b[:n])
				b = b[n:]
			}
			if f.unfinished() != test.unfinished {
				t.Errorf("%s in pieces of %d: unfinished %v", name, size, f.unfinished())
			}
		}
	}
}

func TestWhoAgreedOnHTTP2SpeaksNothingElse(t *testing.T) {
	h := start(t, func(*call) { t.Error("a worker was asked") }, withTLS(t))
	c := tlsClient(h.dial())
	c.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	if answer, err := io.ReadAll(c); len(answer) > 0 || err != nil {
		t.Errorf("answered %q, %v", answer, err)
	}
	if h.Refused()["malformed"] != 1 {
		t.Error("it was not counted")
	}
}

func TestWhoAgreedOnHTTP1SpeaksNoHTTP2(t *testing.T) {
	h := start(t, func(*call) { t.Error("a worker was asked") }, withTLS(t))
	c := tls.Client(h.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	answer, err := io.ReadAll(c)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || err != nil {
		t.Errorf("answered %q, %v", answer, err)
	}
}
