package listen

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/protocol"
)

// clientFrame is a frame as a client sends it. first is its first byte.
func clientFrame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, mask[:]...)
	from := len(b)
	b = append(b, payload...)
	ws.Cipher(b[from:], mask, 0)
	return b
}

func clientText(s string) []byte { return clientFrame(0x81, []byte(s)) }

func clientClose(code int, reason string) []byte {
	return clientFrame(0x88, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

func squeeze(data []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression)
	w.Write(data)
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// heard notes what frames make of a stream.
type heard struct {
	events []string
	most   int64
}

func (h *heard) message(data []byte, binary bool) error {
	h.events = append(h.events, fmt.Sprintf("%v %s", binary, digest(data)))
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
		clientText(""), clientText("a"), clientText(long),
		clientFrame(0x01, []byte("one ")), clientFrame(0x89, []byte("are you there?")), clientFrame(0x00, []byte("two ")), clientFrame(0x8a, nil), clientFrame(0x80, []byte("three")),
		clientFrame(0x82, pattern(300)),
		clientFrame(0xc1, squeeze([]byte(long))),
		clientFrame(0x41, squeeze([]byte(long))[:9]), clientFrame(0x80, squeeze([]byte(long))[9:]),
		clientClose(4321, "gone ☂"),
	}, nil)
	want := []string{
		"false " + digest(nil), "false " + digest([]byte("a")), "false " + digest([]byte(long)),
		"9 are you there?", "a ", "false " + digest([]byte("one two three")), "true " + digest(pattern(300)),
		"false " + digest([]byte(long)), "false " + digest([]byte(long)), "leave 4321gone ☂",
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
		data := pattern(size)
		whole := clientFrame(0x82, data)
		half := bytes.Join([][]byte{clientFrame(0x02, data[:size/2]), clientFrame(0x80, data[size/2:])}, nil)
		for _, stream := range [][]byte{whole, half} {
			for _, piece := range []int{1 + size/3, 4096, 1 << 16} {
				to := &heard{most: 16 << 20}
				var parts [][]byte
				for rest := stream; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
					parts = append(parts, rest[:min(piece, len(rest))])
				}
				if err := hear(new(frames), to, parts...); err != nil || len(to.events) != 1 || to.events[0] != "true "+digest(data) {
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
		"unmasked":                       {stream: unmasked, code: 1002},
		"RSV1 without an extension":      {stream: clientFrame(0xc1, []byte("a")), code: 1002},
		"RSV2":                           {stream: clientFrame(0xa1, []byte("a")), deflate: true, code: 1002},
		"RSV3":                           {stream: clientFrame(0x91, []byte("a")), deflate: true, code: 1002},
		"RSV1 of a ping":                 {stream: clientFrame(0xc9, nil), deflate: true, code: 1002},
		"RSV1 of a continuation":         {stream: join(clientFrame(0x41, []byte("a")), clientFrame(0xc0, nil)), deflate: true, code: 1002},
		"opcode 3":                       {stream: clientFrame(0x83, nil), code: 1002},
		"opcode 7":                       {stream: clientFrame(0x87, nil), code: 1002},
		"opcode 11":                      {stream: clientFrame(0x8b, nil), code: 1002},
		"opcode 15":                      {stream: clientFrame(0x8f, nil), code: 1002},
		"a long ping":                    {stream: clientFrame(0x89, pattern(126)), code: 1002},
		"a ping in fragments":            {stream: clientFrame(0x09, nil), code: 1002},
		"a continuation of nothing":      {stream: clientFrame(0x80, []byte("a")), code: 1002},
		"a continuation after the end":   {stream: join(clientText("a"), clientFrame(0x00, []byte("a"))), code: 1002},
		"a text inside a message":        {stream: join(clientFrame(0x01, []byte("a")), clientText("b")), code: 1002},
		"a length with the highest bit":  {stream: frame(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4), code: 1002},
		"a length of 125 in two bytes":   {stream: frame(0x82, 0xfe, 0, 125, 1, 2, 3, 4), code: 1002},
		"a length of 65535 in eight":     {stream: frame(0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4), code: 1002},
		"half a close code":              {stream: clientFrame(0x88, []byte{3}), code: 1002},
		"close code 0":                   {stream: clientClose(0, ""), code: 1002},
		"close code 999":                 {stream: clientClose(999, ""), code: 1002},
		"close code 1004":                {stream: clientClose(1004, ""), code: 1002},
		"close code 1005":                {stream: clientClose(1005, ""), code: 1002},
		"close code 1006":                {stream: clientClose(1006, ""), code: 1002},
		"close code 1015":                {stream: clientClose(1015, ""), code: 1002},
		"close code 2999":                {stream: clientClose(2999, ""), code: 1002},
		"close code 5000":                {stream: clientClose(5000, ""), code: 1002},
		"a close reason that is no text": {stream: clientClose(1000, "\xff"), code: 1007},
		"text that is none":              {stream: clientText("a\xc3"), code: 1007},
		"text with a surrogate":          {stream: clientText("\xed\xa0\x80"), code: 1007},
		"a character cut for good":       {stream: join(clientFrame(0x01, []byte("\xe2\x82")), clientFrame(0x80, []byte("a"))), code: 1007},
		"damaged compression":            {stream: clientFrame(0xc2, []byte{0xff, 0xff, 0xff}), deflate: true, code: 1007},
		"compressed text that is none":   {stream: clientFrame(0xc1, squeeze([]byte("\xff"))), deflate: true, code: 1007},
		"too big by one":                 {stream: clientFrame(0x82, pattern(1001)), code: 1009},
		"too big by its head alone":      {stream: frame(0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4), code: 1009},
		"too big in fragments":           {stream: join(clientFrame(0x02, pattern(600)), clientFrame(0x80, pattern(401))), code: 1009},
		"a bomb":                         {stream: clientFrame(0xc2, squeeze(make([]byte, 1<<20))[:900]), deflate: true, code: 1009},
	} {
		var wrong *breach
		to := &heard{most: 1000}
		if err := hear(&frames{deflate: c.deflate}, to, c.stream); !errors.As(err, &wrong) || wrong.code != c.code {
			t.Errorf("%s: %v, expected %d; %q", name, err, c.code, to.events)
		}
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		to := new(heard)
		if err := hear(new(frames), to, clientClose(code, "")); err != errLeft {
			t.Errorf("close code %d: %v", code, err)
		}
	}
	to := &heard{most: 1000}
	if err := hear(new(frames), to, clientFrame(0x82, pattern(1000)), clientFrame(0x88, nil)); err != errLeft || to.events[1] != "leave 1005" {
		t.Errorf("the largest message: %v, %q", err, to.events)
	}
}

func TestABombIsNotInflatedBeyondTheLimit(t *testing.T) {
	bomb := squeeze(make([]byte, 16<<20))
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
		for _, size := range []int{0, 1, 125, 126, 127, deflateFrom - 1, deflateFrom, 65534, 65535, 65536, 65537, 1 << 20} {
			for _, data := range [][]byte{bytes.Repeat([]byte("a"), size), pattern(size)} {
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
	if f := closeFrame(1000, strings.Repeat("€", 60)); len(f) != 2+2+3*41 {
		t.Errorf("a close frame with a long reason has %d bytes", len(f))
	}
	if f := closeFrame(protocol.CloseNoCode, "x"); len(f) != 2 {
		t.Errorf("a close frame without a code: %x", f)
	}
}

func TestOnlyOffersThatWeCanMeetAreAccepted(t *testing.T) {
	ours := "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for offer, want := range map[string]string{
		"":                   "",
		"permessage-deflate": ours,
		"permessage-deflate; client_max_window_bits":                                                  ours,
		"permessage-deflate; client_max_window_bits=12":                                               ours,
		"permessage-deflate; server_max_window_bits=15":                                               ours + "; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=15; client_max_window_bits":                       ours + "; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=9, permessage-deflate; server_max_window_bits=15": ours + "; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=16":                                               "",
		"permessage-deflate; server_max_window_bits":                                                  "",
		"permessage-deflate; server_max_window_bits=10":                                               "",
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":                           ours,
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover":                  ours,
		"x-other; a=1, permessage-deflate":                                                            ours,
		"permessage-deflate; unheard_of":                                                              "",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover":                  "",
		"permessage-deflate; client_max_window_bits=99":                                               "",
		"permessage-deflate; client_max_window_bits=\"8\"; server_no_context_takeover":                ours,
		"; ;": "",
	} {
		if got := agreeOnDeflate([]string{offer}); got != want {
			t.Errorf("%q: %q", offer, got)
		}
	}
	if got := agreeOnDeflate([]string{"x-other", "permessage-deflate"}); got != ours {
		t.Errorf("in a second field: %q", got)
	}
}

func FuzzWebSocketReader(f *testing.F) {
	f.Add(clientText("hello"), 3, true)
	f.Add(bytes.Join([][]byte{clientFrame(0x01, []byte("a")), clientFrame(0x89, []byte("p")), clientFrame(0x80, []byte("b")), clientClose(1000, "bye")}, nil), 1, false)
	f.Add(clientFrame(0xc1, squeeze([]byte(strings.Repeat("ab", 900)))), 7, true)
	f.Add(clientFrame(0x82, pattern(9000)), 4096, false)
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
