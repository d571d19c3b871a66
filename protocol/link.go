// Messages of the link itself: HELLO, READY, FAILED, PING, PONG, LOG, DRAIN (SPEC.md §3 and §8).

package protocol

import "fmt"

// leastMaxFrame leaves room for 64 KiB of body and a head.
const leastMaxFrame = 128 << 10

// Hello is the host's first frame (SPEC.md §3.2).
type Hello struct {
	Versions   []int
	Pool       string
	Generation uint64 // below 2^63
	Slot       int
	MaxFrame   int    // bytes, at least 128 KiB; 0 is encoded as the default
	Window     int    // bytes of DATA that the worker may send on a new stream; 0 is encoded as the default
	Host       string // name and version, for logs
	Dev        bool   // error pages may show traces
	Features   []string
	Limits     []Limit
}

// Limit is a number that the host states in place of the one in SPEC.md.
type Limit struct {
	Name  string // one of the Limit constants, or unknown
	Value int64  // not negative
}

// Names of limits (SPEC.md §3.6).
const (
	LimitCalls   = "calls"   // CALLs and SWAPs unanswered; [MaxCalls]
	LimitActs    = "acts"    // bytes of acts that are kept for a stream; [MaxStaged]
	LimitAhead   = "ahead"   // REQUESTs and MESSAGEs ahead; [MaxAhead]
	LimitHeaders = "headers" // bytes of the headers of a response; [MaxHeaders]
	LimitGroups  = "groups"  // of a connection; [MaxGroups]
	LimitName    = "name"    // bytes of a group's name, and of a user id; [MaxName]
)

// Limits are those of this package, for a host that keeps to them.
func Limits() []Limit {
	return []Limit{
		{LimitCalls, MaxCalls}, {LimitActs, MaxStaged}, {LimitAhead, MaxAhead},
		{LimitHeaders, MaxHeaders}, {LimitGroups, MaxGroups}, {LimitName, MaxName},
	}
}

// Limit gives the limit that the host states, or else otherwise, the one of SPEC.md. It is at most 2^31-1.
func (m *Hello) Limit(name string, otherwise int) int {
	for _, l := range m.Limits {
		if l.Name == name {
			return int(min(l.Value, maxUint))
		}
	}
	return otherwise
}

// Ready is a worker's word that it can take requests (SPEC.md §3.3).
type Ready struct {
	Version     int
	PID         int
	SDK         string
	Concurrency int
	Features    []string
	Window      int      // bytes of DATA that the host may send on a new stream; 0 is encoded as the default
	Queues      []string // whose tasks it handles (SPEC.md §18.1)
}

// Failed is a worker's last word when its boot failed (SPEC.md §3.4).
type Failed struct {
	Message string
	Trace   string
}

// Ping asks for a Pong with the same token, which is below 2^63 (SPEC.md §8.1).
type Ping struct{ Token uint64 }

// Pong answers a Ping.
type Pong struct{ Token uint64 }

// LogPrint is the level of a LOG that is no entry, but a piece of what the worker's code has printed, as it came
// (SPEC.md §8.2).
const LogPrint = "print"

// Log is an entry for the host's log (SPEC.md §8.2). Stream is 0 or the stream that it belongs to.
type Log struct {
	Stream  uint32
	Level   string
	Message string
	Context Value
}

// Drain asks a worker to finish what it has and to exit (SPEC.md §8.3).
type Drain struct {
	Deadline int64 // milliseconds from now until what is still open is given up; 0 is never
}

// Ending is a worker's word that it ends by itself (SPEC.md §8.5).
type Ending struct {
	Last uint32 // the last stream that it has begun; it begins none above that
}

// Has says whether the worker offered the feature (SPEC.md §3.5).
func (r *Ready) Has(feature string) bool {
	for _, f := range r.Features {
		if f == feature {
			return true
		}
	}
	return false
}

// Type implements [Message].
func (*Hello) Type() Type { return TypeHello }

// Type implements [Message].
func (*Ready) Type() Type { return TypeReady }

// Type implements [Message].
func (*Failed) Type() Type { return TypeFailed }

// Type implements [Message].
func (*Ping) Type() Type { return TypePing }

// Type implements [Message].
func (*Pong) Type() Type { return TypePong }

// Type implements [Message].
func (*Log) Type() Type { return TypeLog }

// Type implements [Message].
func (*Drain) Type() Type { return TypeDrain }

// Type implements [Message].
func (*Ending) Type() Type { return TypeEnding }

// begin appends room for the length, the count of all elements that the message can have, the type and the stream.
func begin(b []byte, t Type, stream uint32) []byte {
	if n := shapes[t].first + len(shapes[t].defaults.at) - 1; n <= 15 {
		b = append(b, 0, 0, 0, 0, 0x90|byte(n), byte(t))
	} else {
		b = append(b, 0, 0, 0, 0, 0xdc, 0, byte(n), byte(t))
	}
	return appendUint(b, uint64(stream))
}

// AppendFrame implements [Message].
func (m *Hello) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeHello, 0)
	b = appendArray(b, len(m.Versions))
	for _, v := range m.Versions {
		b = appendInt(b, int64(v))
	}
	b = appendStr(b, m.Pool)
	b = appendUint(b, m.Generation)
	b = appendInt(b, int64(m.Slot))
	b = appendInt(b, int64(or(m.MaxFrame, MaxFrame)))
	b = appendInt(b, int64(or(m.Window, DefaultWindow)))
	b = appendStr(b, m.Host)
	b = appendBool(b, m.Dev)
	b = appendPairs(b, m.Features)
	b = appendArray(b, 2*len(m.Limits))
	for _, l := range m.Limits {
		b = appendInt(appendStr(b, l.Name), l.Value)
	}
	return endFrame(b, start)
}

// Parse reads a HELLO's payload. Errors are [*LinkError].
func (m *Hello) Parse(payload []byte) error {
	f := open(payload, TypeHello)
	*m = Hello{}
	for n := f.at("versions").array(); n > 0 && f.err == nil; n-- {
		m.Versions = append(m.Versions, f.uint())
	}
	m.Pool = f.at("pool").str()
	m.Generation = uint64(f.at("generation").long())
	m.Slot = f.at("slot").uint()
	m.MaxFrame = int(f.at("max_frame").number(leastMaxFrame, maxUint))
	m.Window = int(f.at("window").number(1, MaxWindow))
	m.Host = f.at("host").str()
	m.Dev = f.at("dev").bool()
	m.Features = f.at("features").strings(nil)
	m.Limits = f.at("limits").limits()
	return f.end()
}

func (f *fields) limits() (all []Limit) {
	start := f.pos
	n := f.array()
	if n%2 != 0 {
		f.fail(start, "a list of names and numbers", fmt.Sprintf("an odd number of elements, %d,", n))
	}
	for ; n > 0 && f.err == nil; n -= 2 {
		all = append(all, Limit{Name: f.str(), Value: f.long()})
	}
	return all
}

// AppendFrame implements [Message].
func (m *Ready) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeReady, 0)
	b = appendInt(b, int64(m.Version))
	b = appendInt(b, int64(m.PID))
	b = appendStr(b, m.SDK)
	b = appendInt(b, int64(or(m.Concurrency, 1)))
	b = appendArray(b, len(m.Features))
	for _, s := range m.Features {
		b = appendStr(b, s)
	}
	b = appendInt(b, int64(or(m.Window, DefaultWindow)))
	t := tail{&shapes[TypeReady], 8}
	if len(m.Queues) > 0 {
		b = appendPairs(t.upTo(b, 8), m.Queues)
	}
	return t.endFrame(b, start)
}

// Parse reads a READY's payload. Errors are [*LinkError].
func (m *Ready) Parse(payload []byte) error {
	f := open(payload, TypeReady)
	*m = Ready{}
	m.Version = f.at("version").uint()
	m.PID = f.at("pid").uint()
	m.SDK = f.at("sdk").str()
	m.Concurrency = int(f.at("concurrency").number(1, maxUint))
	m.Features = f.at("features").strings(nil)
	m.Window = int(f.at("window").number(1, MaxWindow))
	m.Queues = f.at("queues").strings(nil)
	return f.end()
}

// AppendFrame implements [Message].
func (m *Failed) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeFailed, 0)
	b = appendStr(b, m.Message)
	b = appendStr(b, m.Trace)
	return endFrame(b, start)
}

// Parse reads a FAILED's payload. Errors are [*LinkError].
func (m *Failed) Parse(payload []byte) error {
	f := open(payload, TypeFailed)
	*m = Failed{}
	m.Message = f.at("message").str()
	m.Trace = f.at("trace").str()
	return f.end()
}

// AppendFrame implements [Message].
func (m *Ping) AppendFrame(b []byte) []byte { return appendToken(b, TypePing, m.Token) }

// AppendFrame implements [Message].
func (m *Pong) AppendFrame(b []byte) []byte { return appendToken(b, TypePong, m.Token) }

func appendToken(b []byte, t Type, token uint64) []byte {
	start := len(b)
	return endFrame(appendUint(begin(b, t, 0), token), start)
}

// Parse reads a PING's payload. Errors are [*LinkError].
func (m *Ping) Parse(payload []byte) (err error) {
	m.Token, err = parseToken(payload, TypePing)
	return err
}

// Parse reads a PONG's payload. Errors are [*LinkError].
func (m *Pong) Parse(payload []byte) (err error) {
	m.Token, err = parseToken(payload, TypePong)
	return err
}

func parseToken(payload []byte, t Type) (token uint64, err error) {
	f := open(payload, t)
	token = uint64(f.at("token").long())
	return token, f.end()
}

// AppendFrame implements [Message].
func (m *Log) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeLog, m.Stream)
	b = appendStr(b, m.Level)
	b = appendStr(b, m.Message)
	b = appendValue(b, m.Context)
	return endFrame(b, start)
}

// Parse reads a LOG's payload. Errors are [*LinkError].
func (m *Log) Parse(payload []byte) error {
	f := open(payload, TypeLog)
	*m = Log{Stream: f.stream}
	m.Level = f.at("level").str()
	m.Message = f.at("message").str()
	m.Context = f.at("context").value()
	return f.end()
}

// AppendFrame implements [Message].
func (m *Drain) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeDrain, 0)
	t := tail{&shapes[TypeDrain], 2}
	if m.Deadline != 0 {
		b = appendInt(t.upTo(b, 2), m.Deadline)
	}
	return t.endFrame(b, start)
}

// Parse reads a DRAIN's payload. Errors are [*LinkError].
func (m *Drain) Parse(payload []byte) error {
	f := open(payload, TypeDrain)
	*m = Drain{}
	m.Deadline = f.at("deadline").long()
	return f.end()
}

// AppendFrame implements [Message].
func (m *Ending) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeEnding, 0)
	t := tail{&shapes[TypeEnding], 2}
	if m.Last != 0 {
		b = appendUint(t.upTo(b, 2), uint64(m.Last))
	}
	return t.endFrame(b, start)
}

// Parse reads an ENDING's payload. Errors are [*LinkError].
func (m *Ending) Parse(payload []byte) error {
	f := open(payload, TypeEnding)
	*m = Ending{}
	m.Last = uint32(f.at("last").uint())
	return f.end()
}

func or(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}
