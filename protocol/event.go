// Events of connections: OPEN, MESSAGE, CLOSE, BUFFER (SPEC.md §9).

package protocol

import "slices"

// FlagBinary says that a message is bytes; without it, it is UTF-8 text (SPEC.md §9.5).
const FlagBinary Flags = 4

// Open says that a client has come (SPEC.md §9.4).
type Open struct {
	Stream     uint32
	Connection Connection
	Attempt    int      // 1, or 2 when another worker died with it or may have begun it; 0 is encoded as 1
	Request    *Request // a WebSocket's upgrade request, of which Method to Headers, TLS and ID count; nil for TCP
}

// Incoming is a client's message: MESSAGE (SPEC.md §9.5).
type Incoming struct {
	Stream     uint32
	Flags      Flags // FlagEnd, FlagBinary
	Connection Connection
	Attempt    int
	Bytes      []byte // its first bytes, at most [MaxData]
	More       []Later
	About      []string // what came with it beside its bytes: name, value, name, value, … (SPEC.md §16.5)
}

// Later is a message that travels behind another one of its connection.
type Later struct {
	Flags Flags // FlagBinary; FlagEnd is implied
	Bytes []byte
	About []string // as Incoming's
}

// Close says that a connection has ended (SPEC.md §9.6).
type Close struct {
	Stream     uint32
	Connection Connection
	Attempt    int
	Code       int // one of the Close constants, or another of RFC 6455 §7.4
	Reason     string
	Clean      bool // both ends took leave of each other
}

// Codes of [Close] and [Hangup] (SPEC.md §9.6, RFC 6455 §7.4).
const (
	CloseNormal   = 1000
	CloseGoing    = 1001 // the host stops
	CloseProtocol = 1002
	CloseNoCode   = 1005 // never sent to a client
	CloseBroken   = 1006 // never sent to a client
	CloseNotText  = 1007
	ClosePolicy   = 1008
	CloseTooBig   = 1009
	CloseError    = 1011
	CloseRestart  = 1012 // the worker that speaks it leaves
	CloseTryAgain = 1013 // the host has no memory left for a large message, or who closed it said so
)

// Buffer says that a client is slow, or has caught up (SPEC.md §9.7).
type Buffer struct {
	Stream     uint32
	Connection Connection
	Attempt    int
	Full       bool
	Bytes      int64 // how many wait
}

// Type implements [Message].
func (*Open) Type() Type { return TypeOpen }

// Type implements [Message].
func (*Incoming) Type() Type { return TypeMessage }

// Type implements [Message].
func (*Close) Type() Type { return TypeClose }

// Type implements [Message].
func (*Buffer) Type() Type { return TypeBuffer }

// AppendFrame implements [Message].
func (m *Open) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeOpen, m.Stream)
	b = m.Connection.append(b)
	t := tail{&shapes[TypeOpen], 3}
	if m.Attempt > 1 {
		b = appendInt(t.upTo(b, 3), int64(m.Attempt))
	}
	if m.Request != nil {
		b = m.Request.appendUpgrade(t.upTo(b, 4))
	}
	return t.endFrame(b, start)
}

func (m *Request) appendUpgrade(b []byte) []byte {
	b = appendArray(b, 9)
	b = appendStr(b, m.Method)
	b = appendStr(b, m.Target)
	b = appendStr(b, m.Version)
	b = appendStr(b, m.Scheme)
	b = appendStr(b, m.Host)
	b = appendStr(b, m.Remote)
	b = appendPairs(b, m.Headers)
	if m.TLS == nil {
		b = appendNil(b)
	} else {
		b = m.TLS.append(b)
	}
	return appendStr(b, m.ID)
}

// Parse reads an OPEN's payload. Errors are [*LinkError].
func (m *Open) Parse(payload []byte) error {
	f := open(payload, TypeOpen)
	*m = Open{Stream: f.stream}
	m.Connection = f.at("connection").connection()
	m.Attempt = int(f.at("attempt").number(1, maxUint))
	if !f.at("request").null() {
		m.Request = f.upgrade()
	}
	return f.end()
}

func (f *fields) upgrade() *Request {
	extra := f.list(9)
	m := &Request{
		Flags: FlagEnd, Attempt: 1, Method: f.str(), Target: f.str(), Version: f.str(), Scheme: f.str(), Host: f.str(),
		Remote:  f.str(),
		Headers: f.pairs(nil), TLS: f.tls(), ID: f.str(),
	}
	f.skipExtra(extra)
	return m
}

// AppendFrame implements [Message].
func (m *Incoming) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeMessage, m.Stream)
	b = appendUint(b, uint64(m.Flags))
	b = m.Connection.append(b)
	b = appendInt(b, int64(or(m.Attempt, 1)))
	b = appendBin(b, m.Bytes)
	t := tail{&shapes[TypeMessage], 6}
	if len(m.More) > 0 {
		b = appendArray(t.upTo(b, 6), len(m.More))
		for i := range m.More {
			b = m.More[i].append(b)
		}
	}
	if len(m.About) > 0 {
		b = appendPairs(t.upTo(b, 7), m.About)
	}
	return t.endFrame(b, start)
}

func (l *Later) append(b []byte) []byte {
	elements := 2
	if len(l.About) > 0 {
		elements = 3
	}
	b = appendArray(b, elements)
	b = appendUint(b, uint64(l.Flags))
	b = appendBin(b, l.Bytes)
	if elements == 3 {
		b = appendPairs(b, l.About)
	}
	return b
}

// Parse reads a MESSAGE's payload. Bytes alias payload. Errors are [*LinkError].
func (m *Incoming) Parse(payload []byte) error {
	f := open(payload, TypeMessage)
	*m = Incoming{Stream: f.stream, More: m.More[:0]}
	m.Flags = f.at("flags").flags(FlagEnd | FlagBinary)
	m.Connection = f.at("connection").connection()
	m.Attempt = int(f.at("attempt").number(1, maxUint))
	if m.Bytes = f.at("bytes").bodyBytes(); len(m.Bytes) == 0 {
		m.Bytes = nil
	}
	n := f.at("more").array()
	if n > 0 {
		const least = 3 // bytes of one
		m.More = slices.Grow(m.More, min(n, f.left()/least))
	}
	for ; n > 0 && f.err == nil; n-- {
		extra := f.list(2)
		later := Later{Flags: f.flags(FlagEnd | FlagBinary), Bytes: f.bodyBytes()}
		if extra > 0 && f.err == nil {
			later.About = f.pairs(nil)
			extra--
		}
		f.skipExtra(extra)
		m.More = append(m.More, later)
	}
	m.About = f.at("about").pairs(nil)
	return f.end()
}

// AppendFrame implements [Message].
func (m *Close) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeClose, m.Stream)
	b = m.Connection.append(b)
	b = appendInt(b, int64(or(m.Attempt, 1)))
	b = appendInt(b, int64(m.Code))
	b = appendStr(b, m.Reason)
	return endFrame(appendBool(b, m.Clean), start)
}

// Parse reads a CLOSE's payload. Errors are [*LinkError].
func (m *Close) Parse(payload []byte) error {
	f := open(payload, TypeClose)
	*m = Close{Stream: f.stream}
	m.Connection = f.at("connection").connection()
	m.Attempt = int(f.at("attempt").number(1, maxUint))
	m.Code = f.at("code").uint()
	m.Reason = f.at("reason").str()
	m.Clean = f.at("clean").bool()
	return f.end()
}

// AppendFrame implements [Message].
func (m *Buffer) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeBuffer, m.Stream)
	b = m.Connection.append(b)
	b = appendInt(b, int64(or(m.Attempt, 1)))
	b = appendBool(b, m.Full)
	return endFrame(appendInt(b, m.Bytes), start)
}

// Parse reads a BUFFER's payload. Errors are [*LinkError].
func (m *Buffer) Parse(payload []byte) error {
	f := open(payload, TypeBuffer)
	*m = Buffer{Stream: f.stream}
	m.Connection = f.at("connection").connection()
	m.Attempt = int(f.at("attempt").number(1, maxUint))
	m.Full = f.at("full").bool()
	m.Bytes = f.at("bytes").long()
	return f.end()
}
