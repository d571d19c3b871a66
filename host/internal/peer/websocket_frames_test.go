package peer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/protocol"
)

// heard notes what frames make of a stream.
type heard struct {
	events []string
	most   int64
}

func (h *heard) message(data []byte, binary bool) error {
	h.events = append(h.events, fmt.Sprintf("%v %s", binary, peertest.Digest(data)))
	return nil
}

func (h *heard) control(op ws.OpCode, payload []byte) error {
	h.events = append(h.events, fmt.Sprintf("%x %s", byte(op), payload))
	return nil
}

func (h *heard) leave(code int, reason string) error {
	h.events = append(h.events, fmt.Sprint("leave ", code, reason))
	return errLeft
}

func (h *heard) mostMessage() int64 { return h.most }

// hear gives a reader the parts, by room where it offers that, as a socket does.
func hear(f *frames, to *heard, parts ...[]byte) error {
	for _, p := range parts {
		p = bytes.Clone(p)
		for len(p) > 0 {
			var err error
			if into, wrong := f.room(); wrong != nil {
				return wrong
			} else if into != nil {
				n := copy(into, p)
				p = p[n:]
				err = f.took(n, to)
			} else {
				err, p = f.feed(p, to), nil
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func TestMessagesArriveHoweverTheirBytesAreCut(t *testing.T) {
	long := strings.Repeat("grüße ", 40)
	stream := bytes.Join([][]byte{
		peertest.Text(""), peertest.Text("a"), peertest.Text(long),
		peertest.Frame(0x01, []byte("one ")), peertest.Frame(0x89, []byte("are you there?")),
		peertest.Frame(0x00, []byte("two ")), peertest.Frame(0x8a, nil), peertest.Frame(0x80, []byte("three")),
		peertest.Frame(0x82, peertest.Pattern(300)),
		peertest.Frame(0xc1, peertest.Squeeze([]byte(long))),
		peertest.Frame(0x41, peertest.Squeeze([]byte(long))[:9]),
		peertest.Frame(0x80, peertest.Squeeze([]byte(long))[9:]),
		peertest.Close(4321, "gone ☂"),
	}, nil)
	want := []string{
		"false " + peertest.Digest(nil), "false " + peertest.Digest([]byte("a")),
		"false " + peertest.Digest([]byte(long)),
		"9 are you there?", "a ", "false " + peertest.Digest([]byte("one two three")),
		"true " + peertest.Digest(peertest.Pattern(300)),
		"false " + peertest.Digest([]byte(long)), "false " + peertest.Digest([]byte(long)), "leave 4321gone ☂",
	}
	check := func(name string, parts ...[]byte) {
		t.Helper()
		to := &heard{most: 4096}
		if err := hear(&frames{deflate: true}, to, parts...); err != errLeft {
			t.Fatalf("%s: %v after %q", name, err, to.events)
		}
		if got := strings.Join(to.events, "\n"); got != strings.Join(want, "\n") {
			t.Fatalf("%s:\n%s", name, got)
		}
	}
	for i := range stream {
		check(fmt.Sprint("cut at ", i), stream[:i], stream[i:])
	}
	var single [][]byte
	for i := range stream {
		single = append(single, stream[i:i+1])
	}
	check("byte by byte", single...)
}

func TestLargeMessagesArrive(t *testing.T) {
	for _, size := range []int{125, 126, 127, 4095, 4096, 4097, 65534, 65535, 65536, 65537, 200_000, 4 << 20} {
		data := peertest.Pattern(size)
		whole := peertest.Frame(0x82, data)
		half := bytes.Join([][]byte{peertest.Frame(0x02, data[:size/2]), peertest.Frame(0x80, data[size/2:])}, nil)
		for _, stream := range [][]byte{whole, half} {
			for _, piece := range []int{1 + size/3, 4096, 1 << 16} {
				to := &heard{most: 16 << 20}
				var parts [][]byte
				for rest := stream; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
					parts = append(parts, rest[:min(piece, len(rest))])
				}
				if err := hear(new(frames), to, parts...); err != nil || len(to.events) != 1 ||
					to.events[0] != "true "+peertest.Digest(data) {
					t.Fatalf("%d bytes in pieces of %d: %v, %q", size, piece, err, to.events)
				}
			}
		}
	}
}

func TestEveryBreachOfTheRulesHasItsCode(t *testing.T) {
	unmasked := []byte{0x81, 1, 'a'}
	frame := func(b ...byte) []byte { return b }
	join := func(p ...[]byte) []byte { return bytes.Join(p, nil) }
	for name, c := range map[string]struct {
		stream  []byte
		deflate bool
		code    int
	}{
		"unmasked":                  {stream: unmasked, code: 1002},
		"RSV1 without an extension": {stream: peertest.Frame(0xc1, []byte("a")), code: 1002},
		"RSV2":                      {stream: peertest.Frame(0xa1, []byte("a")), deflate: true, code: 1002},
		"RSV3":                      {stream: peertest.Frame(0x91, []byte("a")), deflate: true, code: 1002},
		"RSV1 of a ping":            {stream: peertest.Frame(0xc9, nil), deflate: true, code: 1002},
		"RSV1 of a continuation": {stream: join(peertest.Frame(0x41, []byte("a")), peertest.Frame(0xc0, nil)),
			deflate: true, code: 1002},
		"opcode 3":                  {stream: peertest.Frame(0x83, nil), code: 1002},
		"opcode 7":                  {stream: peertest.Frame(0x87, nil), code: 1002},
		"opcode 11":                 {stream: peertest.Frame(0x8b, nil), code: 1002},
		"opcode 15":                 {stream: peertest.Frame(0x8f, nil), code: 1002},
		"a long ping":               {stream: peertest.Frame(0x89, peertest.Pattern(126)), code: 1002},
		"a ping in fragments":       {stream: peertest.Frame(0x09, nil), code: 1002},
		"a continuation of nothing": {stream: peertest.Frame(0x80, []byte("a")), code: 1002},
		"a continuation after the end": {stream: join(peertest.Text("a"), peertest.Frame(0x00, []byte("a"))),
			code: 1002},
		"a text inside a message": {stream: join(peertest.Frame(0x01, []byte("a")), peertest.Text("b")),
			code: 1002},
		"a length with the highest bit": {stream: frame(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4),
			code: 1002},
		"a length of 125 in two bytes": {stream: frame(0x82, 0xfe, 0, 125, 1, 2, 3, 4), code: 1002},
		"a length of 65535 in eight": {stream: frame(0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4),
			code: 1002},
		"half a close code":              {stream: peertest.Frame(0x88, []byte{3}), code: 1002},
		"close code 0":                   {stream: peertest.Close(0, ""), code: 1002},
		"close code 999":                 {stream: peertest.Close(999, ""), code: 1002},
		"close code 1004":                {stream: peertest.Close(1004, ""), code: 1002},
		"close code 1005":                {stream: peertest.Close(1005, ""), code: 1002},
		"close code 1006":                {stream: peertest.Close(1006, ""), code: 1002},
		"close code 1015":                {stream: peertest.Close(1015, ""), code: 1002},
		"close code 2999":                {stream: peertest.Close(2999, ""), code: 1002},
		"close code 5000":                {stream: peertest.Close(5000, ""), code: 1002},
		"a close reason that is no text": {stream: peertest.Close(1000, "\xff"), code: 1007},
		"text that is none":              {stream: peertest.Text("a\xc3"), code: 1007},
		"text with a surrogate":          {stream: peertest.Text("\xed\xa0\x80"), code: 1007},
		"a character cut for good": {
			stream: join(peertest.Frame(0x01, []byte("\xe2\x82")), peertest.Frame(0x80, []byte("a"))), code: 1007},
		"damaged compression": {stream: peertest.Frame(0xc2, []byte{0xff, 0xff, 0xff}), deflate: true,
			code: 1007},
		"compressed text that is none": {stream: peertest.Frame(0xc1, peertest.Squeeze([]byte("\xff"))),
			deflate: true, code: 1007},
		"too big by one": {stream: peertest.Frame(0x82, peertest.Pattern(1001)), code: 1009},
		"too big by its head alone": {
			stream: frame(0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4), code: 1009},
		"too big in fragments": {
			stream: join(peertest.Frame(0x02, peertest.Pattern(600)), peertest.Frame(0x80, peertest.Pattern(401))),
			code:   1009},
		"a bomb": {stream: peertest.Frame(0xc2, peertest.Squeeze(make([]byte, 1<<20))[:900]),
			deflate: true, code: 1009},
	} {
		var wrong *breach
		to := &heard{most: 1000}
		if err := hear(&frames{deflate: c.deflate}, to, c.stream); !errors.As(err, &wrong) || wrong.code != c.code {
			t.Errorf("%s: %v, expected %d; %q", name, err, c.code, to.events)
		}
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
		4000, 4999} {
		to := new(heard)
		if err := hear(new(frames), to, peertest.Close(code, "")); err != errLeft {
			t.Errorf("close code %d: %v", code, err)
		}
	}
	to := &heard{most: 1000}
	if err := hear(new(frames), to, peertest.Frame(0x82, peertest.Pattern(1000)),
		peertest.Frame(0x88, nil)); err != errLeft || to.events[1] != "leave 1005" {
		t.Errorf("the largest message: %v, %q", err, to.events)
	}
}

func TestABombIsNotInflatedBeyondTheLimit(t *testing.T) {
	bomb := peertest.Squeeze(make([]byte, 16<<20))
	if n := testing.AllocsPerRun(1, func() {
		if _, err := inflate(bytes.Clone(bomb), 1<<20, new(loan)); err != tooBig {
			t.Errorf("16 MiB in %d bytes: %v", len(bomb), err)
		}
	}); n > 100 {
		t.Errorf("it took %v allocations", n)
	}
}

func TestOurFramesAreReadByAClient(t *testing.T) {
	for _, e := range []wsEncoding{{}, {deflate: true}} {
		for _, size := range []int{0, 1, 125, 126, 127, deflateFrom - 1, deflateFrom, 65534, 65535, 65536, 65537,
			1 << 20} {
			for _, data := range [][]byte{bytes.Repeat([]byte("a"), size), peertest.Pattern(size)} {
				f, err := ws.ReadFrame(bytes.NewReader(e.Append(nil, data, true)))
				if err != nil || !f.Header.Fin || f.Header.Masked || f.Header.OpCode != ws.OpBinary {
					t.Fatalf("%d bytes: %+v, %v", size, f.Header, err)
				}
				got := f.Payload
				if f.Header.Rsv != 0 {
					if !e.deflate || f.Header.Rsv != rsv1 || len(got) >= size {
						t.Fatalf("%d bytes became %d, RSV %d", size, len(got), f.Header.Rsv)
					}
					got, err = inflate(got, int64(size), new(loan))
				}
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d bytes, deflate %v: %d came out, %v", size, e.deflate, len(got), err)
				}
			}
		}
	}
	if e := (wsEncoding{deflate: true}).Append(nil, bytes.Repeat([]byte("a"), 4096), false); len(e) > 100 {
		t.Errorf("4096 equal letters became %d bytes", len(e))
	}
	if f := asServer.closeFrame(1000, strings.Repeat("€", 60)); len(f) != 2+2+3*41 {
		t.Errorf("a close frame with a long reason has %d bytes", len(f))
	}
	if f := asServer.closeFrame(protocol.CloseNoCode, "x"); len(f) != 2 {
		t.Errorf("a close frame without a code: %x", f)
	}
}

func TestOnlyOffersThatWeCanMeetAreAccepted(t *testing.T) {
	ours := "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for offer, want := range map[string]string{
		"":                   "",
		"permessage-deflate": ours,
		"permessage-deflate; client_max_window_bits":    ours,
		"permessage-deflate; client_max_window_bits=12": ours,
		"permessage-deflate; server_max_window_bits=15": ours +
			"; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=15; client_max_window_bits": ours +
			"; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=9, permessage-deflate; server_max_window_bits=15": ours +
			"; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=16":                                "",
		"permessage-deflate; server_max_window_bits":                                   "",
		"permessage-deflate; server_max_window_bits=10":                                "",
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":            ours,
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover":   ours,
		"x-other; a=1, permessage-deflate":                                             ours,
		"permessage-deflate; unheard_of":                                               "",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover":   "",
		"permessage-deflate; client_max_window_bits=99":                                "",
		"permessage-deflate; client_max_window_bits=\"8\"; server_no_context_takeover": ours,
		"; ;": "",
	} {
		if got := AgreeOnDeflate([]string{offer}); got != want {
			t.Errorf("%q: %q", offer, got)
		}
	}
	if got := AgreeOnDeflate([]string{"x-other", "permessage-deflate"}); got != ours {
		t.Errorf("in a second field: %q", got)
	}
}

func FuzzWebSocketReader(f *testing.F) {
	f.Add(peertest.Text("hello"), 3, true)
	f.Add(bytes.Join([][]byte{peertest.Frame(0x01, []byte("a")), peertest.Frame(0x89, []byte("p")),
		peertest.Frame(0x80, []byte("b")), peertest.Close(1000, "bye")}, nil), 1, false)
	f.Add(peertest.Frame(0xc1, peertest.Squeeze([]byte(strings.Repeat("ab", 900)))), 7, true)
	f.Add(peertest.Frame(0x82, peertest.Pattern(9000)), 4096, false)
	f.Fuzz(func(t *testing.T, stream []byte, piece int, deflate bool) {
		if piece < 1 || len(stream) > 1<<16 {
			return
		}
		const most = 32 << 10
		whole, cut := &heard{most: most}, &heard{most: most}
		first := hear(&frames{deflate: deflate}, whole, stream)
		var parts [][]byte
		for rest := stream; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			parts = append(parts, rest[:min(piece, len(rest))])
		}
		reader := &frames{deflate: deflate}
		second := hear(reader, cut, parts...)
		if fmt.Sprint(first) != fmt.Sprint(second) || fmt.Sprint(whole.events) != fmt.Sprint(cut.events) {
			t.Fatalf("in one piece: %v %q; in pieces of %d: %v %q", first, whole.events, piece, second, cut.events)
		}
		if cap(reader.data) > 2*most+eagerSize {
			t.Fatalf("%d bytes were set aside", cap(reader.data))
		}
		var wrong *breach
		if first != nil && first != errLeft && (!errors.As(first, &wrong) || !sendableCode(wrong.code)) {
			t.Fatalf("unexpected error %v", first)
		}
	})
}
