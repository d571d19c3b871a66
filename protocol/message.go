// What all messages share: types, flags, the head, and the way a payload is opened.

package protocol

import (
	"errors"
	"fmt"
	"strconv"
)

// Type is a message's type (SPEC.md §12).
type Type uint8

// The message types of version 1.
const (
	TypeHello  Type = 1
	TypeReady  Type = 2
	TypeFailed Type = 3
	TypePing   Type = 4
	TypePong   Type = 5
	TypeLog    Type = 6
	TypeDrain  Type = 7
	TypeEnding Type = 8

	TypeRequest  Type = 16
	TypeResponse Type = 17
	TypeInform   Type = 18
	TypeData     Type = 19
	TypeWindow   Type = 20
	TypeReset    Type = 21
	TypeDone     Type = 22

	TypeOpen    Type = 32
	TypeMessage Type = 33
	TypeClose   Type = 34
	TypeBuffer  Type = 35
	TypeSend    Type = 36
	TypeHangup  Type = 37
	TypeJoin    Type = 38
	TypeLeave   Type = 39
	TypeBind    Type = 40
	TypeSet     Type = 41
	TypeAccept  Type = 42

	TypeFetched Type = 43

	TypeTask     Type = 44
	TypePush     Type = 45
	TypeSettle   Type = 46
	TypeProgress Type = 47

	TypeCall   Type = 48
	TypeResult Type = 49
	TypeSwap   Type = 50

	TypePurge Type = 51
)

// Act says whether the type is one of the acts of SPEC.md §10.3, §18 and §20, which may travel on any stream.
func (t Type) Act() bool {
	return t >= TypeSend && t <= TypeAccept || t >= TypePush && t <= TypeProgress || t == TypePurge
}

// String gives the type's name in SPEC.md, or "type N".
func (t Type) String() string {
	if !t.known() {
		return fmt.Sprintf("type %d", uint8(t))
	}
	return shapes[t].name
}

// Flags of RESPONSE, REQUEST and DATA (SPEC.md §4.4).
type Flags uint8

// END closes one direction of a stream; DONE ends the lease.
const (
	FlagEnd  Flags = 1
	FlagDone Flags = 2
)

// Message is any message. AppendFrame appends it to b as one whole frame, length included, and returns the longer
// slice.
type Message interface {
	Type() Type
	AppendFrame(b []byte) []byte
}

// Head reads what every payload begins with (SPEC.md §2.1) without touching the rest.
func Head(payload []byte) (t Type, stream uint32, err error) {
	d := decoder{b: payload}
	t, stream, _ = d.head()
	if d.err != nil {
		return 0, 0, d.headError()
	}
	return t, stream, nil
}

const maxType = 127

func (d *decoder) head() (t Type, stream uint32, elements int) {
	n := d.array()
	if d.err == nil && n < 2 {
		d.fail(0, "at least 2 elements", strconv.Itoa(n))
	}
	t = Type(d.number(0, maxType))
	stream = uint32(d.uint())
	return t, stream, n - 2
}

// linkError turns the mismatch at hand into one that names the place.
func (d *decoder) linkError(place, section string) error {
	var m *mismatch
	if !errors.As(d.err, &m) {
		return d.err
	}
	got := fmt.Sprintf("%s at byte %d", m.got, m.at)
	return &LinkError{Expected: place + ": " + m.want, Got: got, Section: section, Bytes: clip(d.b)}
}

// headError is linkError for what every payload begins with. What is no array can't have been meant for a frame.
func (d *decoder) headError() error {
	err := d.linkError("an array [type, stream, …]", "2.1")
	if e, ok := err.(*LinkError); ok {
		e.NoFrame = len(d.b) == 0 || kind(d.b[0]) != "an array"
	}
	return err
}

// CheckStream refuses a message of the link on a stream, and one of a stream on the link (SPEC.md §2.2). A type that
// is not known may be on any. Errors are [*LinkError].
func CheckStream(t Type, stream uint32) error {
	place := " on stream 0"
	switch {
	case t <= TypeEnding && t != TypeLog && stream != 0:
	case t > TypeEnding && !t.Act() && stream == 0:
		place = " on a stream above 0"
	default:
		return nil
	}
	if !t.known() {
		return nil
	}
	return &LinkError{Expected: t.String() + place, Got: fmt.Sprintf("it on stream %d", stream), Section: "2.2"}
}

// fields walks a payload's elements by position. at moves to the next one, which may be a default; wrap up with end.
type fields struct {
	decoder
	t      Type
	stream uint32
	n      int // elements to come
	sent   int // elements after the stream
	name   string
}

// open begins to read a payload of type t.
func open(payload []byte, t Type) fields {
	f := fields{decoder: decoder{b: payload}, t: t, name: "head"}
	f.begin()
	return f
}

func (f *fields) begin() {
	t, stream, sent := f.head()
	f.stream, f.sent, f.n = stream, sent, sent
	switch want := shapes[f.t].first - headElements; {
	case f.err != nil:
	case t != f.t:
		f.fail(0, f.t.String(), t.String())
	case sent < want:
		f.fail(0, fmt.Sprintf("at least %d elements after the stream", want), strconv.Itoa(sent))
	default:
		f.err = CheckStream(t, stream)
	}
}

// at moves to the next element, the one called name: what is read then is what was sent, or else its default.
func (f *fields) at(name string) *fields {
	if f.err == nil {
		f.name = name
		if f.n--; f.n < 0 {
			f.omitted()
		}
	}
	return f
}

// omitted has the defaults read of the element that at has moved to and of those after it, as if they had been sent.
func (f *fields) omitted() {
	if f.whole(); f.err == nil {
		d, from := &shapes[f.t].defaults, headElements+f.sent-shapes[f.t].first
		f.b, f.pos, f.n = d.encoded, d.at[from], len(d.at)-from-2
	}
}

// whole refuses bytes behind what has been read.
func (f *fields) whole() {
	if f.err == nil && f.left() > 0 {
		f.surplus()
	}
}

func (f *fields) surplus() {
	f.name = "end"
	f.fail(f.pos, "nothing after the array", fmt.Sprintf("%d bytes", f.left()))
}

// critical is the least of the flags that make the message an unknown one for whoever does not know them. No version
// has any yet.
const critical = 256

// flags reads flags, of which the message can have those given. Others are ignored, unless they are critical (SPEC.md
// §4.4).
func (f *fields) flags(known Flags) Flags {
	n := f.uint()
	if n >= critical {
		f.err = &UnknownError{What: fmt.Sprintf("%s with the flags %d", f.t, n)}
	}
	return Flags(n) & known
}

// end skips the elements that we do not know (SPEC.md §2.3), refuses bytes after the array, and gives the error that
// arose, if any.
func (f *fields) end() error {
	for ; f.err == nil && f.n > 0; f.n-- {
		f.name = "later elements"
		f.skip(0)
	}
	if f.whole(); f.err != nil {
		return f.linkError(f.t.String()+"'s "+f.name, shapes[f.t].section)
	}
	return nil
}
