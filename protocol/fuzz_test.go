// What no byte from the wire may do: panic, allocate beyond its own size, or be read in two ways.

package protocol

import (
	"bytes"
	"io"
	"reflect"
	"runtime"
	"testing"
	"testing/iotest"
)

// addPayloads seeds f with the payloads of all golden frames, valid and invalid.
func addPayloads(f *testing.F) {
	for _, v := range readVectors(f, "valid.json", "invalid.json", "long.json") {
		if b := v.bytes(f); len(b) >= lengthSize && len(b) < 8<<10 {
			f.Add(b[lengthSize:])
		}
	}
}

// FuzzSplit: frames come out alike from one slice and from a Conn that gets its bytes one by one, and hold exactly the
// bytes of the stream.
func FuzzSplit(f *testing.F) {
	stream, _ := someFrames(f)
	f.Add(stream[:4096], 1000)
	for _, v := range readVectors(f, "valid.json", "invalid.json") {
		f.Add(v.bytes(f), MaxFrame)
	}
	f.Fuzz(func(t *testing.T, stream []byte, limit int) {
		limit &= 1<<31 - 1
		c := NewConn(iotest.OneByteReader(bytes.NewReader(stream)), io.Discard)
		c.SetLimit(limit)
		for rest := stream; ; {
			payload, used, err := Split(rest, limit)
			if used > 0 && (err != nil || used != lengthSize+len(payload) || len(payload) > limit ||
				!bytes.Equal(payload, rest[lengthSize:used])) {
				t.Fatalf("%x gave %d bytes of payload, used %d, error %v", rest, len(payload), used, err)
			}
			again, readErr := c.Read()
			switch {
			case used > 0:
				if readErr != nil || !bytes.Equal(payload, again) {
					t.Fatalf("Split gave %x, Read %x and error %v", payload, again, readErr)
				}
			case err != nil:
				if _, ok := readErr.(*LinkError); !ok {
					t.Fatalf("Split gave error %v, Read %v", err, readErr)
				}
				return
			case len(rest) == 0:
				if readErr != io.EOF {
					t.Fatalf("at the end: %v", readErr)
				}
				return
			default:
				if readErr != io.ErrUnexpectedEOF {
					t.Fatalf("within a frame: %v", readErr)
				}
				return
			}
			rest = rest[used:]
		}
	})
}

// FuzzMessages: what parses is the same message after it was encoded and parsed again; what does not is a LinkError.
// Nothing is kept of the payload but the body, and neither grows with a count.
func FuzzMessages(f *testing.F) {
	addPayloads(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		kind, stream, err := Head(payload)
		if err != nil {
			if _, ok := err.(*LinkError); !ok {
				t.Fatalf("Head: %T", err)
			}
			return
		}
		m := newMessage(kind)
		if m == nil {
			return
		}
		if err := m.Parse(payload); err != nil {
			_, link := err.(*LinkError)
			if _, unknown := err.(*UnknownError); link == unknown || err.Error() == "" {
				t.Fatalf("Parse: %T %v", err, err)
			}
			return
		}
		if m.Type() != kind {
			t.Fatalf("a %v was parsed as %v", kind, m.Type())
		}
		frame := m.AppendFrame(nil)
		again, used, err := Split(frame, MaxFrame)
		if err != nil || used != len(frame) {
			t.Fatalf("%+v encoded is no frame: %x", m, frame)
		}
		if kind2, stream2, err := Head(again); err != nil || kind2 != kind || stream2 != stream {
			t.Fatalf("%v on %d became %v on %d: %v", kind, stream, kind2, stream2, err)
		}
		m2 := newMessage(kind)
		if err := m2.Parse(again); err != nil || !reflect.DeepEqual(leveledMessage(m), leveledMessage(m2)) {
			t.Fatalf("%x\nwas  %+v\nthen %+v\nerror %v", payload, m, m2, err)
		}
	})
}

// leveledMessage makes nil and empty lists alike.
func leveledMessage(m Message) any {
	switch m := m.(type) {
	case *Data:
		m.Trailers = append([]string{}, m.Trailers...)
		m.Bytes = append([]byte{}, m.Bytes...)
	case *Request:
		if m.Form != nil {
			m.Form.Fields = append([]string{}, m.Form.Fields...)
		}
	case *Response, *Open, *Incoming, *Close, *Buffer, Act, *Call, *Result, *Swap, *Fetched, *Task:
		return string(m.AppendFrame(nil))
	}
	return m
}

// FuzzValue: a value that came with a LOG can be decoded without harm, or says that it can't.
func FuzzValue(f *testing.F) {
	for _, v := range readVectors(f, "valid.json", "invalid.json") {
		if m, err := parse(v.bytes(f)[min(lengthSize, len(v.bytes(f))):]); err == nil {
			if l, ok := m.(*Log); ok {
				f.Add([]byte(l.Context))
			}
		}
	}
	for _, s := range []string{"\xd6\xff\x00\x00\x00\x01",
		"\xc7\x0c\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00", "\xc7\x00\xff", "\xd4\x80\x00",
		"\xc7\x03\x80\xcd\xff\xff", "\x82\x01\x02\xa1a\xc0",
		"\xdf\x00\x00\x00\x01\x90\x90", "\x81\x81\x01\x02\x03", "\xca\x7f\xc0\x00\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if all, _ := ParseGroups(b); len(all) > len(b) {
			t.Fatalf("%d groups in %d bytes", len(all), len(b))
		}
		if all, _ := ParseConnections(b); len(all) > len(b) {
			t.Fatalf("%d bytes are %d connections", len(b), len(all))
		}
		d := decoder{b: b}
		v := d.value()
		if d.err != nil {
			return
		}
		if !bytes.Equal(v, b[:d.pos]) && v != nil {
			t.Fatalf("%x came out as %x", b[:d.pos], v)
		}
		if grown := allocated(func() { _, _ = v.Decode() }); grown > uint64(600*len(b)+64<<10) {
			t.Fatalf("decoding %d bytes allocated %d", len(b), grown)
		}
	})
}

// FuzzReadMagic: where the magic is, whether a frame stands in its place, and what came before it, do not depend on
// how the bytes come.
func FuzzReadMagic(f *testing.F) {
	for _, v := range readVectors(f, "startup.json") {
		f.Add(v.bytes(f))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		at := bytes.Index(stream, []byte(Magic))
		for _, r := range []io.Reader{bytes.NewReader(stream), iotest.OneByteReader(bytes.NewReader(stream)),
			iotest.HalfReader(bytes.NewReader(stream))} {
			stray, err := NewConn(r, io.Discard).ReadMagic()
			if found := at >= 0 && at <= MaxStray && !NewConn(nil, io.Discard).bare(stream); found != (err == nil) {
				t.Fatalf("the magic is at %d of %d: error %v", at, len(stream), err)
			}
			if err == nil && !bytes.Equal(stray, stream[:at]) || !bytes.HasPrefix(stream, stray) {
				t.Fatalf("the magic is at %d: %q came before it", at, stray)
			}
		}
	})
}

// allocated is how many bytes f allocates in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A string header takes 16 bytes where the wire needs 1, and a form's file 104 where it needs 7, with room to grow.
const mostPerByte = 64

func TestParsingAllocatesInProportionToTheBytesAtHand(t *testing.T) {
	const size = 1 << 20
	fill := func(head string, with string) []byte {
		b := append(make([]byte, 0, size), head...)
		for len(b)+len(with) <= size {
			b = append(b, with...)
		}
		return b
	}
	request := "\xdc\x00\x10\x10\x01\x01\xa0\xa0\xa0\xa0\xa0\xa0"
	for name, payload := range map[string][]byte{
		"an array of all bytes":            fill("\xdd\xff\xff\xff\xff", "\x00"),
		"HELLO, versions claimed":          fill("\x96\x01\x00\xdd\x00\x0f\xff\x00", "\xc0"),
		"HELLO, versions":                  fill("\x96\x01\x00\xdd\x00\x0f\xff\x00", "\x01"),
		"READY, features claimed":          fill("\x97\x02\x00\x01\x01\xa0\x01\xdd\x00\x0f\xff\x00", "\xc0"),
		"READY, empty features":            fill("\x97\x02\x00\x01\x01\xa0\x01\xdd\x00\x0f\xff\x00", "\xa0"),
		"RESPONSE, headers claimed":        fill("\x95\x11\x01\x03\xcc\xc8\xdd\x00\x0f\xff\x00", "\xa0\xc0"),
		"RESPONSE, empty headers":          fill("\x95\x11\x01\x03\xcc\xc8\xdd\x00\x0f\xff\x00", "\xa0"),
		"RESPONSE, more claimed than 2^31": fill("\x95\x11\x01\x03\xcc\xc8\xdd\xff\xff\xff\xfe", "\xa0"),
		"REQUEST, form fields":             fill(request+"\x90\xc0\x00\x92\xdd\x00\x0f\xfe\x00", "\xa0"),
		"REQUEST, form files": fill(request+"\x90\xc0\x00\x92\x90\xdd\x00\x01\xff\x00",
			"\x96\xa0\xa0\xa0\x00\xa0\x00"),
		"REQUEST, form files claimed": fill(request+"\x90\xc0\x00\x92\x90\xdd\x00\x0f\x00\x00", "\xc0"),
		"LOG, context of arrays":      fill("\x95\x06\x00\xa4info\xa0", "\x91"),
		"LOG, context of nils":        fill("\x95\x06\x00\xa4info\xa0\xdd\x00\x0f\xff\x00", "\xc0"),
		"MESSAGE, session claimed": fill("\x93\x21\x01\x01\x96\xa0\xa0\xa0\xa0\x90\xdd\x00\x0f\xf0\x00",
			"\xc0"),
		"MESSAGE, session": fill("\x93\x21\x01\x01\x96\xa0\xa0\xa0\xa0\x90\xdd\x00\x0f\xf0\x00",
			"\xa0\xc0"),
		"MESSAGE, groups": fill("\x93\x21\x01\x01\x95\xa0\xa0\xa0\xa0\xdd\x00\x0f\xff\x00", "\xa0"),
		"MESSAGE, later ones": fill("\x97\x21\x01\x01\x93\xa0\xa0\xa0\x01\xc4\x00\xdd\x00\x03\xff\x00",
			"\x92\x01\xc4\x00"),
		"SEND, names":     fill("\x96\x24\x01\x00\x01\xdd\x00\x0f\xff\x00", "\xa0"),
		"SET, entries":    fill("\x95\x29\x01\x00\xa0\xdd\x00\x0f\xff\x00", "\xa0\x01"),
		"CALL, arguments": fill("\x94\x30\x02\xa1a\xdd\x00\x0f\xff\x00", "\x01"),
		"later elements":  fill("\xdd\x00\x0f\xff\x00\x07\x00", "\xc0"),
		"text":            fill("", "PHP Warning: "),
	} {
		grown := allocated(func() { _, _ = parse(payload) })
		if grown > mostPerByte*uint64(len(payload)) {
			t.Errorf("%s: %d bytes made it allocate %d", name, len(payload), grown)
		}
	}
	for _, v := range readVectors(t, "invalid.json") {
		payload := v.bytes(t)[lengthSize:]
		if grown := allocated(func() { _, _ = parse(payload) }); grown > uint64(mostPerByte*len(payload)+32<<10) {
			t.Errorf("%s: %d bytes made it allocate %d", v.Name, len(payload), grown)
		}
	}
}
