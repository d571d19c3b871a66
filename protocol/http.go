// Messages of an HTTP exchange: REQUEST, RESPONSE, INFORM (SPEC.md §5).

package protocol

import (
	"fmt"
	"slices"
	"strconv"
)

// Request opens a stream (SPEC.md §5.1).
type Request struct {
	Stream  uint32
	Flags   Flags
	Method  string
	Target  string
	Version string // "1.1"
	Scheme  string
	Host    string
	Remote  string   // "ip:port"
	Headers []string // name, value, name, value, …
	Body    []byte   // its first bytes, at most [MaxData]
	Length  int64    // of the whole body; -1 if not known
	Form    *Form
	TLS     *TLS
	Attempt int // 1, or 2 when another worker died with it; 0 is encoded as 1
	ID      string
	Local   string // what Remote has come to, "ip:port"; only for workers with the feature local
	// Deadline is how many milliseconds the worker may be silent until the host gives the request up; 0 is not told.
	// The pool sets it, for workers with the feature deadline.
	Deadline int64
	// Tunnel is the protocol that the client asks to go on with, of which there is one, [TunnelWebSocket]; "" is none.
	// Only for workers with the feature tunnel, which may answer with 101 then (SPEC.md §5.9).
	Tunnel string
}

// FeatureTunnel is the feature of a READY whose worker may answer a request for a WebSocket with 101.
const FeatureTunnel = "tunnel"

// TunnelWebSocket is the only [Request].Tunnel there is.
const TunnelWebSocket = "websocket"

// Form is a parsed multipart/form-data body (SPEC.md §5.2).
type Form struct {
	Fields []string // name, value, name, value, …
	Files  []FormFile
}

// FormFile is one file of a [Form]. Path is removed by the host when the stream is done.
type FormFile struct {
	Field string
	Name  string // as the client sent it: it may have folders
	MIME  string
	Size  int64
	Path  string
	Error int // 0, FormPartial or FormNoFile
}

// FormPartial is [FormFile].Error when the form ended in the midst of the file, FormNoFile when the field came with
// no file chosen.
const (
	FormPartial = 3
	FormNoFile  = 4
)

// TLS tells of the client's connection (SPEC.md §5.1).
type TLS struct {
	Version    string
	Cipher     string
	ServerName string
	ALPN       string
	Client     *ClientCertificate // nil: the client has shown none
}

// ClientCertificate is one that an authority of the listener's has signed, and whose key the client has (SPEC.md
// §5.2).
type ClientCertificate struct {
	Subject string // as RFC 2253 writes it
	Issuer  string // likewise
	Serial  string // in hexadecimal
	DER     []byte // the certificate; empty if it is longer than [MaxCertificate]
}

// MaxCertificate is how long a client's certificate may be to be told whole.
const MaxCertificate = 16 << 10

// Response is a worker's answer, or its head (SPEC.md §5.3).
type Response struct {
	Stream  uint32
	Flags   Flags
	Status  int
	Headers []string
	Body    []byte
	File    string
	Hold    *Hold  // it becomes a connection
	Fetch   *Fetch // it is the answer to a request of the host's own
}

// Inform is an informational response (SPEC.md §5.4).
type Inform struct {
	Stream  uint32
	Status  int
	Headers []string
}

// Type implements [Message].
func (*Request) Type() Type { return TypeRequest }

// Type implements [Message].
func (*Response) Type() Type { return TypeResponse }

// Type implements [Message].
func (*Inform) Type() Type { return TypeInform }

// AppendFrame implements [Message]. Trailing elements that hold their default are left out.
func (m *Request) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeRequest, m.Stream)
	b = appendUint(b, uint64(m.Flags))
	b = appendStr(b, m.Method)
	b = appendStr(b, m.Target)
	b = appendStr(b, m.Version)
	b = appendStr(b, m.Scheme)
	b = appendStr(b, m.Host)
	b = appendStr(b, m.Remote)
	b = appendPairs(b, m.Headers)
	t := tail{&shapes[TypeRequest], 10}
	if len(m.Body) > 0 {
		b = appendBin(t.upTo(b, 10), m.Body)
	}
	if m.Length >= 0 {
		b = appendInt(t.upTo(b, 11), m.Length)
	}
	if m.Form != nil {
		b = m.Form.append(t.upTo(b, 12))
	}
	if m.TLS != nil {
		b = m.TLS.append(t.upTo(b, 13))
	}
	if m.Attempt > 1 {
		b = appendInt(t.upTo(b, 14), int64(m.Attempt))
	}
	if m.ID != "" {
		b = appendStr(t.upTo(b, 15), m.ID)
	}
	if m.Local != "" {
		b = appendStr(t.upTo(b, 16), m.Local)
	}
	if m.Deadline != 0 {
		b = appendInt(t.upTo(b, 17), m.Deadline)
	}
	if m.Tunnel != "" {
		b = appendStr(t.upTo(b, 18), m.Tunnel)
	}
	return t.endFrame(b, start)
}

func (m *Form) append(b []byte) []byte {
	b = appendArray(b, 2)
	b = appendPairs(b, m.Fields)
	b = appendArray(b, len(m.Files))
	for i := range m.Files {
		f := &m.Files[i]
		b = appendArray(b, 6)
		b = appendStr(b, f.Field)
		b = appendStr(b, f.Name)
		b = appendStr(b, f.MIME)
		b = appendInt(b, f.Size)
		b = appendStr(b, f.Path)
		b = appendInt(b, int64(f.Error))
	}
	return b
}

func (m *TLS) append(b []byte) []byte {
	if m == nil {
		return appendNil(b)
	}
	n := 4
	if m.Client != nil {
		n = 5
	}
	b = appendArray(b, n)
	b = appendStr(b, m.Version)
	b = appendStr(b, m.Cipher)
	b = appendStr(b, m.ServerName)
	b = appendStr(b, m.ALPN)
	if c := m.Client; c != nil {
		b = appendArray(b, 4)
		b = appendStr(b, c.Subject)
		b = appendStr(b, c.Issuer)
		b = appendStr(b, c.Serial)
		b = appendBin(b, c.DER)
	}
	return b
}

var requestTexts = [...]string{"method", "target", "version", "scheme", "host", "remote"}

// Parse reads a REQUEST's payload. Body aliases payload; the rest is copied. Errors are [*LinkError].
func (m *Request) Parse(payload []byte) error {
	f := open(payload, TypeRequest)
	*m = Request{Stream: f.stream, Headers: m.Headers[:0]}
	m.Flags = f.at("flags").flags(FlagEnd | FlagDone)
	f.texts(requestTexts[:], &m.Method, &m.Target, &m.Version, &m.Scheme, &m.Host, &m.Remote)
	m.Headers = f.at("headers").pairs(m.Headers)
	m.Body = f.at("body").body()
	m.Length = f.at("length").number(-1, maxLong)
	m.Form = f.at("form").form()
	m.TLS = f.at("tls").tls()
	m.Attempt = int(f.at("attempt").number(1, maxUint))
	m.ID = f.at("id").str()
	m.Local = f.at("local").str()
	m.Deadline = f.at("deadline").long()
	m.Tunnel = f.at("tunnel").str()
	return f.end()
}

// texts reads one str after another. One string backs them all.
func (f *fields) texts(names []string, to ...*string) {
	var lengths, ends [len(requestTexts)]int
	start := f.pos
	for i, name := range names {
		lengths[i] = len(f.at(name).bytes())
		ends[i] = f.pos - start
	}
	if f.err != nil {
		return
	}
	all := string(f.b[start:f.pos])
	for i := range to {
		*to[i] = all[ends[i]-lengths[i] : ends[i]]
	}
}

// body reads a bin or nil of at most MaxData bytes, aliasing the payload. An empty one is nil.
func (f *fields) body() []byte {
	if f.null() {
		return nil
	}
	p := f.bodyBytes()
	if len(p) == 0 {
		return nil
	}
	return p
}

func (f *fields) bodyBytes() []byte {
	start := f.pos
	p := f.bytes()
	if len(p) > MaxData {
		f.fail(start, fmt.Sprintf("at most %d bytes", MaxData), strconv.Itoa(len(p)))
		return nil
	}
	return p
}

// list reads an array that must have at least n elements, and gives how many more there are than that.
func (d *decoder) list(n int) (extra int) {
	start := d.pos
	got := d.array()
	if d.err == nil && got < n {
		d.fail(start, fmt.Sprintf("at least %d elements", n), strconv.Itoa(got))
	}
	return got - n
}

func (d *decoder) skipExtra(n int) {
	for ; n > 0 && d.err == nil; n-- {
		d.skip(0)
	}
}

func (f *fields) form() *Form {
	if f.null() {
		return nil
	}
	extra := f.list(2)
	m := &Form{Fields: f.pairs(nil)}
	for range f.array() {
		if f.err != nil {
			break
		}
		more := f.list(6)
		m.Files = append(m.Files, FormFile{Field: f.str(), Name: f.str(), MIME: f.str(), Size: f.long(), Path: f.str(),
			Error: f.uint()})
		f.skipExtra(more)
	}
	f.skipExtra(extra)
	return m
}

func (f *fields) tls() *TLS {
	if f.null() {
		return nil
	}
	extra := f.list(4)
	m := &TLS{Version: f.str(), Cipher: f.str(), ServerName: f.str(), ALPN: f.str()}
	if extra > 0 && f.err == nil && !f.null() {
		more := f.list(4)
		m.Client = &ClientCertificate{Subject: f.str(), Issuer: f.str(), Serial: f.str(), DER: slices.Clone(f.bytes())}
		f.skipExtra(more)
	}
	f.skipExtra(extra - 1)
	return m
}

// AppendFrame implements [Message].
func (m *Response) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeResponse, m.Stream)
	b = appendUint(b, uint64(m.Flags))
	b = appendInt(b, int64(m.Status))
	b = appendPairs(b, m.Headers)
	t := tail{&shapes[TypeResponse], 5}
	if len(m.Body) > 0 {
		b = appendBin(t.upTo(b, 5), m.Body)
	}
	if m.File != "" {
		b = appendStr(t.upTo(b, 6), m.File)
	}
	if m.Hold != nil {
		b = m.Hold.append(t.upTo(b, 7))
	}
	if m.Fetch != nil {
		b = m.Fetch.append(t.upTo(b, 8))
	}
	return t.endFrame(b, start)
}

// Parse reads a RESPONSE's payload. Body aliases payload; Headers reuses m.Headers' space. Errors are [*LinkError].
// What HTTP asks of status and headers is checked by [Response.Check].
func (m *Response) Parse(payload []byte) error {
	f := open(payload, TypeResponse)
	*m = Response{Stream: f.stream, Headers: m.Headers[:0]}
	m.Flags = f.at("flags").flags(FlagEnd | FlagDone)
	m.Status = f.at("status").uint()
	m.Headers = f.at("headers").pairs(m.Headers)
	m.Body = f.at("body").body()
	if !f.at("file").null() {
		m.File = f.str()
	}
	if !f.at("hold").null() {
		m.Hold = f.hold()
	}
	if !f.at("fetch").null() {
		m.Fetch = f.fetch()
	}
	return f.end()
}

// Clone is a copy that shares nothing that a Parse could change; nil of nil.
func (m *Response) Clone() *Response {
	if m == nil {
		return nil
	}
	c := *m
	c.Headers, c.Body = slices.Clone(m.Headers), slices.Clone(m.Body)
	return &c
}

// AppendFrame implements [Message].
func (m *Inform) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeInform, m.Stream)
	b = appendInt(b, int64(m.Status))
	return endFrame(appendPairs(b, m.Headers), start)
}

// Parse reads an INFORM's payload. Errors are [*LinkError].
func (m *Inform) Parse(payload []byte) error {
	f := open(payload, TypeInform)
	*m = Inform{Stream: f.stream, Headers: m.Headers[:0]}
	m.Status = f.at("status").uint()
	m.Headers = f.at("headers").pairs(m.Headers)
	return f.end()
}
