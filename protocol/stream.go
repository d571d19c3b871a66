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
	ResetAborted   ResetCode = 202 // the client is to get nothing more
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
	case ResetAborted:
		return "ABORTED"
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
	start := len(b)
	b = begin(b, TypeData, m.Stream)
	b = appendUint(b, uint64(m.Flags))
	b = appendBin(b, m.Bytes)
	t := tail{&shapes[TypeData], 4}
	if len(m.Trailers) > 0 {
		b = appendPairs(t.upTo(b, 4), m.Trailers)
	}
	return t.endFrame(b, start)
}

// Parse reads a DATA's payload. Bytes aliases payload. Errors are [*LinkError].
func (m *Data) Parse(payload []byte) error {
	f := open(payload, TypeData)
	*m = Data{Stream: f.stream}
	m.Flags = f.at("flags").flags(FlagEnd | FlagDone)
	m.Bytes = f.at("bytes").bodyBytes()
	if !f.at("trailers").null() {
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
	return endFrame(appendInt(begin(b, TypeWindow, m.Stream), int64(m.Bytes)), start)
}

// Parse reads a WINDOW's payload. Errors are [*LinkError].
func (m *Window) Parse(payload []byte) error {
	f := open(payload, TypeWindow)
	*m = Window{Stream: f.stream}
	m.Bytes = int(f.at("bytes").number(1, MaxWindow))
	return f.end()
}

// AppendFrame implements [Message].
func (m *Reset) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendInt(begin(b, TypeReset, m.Stream), int64(m.Code))
	t := tail{&shapes[TypeReset], 3}
	if m.Reason != "" {
		b = appendStr(t.upTo(b, 3), m.Reason)
	}
	return t.endFrame(b, start)
}

// Parse reads a RESET's payload. Errors are [*LinkError].
func (m *Reset) Parse(payload []byte) error {
	f := open(payload, TypeReset)
	*m = Reset{Stream: f.stream}
	m.Code = ResetCode(f.at("code").uint())
	m.Reason = f.at("reason").str()
	return f.end()
}

// AppendFrame implements [Message].
func (m *Done) AppendFrame(b []byte) []byte {
	start := len(b)
	return endFrame(begin(b, TypeDone, m.Stream), start)
}

// Parse reads a DONE's payload. Errors are [*LinkError].
func (m *Done) Parse(payload []byte) error {
	f := open(payload, TypeDone)
	*m = Done{Stream: f.stream}
	return f.end()
}
