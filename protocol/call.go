// Calls: what a worker asks the host about connections (SPEC.md §10.4).

package protocol

// Call is CALL: a question.
type Call struct {
	Stream    uint32 // even
	Method    string
	Arguments []Value
}

// Swap is SWAP: it changes a session if nobody else has.
type Swap struct {
	Stream     uint32 // even
	Connection string
	Version    int64 // of the session that the change builds on
	Set        []Entry
	Unset      []string
}

// Result is RESULT: the answer to a [Call] or a [Swap].
type Result struct {
	Stream uint32
	Error  string // "" if all is well
	Value  Value
}

// MaxCalls is how many calls a worker may have unanswered (SPEC.md §10.5).
const MaxCalls = 64

// Type implements [Message].
func (*Call) Type() Type { return TypeCall }

// Type implements [Message].
func (*Swap) Type() Type { return TypeSwap }

// Type implements [Message].
func (*Result) Type() Type { return TypeResult }

// AppendFrame implements [Message].
func (m *Call) AppendFrame(b []byte) []byte {
	n := 1
	if len(m.Arguments) > 0 {
		n = 2
	}
	start := len(b)
	b = appendStr(begin(b, TypeCall, m.Stream, n), m.Method)
	if n > 1 {
		b = appendArray(b, len(m.Arguments))
		for _, v := range m.Arguments {
			b = appendValue(b, v)
		}
	}
	return endFrame(b, start)
}

// Parse reads a CALL's payload. Errors are [*LinkError].
func (m *Call) Parse(payload []byte) error {
	f := open(payload, TypeCall, 1)
	*m = Call{Stream: f.stream}
	if f.next("method") {
		m.Method = f.str()
	}
	if f.next("arguments") {
		m.Arguments = f.values()
	}
	return f.end()
}

// AppendFrame implements [Message].
func (m *Swap) AppendFrame(b []byte) []byte {
	n := 3
	if len(m.Unset) > 0 {
		n = 4
	}
	start := len(b)
	b = appendStr(begin(b, TypeSwap, m.Stream, n), m.Connection)
	b = appendInt(b, m.Version)
	b = AppendEntries(b, m.Set)
	if n > 3 {
		b = appendPairs(b, m.Unset)
	}
	return endFrame(b, start)
}

// Parse reads a SWAP's payload. Errors are [*LinkError].
func (m *Swap) Parse(payload []byte) error {
	f := open(payload, TypeSwap, 3)
	*m = Swap{Stream: f.stream}
	if f.next("connection") {
		m.Connection = f.str()
	}
	if f.next("version") {
		m.Version = f.long()
	}
	if f.next("set") {
		m.Set = f.entries()
	}
	m.Unset = f.optional("unset")
	return f.end()
}

// AppendFrame implements [Message].
func (m *Result) AppendFrame(b []byte) []byte {
	n := 1
	if len(m.Value) > 0 {
		n = 2
	}
	start := len(b)
	b = appendStr(begin(b, TypeResult, m.Stream, n), m.Error)
	if n > 1 {
		b = appendValue(b, m.Value)
	}
	return endFrame(b, start)
}

// Parse reads a RESULT's payload. Errors are [*LinkError].
func (m *Result) Parse(payload []byte) error {
	f := open(payload, TypeResult, 1)
	*m = Result{Stream: f.stream}
	if f.next("error") {
		m.Error = f.str()
	}
	if f.next("value") {
		m.Value = f.value()
	}
	return f.end()
}
