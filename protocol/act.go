// Acts: what a worker asks the host to do to connections (SPEC.md §10.1 to §10.3).

package protocol

// Flags of acts (SPEC.md §10.2), beside FlagDone and FlagBinary.
const (
	FlagNow  Flags = 8  // takes effect when it is read
	FlagMore Flags = 16 // SEND's bytes go on in the next one
)

const actFlags = FlagDone | FlagBinary | FlagNow | FlagMore

// MaxStaged is the most bytes of acts that a host keeps for a stream (SPEC.md §10.1).
const MaxStaged = 64 << 20

// What a connection has at most (SPEC.md §10.3), so that what travels with every event stays small.
const (
	MaxGroups = 1000
	MaxName   = 1024 // bytes of a group's name, and of a user id
)

// Act is an act: a message that asks the host for something and has no answer.
type Act interface {
	Message
	// On gives the stream and the flags.
	On() (stream uint32, flags Flags)
	// Parse reads a payload. What it gives aliases nothing. Errors are [*LinkError].
	Parse(payload []byte) error
}

// Audience says whom an act is for.
type Audience int

// The audiences of SPEC.md §10.2.
const (
	ToSelf        Audience = iota // the event's own connection
	ToConnections                 // the connections named by id
	ToUsers
	ToGroups
	ToAll
)

// Send is SEND: a message to each of an audience.
type Send struct {
	Stream uint32
	Flags  Flags // FlagDone, FlagBinary, FlagNow, FlagMore
	To     Audience
	Names  []string
	Bytes  []byte   // at most [MaxData] in a frame
	Except []string // ids
}

// Hangup is HANGUP: it closes each of an audience.
type Hangup struct {
	Stream uint32
	Flags  Flags
	To     Audience
	Names  []string
	Code   int // 0 is encoded as [CloseNormal]
	Reason string
	Except []string
}

// Join is JOIN: it puts a connection into groups.
type Join struct {
	Stream     uint32
	Flags      Flags
	Connection string // "" is the event's own
	Groups     []string
	// Since is the position from which the client wants what was sent to these groups (SPEC.md §19); "" is now. nil:
	// it knows of no positions.
	Since *string
}

// Leave is LEAVE: it takes a connection out of groups.
type Leave struct {
	Stream     uint32
	Flags      Flags
	Connection string
	Groups     []string
}

// Bind is BIND: it binds a connection to a user id.
type Bind struct {
	Stream     uint32
	Flags      Flags
	Connection string
	UID        string // "" unbinds
}

// Set is SET: it changes a connection's session.
type Set struct {
	Stream     uint32
	Flags      Flags
	Connection string
	Set        []Entry
	Unset      []string
}

// Accept is ACCEPT: what the answer to a WebSocket's upgrade says.
type Accept struct {
	Stream      uint32
	Flags       Flags
	Subprotocol string
	Headers     []string // name, value, name, value, …
}

// NewAct gives an empty act of type t to parse into; nil if t is no act.
func NewAct(t Type) Act {
	switch t {
	case TypeSend:
		return new(Send)
	case TypeHangup:
		return new(Hangup)
	case TypeJoin:
		return new(Join)
	case TypeLeave:
		return new(Leave)
	case TypeBind:
		return new(Bind)
	case TypeSet:
		return new(Set)
	case TypeAccept:
		return new(Accept)
	case TypePush:
		return new(Push)
	case TypeSettle:
		return new(Settle)
	case TypeProgress:
		return new(Progress)
	case TypePurge:
		return new(Purge)
	}
	return nil
}

// Type implements [Message].
func (*Send) Type() Type { return TypeSend }

// Type implements [Message].
func (*Hangup) Type() Type { return TypeHangup }

// Type implements [Message].
func (*Join) Type() Type { return TypeJoin }

// Type implements [Message].
func (*Leave) Type() Type { return TypeLeave }

// Type implements [Message].
func (*Bind) Type() Type { return TypeBind }

// Type implements [Message].
func (*Set) Type() Type { return TypeSet }

// Type implements [Message].
func (*Accept) Type() Type { return TypeAccept }

// On implements [Act].
func (m *Send) On() (uint32, Flags) { return m.Stream, m.Flags }

// On implements [Act].
func (m *Hangup) On() (uint32, Flags) { return m.Stream, m.Flags }

// On implements [Act].
func (m *Join) On() (uint32, Flags) { return m.Stream, m.Flags }

// On implements [Act].
func (m *Leave) On() (uint32, Flags) { return m.Stream, m.Flags }

// On implements [Act].
func (m *Bind) On() (uint32, Flags) { return m.Stream, m.Flags }

// On implements [Act].
func (m *Set) On() (uint32, Flags) { return m.Stream, m.Flags }

// On implements [Act].
func (m *Accept) On() (uint32, Flags) { return m.Stream, m.Flags }

func beginAct(b []byte, t Type, stream uint32, flags Flags) []byte {
	return appendUint(begin(b, t, stream), uint64(flags))
}

// AppendFrame implements [Message].
func (m *Send) AppendFrame(b []byte) []byte {
	start := len(b)
	b = beginAct(b, TypeSend, m.Stream, m.Flags)
	b = appendInt(b, int64(m.To))
	b = appendPairs(b, m.Names)
	b = appendBin(b, m.Bytes)
	t := tail{&shapes[TypeSend], 6}
	if len(m.Except) > 0 {
		b = appendPairs(t.upTo(b, 6), m.Except)
	}
	return t.endFrame(b, start)
}

// AppendFrame implements [Message].
func (m *Hangup) AppendFrame(b []byte) []byte {
	start := len(b)
	b = beginAct(b, TypeHangup, m.Stream, m.Flags)
	b = appendInt(b, int64(m.To))
	b = appendPairs(b, m.Names)
	b = appendInt(b, int64(or(m.Code, CloseNormal)))
	b = appendStr(b, m.Reason)
	t := tail{&shapes[TypeHangup], 7}
	if len(m.Except) > 0 {
		b = appendPairs(t.upTo(b, 7), m.Except)
	}
	return t.endFrame(b, start)
}

// AppendFrame implements [Message].
func (m *Join) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendStr(beginAct(b, TypeJoin, m.Stream, m.Flags), m.Connection)
	b = appendPairs(b, m.Groups)
	t := tail{&shapes[TypeJoin], 5}
	if m.Since != nil {
		b = appendStr(t.upTo(b, 5), *m.Since)
	}
	return t.endFrame(b, start)
}

// AppendFrame implements [Message].
func (m *Leave) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendStr(beginAct(b, TypeLeave, m.Stream, m.Flags), m.Connection)
	return endFrame(appendPairs(b, m.Groups), start)
}

// AppendFrame implements [Message].
func (m *Bind) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendStr(beginAct(b, TypeBind, m.Stream, m.Flags), m.Connection)
	return endFrame(appendStr(b, m.UID), start)
}

// AppendFrame implements [Message].
func (m *Set) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendStr(beginAct(b, TypeSet, m.Stream, m.Flags), m.Connection)
	b = AppendEntries(b, m.Set)
	t := tail{&shapes[TypeSet], 5}
	if len(m.Unset) > 0 {
		b = appendPairs(t.upTo(b, 5), m.Unset)
	}
	return t.endFrame(b, start)
}

// AppendFrame implements [Message].
func (m *Accept) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendStr(beginAct(b, TypeAccept, m.Stream, m.Flags), m.Subprotocol)
	return endFrame(appendPairs(b, m.Headers), start)
}
