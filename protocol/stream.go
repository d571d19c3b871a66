// Messages that move a stream along and end it: DATA, WINDOW, RESET, DONE (SPEC.md §4 to §7).

package protocol

import "fmt"

// Data is a piece of a body (SPEC.md §5.5).
type Data struct {
	Stream   uint32
	Flags    Flags
	Bytes    []byte   // at most [MaxData]
	Trailers []string // with FlagEnd only
}

// Window grants room for more DATA (SPEC.md §6.2).
type Window struct {
	Stream uint32
	Bytes  int // 1 to [MaxWindow]
}

// ResetCode says why a stream was given up (SPEC.md §7.1).
type ResetCode int

// The codes of SPEC.md §7.1.
const (
	ResetCancelled ResetCode = 1
	ResetTimeout   ResetCode = 2
	ResetDrained   ResetCode = 3
	ResetRecalled  ResetCode = 4
	ResetRefused   ResetCode = 100
	ResetInternal  ResetCode = 200 // the stream has failed
	ResetUnknown   ResetCode = 201 // what was to open it is not known
)

// String gives the code's name in SPEC.md, or "code N".
func (c ResetCode) String() string {
	switch c {
	case ResetCancelled:
		return "CANCELLED"
	case ResetTimeout:
		return "TIMEOUT"
	case ResetDrained:
		return "DRAINED"
	case ResetRecalled:
		return "RECALLED"
	case ResetRefused:
		return "REFUSED"
	case ResetInternal:
		return "INTERNAL"
	case ResetUnknown:
		return "UNKNOWN"
	}
	return fmt.Sprintf("code %d", int(c))
}

// NotBegun says that nothing of the request was done, so that it may be tried elsewhere (codes 100 to 199).
func (c ResetCode) NotBegun() bool { return c >= 100 && c < 200 }

// Reset gives a stream up (SPEC.md §7.1).
type Reset struct {
	Stream uint32
	Code   ResetCode
	Reason string
}

// Done ends a lease (SPEC.md §4.2).
type Done struct{ Stream uint32 }

// Type implements [Message].
func (*Data) Type() Type { return TypeData }

// Type implements [Message].
func (*Window) Type() Type { return TypeWindow }

// Type implements [Message].
func (*Reset) Type() Type { return TypeReset }

// Type implements [Message].
func (*Done) Type() Type { return TypeDone }

// AppendFrame implements [Message].
func (m *Data) AppendFrame(b []byte) []byte {
	n := 2
	if len(m.Trailers) > 0 {
		n = 3
	}
	start := len(b)
	b = begin(b, TypeData, m.Stream, n)
	b = appendUint(b, uint64(m.Flags))
	b = appendBin(b, m.Bytes)
	if n > 2 {
		b = appendPairs(b, m.Trailers)
	}
	return endFrame(b, start)
}

// Parse reads a DATA's payload. Bytes aliases payload. Errors are [*LinkError].
func (m *Data) Parse(payload []byte) error {
	f := open(payload, TypeData, 2)
	*m = Data{Stream: f.stream}
	if f.next("flags") {
		m.Flags = f.flags(FlagEnd | FlagDone)
	}
	if f.next("bytes") {
		m.Bytes = f.bodyBytes()
	}
	if f.next("trailers") && !f.null() {
		start := f.pos
		if m.Trailers = f.pairs(nil); m.Flags&FlagEnd == 0 {
			f.fail(start, "none without END", "some")
		}
	}
	return f.end()
}

// AppendFrame implements [Message].
func (m *Window) AppendFrame(b []byte) []byte {
	start := len(b)
	return endFrame(appendInt(begin(b, TypeWindow, m.Stream, 1), int64(m.Bytes)), start)
}

// Parse reads a WINDOW's payload. Errors are [*LinkError].
func (m *Window) Parse(payload []byte) error {
	f := open(payload, TypeWindow, 1)
	*m = Window{Stream: f.stream}
	if f.next("bytes") {
		m.Bytes = int(f.number(1, MaxWindow))
	}
	return f.end()
}

// AppendFrame implements [Message].
func (m *Reset) AppendFrame(b []byte) []byte {
	n := 1
	if m.Reason != "" {
		n = 2
	}
	start := len(b)
	b = appendInt(begin(b, TypeReset, m.Stream, n), int64(m.Code))
	if n > 1 {
		b = appendStr(b, m.Reason)
	}
	return endFrame(b, start)
}

// Parse reads a RESET's payload. Errors are [*LinkError].
func (m *Reset) Parse(payload []byte) error {
	f := open(payload, TypeReset, 1)
	*m = Reset{Stream: f.stream}
	if f.next("code") {
		m.Code = ResetCode(f.uint())
	}
	if f.next("reason") {
		m.Reason = f.str()
	}
	return f.end()
}

// AppendFrame implements [Message].
func (m *Done) AppendFrame(b []byte) []byte {
	start := len(b)
	return endFrame(begin(b, TypeDone, m.Stream, 0), start)
}

// Parse reads a DONE's payload. Errors are [*LinkError].
func (m *Done) Parse(payload []byte) error {
	f := open(payload, TypeDone, 0)
	*m = Done{Stream: f.stream}
	return f.end()
}
