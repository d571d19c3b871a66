// What has the host make a request of its own, whose answer is the client's (SPEC.md §15): RESPONSE's fetch, and
// FETCHED.

package protocol

// Features of fetches (SPEC.md §15).
const (
	FeatureFetch   = "fetch"   // of a HELLO: the host fetches for this pool
	FeatureFetched = "fetched" // of a READY: the worker wants to know how fetches ended
	// likewise: it answers in the place of those of which nothing came
	FeatureFetchFailed = "fetch-failed"
)

// Names in a [Fetch]'s Pass that are none of a field.
const (
	PassAll    = "*"       // all fields but Set-Cookie
	PassStatus = ":status" // the status
)

// Fetch has the host ask URL, and give the client what that answers (SPEC.md §15.1). The RESPONSE's body is that of
// the request.
type Fetch struct {
	URL     string
	Method  string   // "" is encoded as GET
	Headers []string // name, value, name, value, …
	Pass    []string // what goes on of the answer's head: names of fields, PassAll, PassStatus
	Context Value    // for FETCHED
	Keep    int64    // bytes of the answer's body that FETCHED is to have
	Timeout int64    // milliseconds for all of it; 0 is the pool's
}

// Fetched says how a fetch ended: FETCHED (SPEC.md §15.3).
type Fetched struct {
	Stream  uint32
	Flags   Flags  // FlagEnd
	ID      string // of the fetch; no other has it
	Attempt int    // 1, or 2 when another worker died with it; 0 is encoded as 1
	URL     string
	Status  int      // of the answer; 0: there was none
	Headers []string // likewise
	Length  int64    // bytes of its body that came
	Took    int64    // milliseconds, from the request to the end
	End     string   // how it ended: one of the Fetch constants
	Reason  string   // for a person
	Request string   // id of the client's request
	Context Value
	Bytes   []byte // the first bytes of what was kept of the body, at most [MaxData]
}

// How a fetch ended (SPEC.md §15.3).
const (
	FetchComplete = "complete"
	FetchLeft     = "left"    // the client has gone
	FetchBroke    = "broke"   // the other end has, or can't be reached
	FetchTimeout  = "timeout" // it took longer than it may
	FetchLimit    = "limit"   // it was longer than it may be
	FetchRefused  = "refused" // it led to where it must not
)

// Type implements [Message].
func (*Fetched) Type() Type { return TypeFetched }

func (m *Fetch) append(b []byte) []byte {
	start := len(b)
	b = appendArray(b, 7)
	b = appendStr(b, m.URL)
	t := tail{&fetchShape, 1}
	if m.Method != "" && m.Method != "GET" {
		b = appendStr(t.upTo(b, 1), m.Method)
	}
	if len(m.Headers) > 0 {
		b = appendPairs(t.upTo(b, 2), m.Headers)
	}
	if len(m.Pass) > 0 {
		b = appendPairs(t.upTo(b, 3), m.Pass)
	}
	if len(m.Context) > 0 {
		b = appendValue(t.upTo(b, 4), m.Context)
	}
	if m.Keep != 0 {
		b = appendInt(t.upTo(b, 5), m.Keep)
	}
	if m.Timeout != 0 {
		b = appendInt(t.upTo(b, 6), m.Timeout)
	}
	return t.count(b, start)
}

func (f *fields) fetch() *Fetch {
	left := f.list(1)
	m := &Fetch{URL: f.str(), Method: "GET"}
	more := func() bool { left--; return left >= 0 && f.err == nil }
	if more() {
		m.Method = f.str()
	}
	if more() {
		m.Headers = f.pairs(nil)
	}
	if more() {
		m.Pass = f.strings(nil)
	}
	if more() {
		m.Context = f.value()
	}
	if more() {
		m.Keep = f.long()
	}
	if more() {
		m.Timeout = f.long()
	}
	f.skipExtra(left)
	return m
}

// AppendFrame implements [Message].
func (m *Fetched) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeFetched, m.Stream)
	b = appendUint(b, uint64(m.Flags))
	b = appendStr(b, m.ID)
	b = appendInt(b, int64(or(m.Attempt, 1)))
	b = appendStr(b, m.URL)
	b = appendInt(b, int64(m.Status))
	b = appendPairs(b, m.Headers)
	b = appendInt(b, m.Length)
	b = appendInt(b, m.Took)
	b = appendStr(b, m.End)
	b = appendStr(b, m.Reason)
	b = appendStr(b, m.Request)
	b = appendValue(b, m.Context)
	return endFrame(appendBin(b, m.Bytes), start)
}

// Parse reads a FETCHED's payload. Bytes alias payload. Errors are [*LinkError].
func (m *Fetched) Parse(payload []byte) error {
	f := open(payload, TypeFetched)
	*m = Fetched{Stream: f.stream}
	m.Flags = f.at("flags").flags(FlagEnd)
	m.ID = f.at("id").str()
	m.Attempt = int(f.at("attempt").number(1, maxUint))
	m.URL = f.at("url").str()
	m.Status = f.at("status").uint()
	m.Headers = f.at("headers").pairs(nil)
	m.Length = f.at("length").long()
	m.Took = f.at("took").long()
	m.End = f.at("end").str()
	m.Reason = f.at("reason").str()
	m.Request = f.at("request").str()
	m.Context = f.at("context").value()
	if m.Bytes = f.at("bytes").bodyBytes(); len(m.Bytes) == 0 {
		m.Bytes = nil
	}
	return f.end()
}
