// What all messages share: types, flags, the head, and the way a payload is opened.

package protocol

import "fmt"

// Type is a message's type (SPEC.md §10).
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

	TypeRequest  Type = 16
	TypeResponse Type = 17
	TypeInform   Type = 18
	TypeData     Type = 19
	TypeWindow   Type = 20
	TypeReset    Type = 21
	TypeDone     Type = 22
)

var typeNames = map[Type]string{
	TypeHello: "HELLO", TypeReady: "READY", TypeFailed: "FAILED", TypePing: "PING", TypePong: "PONG", TypeLog: "LOG", TypeDrain: "DRAIN",
	TypeRequest: "REQUEST", TypeResponse: "RESPONSE", TypeInform: "INFORM", TypeData: "DATA", TypeWindow: "WINDOW", TypeReset: "RESET", TypeDone: "DONE",
}

// String gives the type's name in SPEC.md, or "type N".
func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Flags of RESPONSE, REQUEST and DATA (SPEC.md §4.4).
type Flags uint8

// END closes one direction of a stream; DONE ends the lease.
const (
	FlagEnd  Flags = 1
	FlagDone Flags = 2
)

// Message is any message. AppendFrame appends it to b as one whole frame, length included, and returns the longer slice.
type Message interface {
	Type() Type
	AppendFrame(b []byte) []byte
}

// Head reads what every payload begins with (SPEC.md §2.1) without touching the rest.
func Head(payload []byte) (t Type, stream uint32, err error) {
	d := decoder{b: payload}
	t, stream, _ = d.head()
	if d.err != nil {
		return 0, 0, notAMessage(payload)
	}
	return t, stream, nil
}

func notAMessage(payload []byte) error {
	return &LinkError{Expected: "an array [type, stream, …]", Got: "a payload that is none", Bytes: clip(payload)}
}

func (d *decoder) head() (t Type, stream uint32, elements int) {
	n := d.array()
	if d.err == nil && n < 2 {
		d.fail(errForm)
	}
	t = Type(d.uint(127))
	stream = uint32(d.uint(MaxWindow))
	return t, stream, n - 2
}

// fields walks a payload's elements by position. next says whether one more was sent; wrap up with end.
type fields struct {
	decoder
	t      Type
	stream uint32
	n      int
	name   string
}

// open begins to read a payload of type t. want is the number of elements after the stream that have no default.
func open(payload []byte, t Type, want int) fields {
	f := fields{decoder: decoder{b: payload}, t: t}
	var got Type
	got, f.stream, f.n = f.head()
	if f.err == nil && (got != t || f.n < want) {
		f.fail(errForm)
	}
	f.name = "the elements"
	return f
}

// next moves to the element called name, and says whether the sender gave it.
func (f *fields) next(name string) bool {
	if f.err != nil || f.n == 0 {
		return false
	}
	f.n--
	f.name = name
	return true
}

// end skips the elements that we do not know (SPEC.md §2.3), refuses bytes after the array, and gives the error that arose, if any.
func (f *fields) end() error {
	for ; f.err == nil && f.n > 0; f.n-- {
		f.skip(0)
	}
	if f.err == nil && f.left() > 0 {
		f.name = "the end"
		f.fail(errForm)
	}
	if f.err != nil {
		return &LinkError{
			Expected: fmt.Sprintf("%s of %s as SPEC.md has it", f.name, f.t),
			Got:      f.err.Error() + fmt.Sprintf(" at byte %d", f.pos),
			Bytes:    clip(f.b),
		}
	}
	return nil
}
