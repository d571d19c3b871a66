// Messages in general form, for tests that treat all types alike.

package protocol

import (
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/workerhost/workerhost/protocol/vectors"
)

// parser is what every message type can do.
type parser interface {
	Message
	Parse(payload []byte) error
}

// every message type, as Parse starts from it.
func newMessage(t Type) parser {
	switch t {
	case TypeHello:
		return new(Hello)
	case TypeReady:
		return new(Ready)
	case TypeFailed:
		return new(Failed)
	case TypePing:
		return new(Ping)
	case TypePong:
		return new(Pong)
	case TypeLog:
		return new(Log)
	case TypeDrain:
		return new(Drain)
	case TypeEnding:
		return new(Ending)
	case TypeRequest:
		return new(Request)
	case TypeResponse:
		return new(Response)
	case TypeInform:
		return new(Inform)
	case TypeData:
		return new(Data)
	case TypeWindow:
		return new(Window)
	case TypeReset:
		return new(Reset)
	case TypeDone:
		return new(Done)
	case TypeOpen:
		return new(Open)
	case TypeMessage:
		return new(Incoming)
	case TypeClose:
		return new(Close)
	case TypeBuffer:
		return new(Buffer)
	case TypeFetched:
		return new(Fetched)
	case TypeTask:
		return new(Task)
	case TypeCall:
		return new(Call)
	case TypeResult:
		return new(Result)
	case TypeSwap:
		return new(Swap)
	}
	if act := NewAct(t); act != nil {
		return act
	}
	return nil
}

// parse reads a payload of any known type; it returns nil and no error for an unknown one.
func parse(payload []byte) (parser, error) {
	t, _, err := Head(payload)
	if err != nil {
		return nil, err
	}
	m := newMessage(t)
	if m == nil {
		return nil, nil
	}
	return m, m.Parse(payload)
}

// withDefaults is a message whose trailing elements hold what SPEC.md gives as their default.
func withDefaults(t Type) Message {
	switch t {
	case TypeHello:
		return &Hello{MaxFrame: 16777216, Window: 262144}
	case TypeReady:
		return &Ready{Concurrency: 1, Window: 262144}
	case TypeRequest:
		return &Request{Length: -1, Attempt: 1}
	case TypeOpen:
		return &Open{Attempt: 1}
	case TypeMessage:
		return &Incoming{Attempt: 1}
	case TypeHangup:
		return &Hangup{Code: 1000}
	}
	return newMessage(t)
}

// elements gives the message's array in full: text as string, bodies as []byte or nil.
func elements(m Message) []any {
	switch m := m.(type) {
	case *Hello:
		return []any{1, 0, list(m.Versions), m.Pool, m.Generation, m.Slot, m.MaxFrame, m.Window, m.Host, m.Dev,
			list(m.Features), limitElements(m.Limits)}
	case *Ready:
		return []any{2, 0, m.Version, m.PID, m.SDK, m.Concurrency, list(m.Features), m.Window,
			list(m.Queues)}
	case *Failed:
		return []any{3, 0, m.Message, m.Trace}
	case *Ping:
		return []any{4, 0, m.Token}
	case *Pong:
		return []any{5, 0, m.Token}
	case *Log:
		return []any{6, m.Stream, m.Level, m.Message, value(m.Context)}
	case *Drain:
		return []any{7, 0, m.Deadline}
	case *Ending:
		return []any{8, 0, m.Last}
	case *Request:
		return []any{16, m.Stream, uint(m.Flags), m.Method, m.Target, m.Version, m.Scheme, m.Host, m.Remote,
			list(m.Headers), body(m.Body),
			m.Length, formElements(m.Form), tlsElements(m.TLS), m.Attempt, m.ID, m.Local, m.Deadline,
			m.Tunnel}
	case *Response:
		var file any
		if m.File != "" {
			file = m.File
		}
		return []any{17, m.Stream, uint(m.Flags), m.Status, list(m.Headers), body(m.Body), file, holdElements(m.Hold),
			fetchElements(m.Fetch)}
	case *Inform:
		return []any{18, m.Stream, m.Status, list(m.Headers)}
	case *Data:
		var trailers any
		if len(m.Trailers) > 0 {
			trailers = list(m.Trailers)
		}
		return []any{19, m.Stream, uint(m.Flags), append([]byte{}, m.Bytes...), trailers}
	case *Window:
		return []any{20, m.Stream, m.Bytes}
	case *Reset:
		return []any{21, m.Stream, int(m.Code), m.Reason}
	case *Done:
		return []any{22, m.Stream}
	case *Open:
		return []any{32, m.Stream, connectionElements(&m.Connection), m.Attempt, upgradeElements(m.Request)}
	case *Incoming:
		more := []any{}
		for _, later := range m.More {
			one := []any{uint(later.Flags), append([]byte{}, later.Bytes...)}
			if len(later.About) > 0 {
				one = append(one, list(later.About))
			}
			more = append(more, one)
		}
		return []any{33, m.Stream, uint(m.Flags), connectionElements(&m.Connection), m.Attempt,
			append([]byte{}, m.Bytes...), more, list(m.About)}
	case *Close:
		return []any{34, m.Stream, connectionElements(&m.Connection), m.Attempt, m.Code, m.Reason, m.Clean}
	case *Buffer:
		return []any{35, m.Stream, connectionElements(&m.Connection), m.Attempt, m.Full, m.Bytes}
	case *Send:
		return []any{36, m.Stream, uint(m.Flags), int(m.To), list(m.Names), append([]byte{}, m.Bytes...),
			list(m.Except)}
	case *Hangup:
		return []any{37, m.Stream, uint(m.Flags), int(m.To), list(m.Names), m.Code, m.Reason, list(m.Except)}
	case *Join:
		var since any
		if m.Since != nil {
			since = *m.Since
		}
		return []any{38, m.Stream, uint(m.Flags), m.Connection, list(m.Groups), since}
	case *Leave:
		return []any{39, m.Stream, uint(m.Flags), m.Connection, list(m.Groups)}
	case *Bind:
		return []any{40, m.Stream, uint(m.Flags), m.Connection, m.UID}
	case *Set:
		return []any{41, m.Stream, uint(m.Flags), m.Connection, entryElements(m.Set), list(m.Unset)}
	case *Accept:
		return []any{42, m.Stream, uint(m.Flags), m.Subprotocol, list(m.Headers)}
	case *Fetched:
		return []any{43, m.Stream, uint(m.Flags), m.ID, m.Attempt, m.URL, m.Status, list(m.Headers), m.Length, m.Took,
			m.End, m.Reason, m.Request, value(m.Context), append([]byte{}, m.Bytes...)}
	case *Task:
		return []any{44, m.Stream, m.Queue, m.ID, m.Attempt, value(m.Payload), m.Pushed, m.Key, m.Priority,
			m.Most}
	case *Push:
		return []any{45, m.Stream, uint(m.Flags), m.Queue, value(m.Payload), m.ID, m.Delay, m.Key, m.Priority}
	case *Settle:
		return []any{46, m.Stream, uint(m.Flags), int(m.How), value(m.Value), m.Delay, m.Reason, m.Trace}
	case *Progress:
		return []any{47, m.Stream, uint(m.Flags), value(m.Value)}
	case *Call:
		arguments := []any{}
		for _, v := range m.Arguments {
			arguments = append(arguments, value(v))
		}
		return []any{48, m.Stream, m.Method, arguments, m.Timeout}
	case *Result:
		return []any{49, m.Stream, m.Error, value(m.Value), int(m.Code), m.More}
	case *Swap:
		return []any{50, m.Stream, m.Connection, m.Version, entryElements(m.Set), list(m.Unset)}
	case *Purge:
		return []any{51, m.Stream, uint(m.Flags), list(m.Tags), list(m.URLs), m.All}
	}
	panic("a message without a list of elements")
}

func list[T any](from []T) []any {
	l := make([]any, len(from))
	for i, x := range from {
		l[i] = x
	}
	return l
}

func body(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

func value(v Value) any {
	if len(v) == 0 {
		return nil
	}
	return msgpack.RawMessage(v)
}

func formElements(f *Form) any {
	if f == nil {
		return nil
	}
	files := []any{}
	for _, file := range f.Files {
		files = append(files, []any{file.Field, file.Name, file.MIME, file.Size, file.Path, file.Error})
	}
	return []any{list(f.Fields), files}
}

func tlsElements(t *TLS) any {
	if t == nil {
		return nil
	}
	all := []any{t.Version, t.Cipher, t.ServerName, t.ALPN}
	if c := t.Client; c != nil {
		all = append(all, []any{c.Subject, c.Issuer, c.Serial, c.DER})
	}
	return all
}

func holdElements(h *Hold) any {
	if h == nil {
		return nil
	}
	all := []any{list(h.Groups), h.UID, entryElements(h.Session), h.Once, h.Timeout}
	n := 0
	for i, given := range []bool{len(h.Groups) > 0, h.UID != "", len(h.Session) > 0, h.Once, h.Timeout != 0} {
		if given {
			n = i + 1
		}
	}
	return all[:n]
}

func fetchElements(f *Fetch) any {
	if f == nil {
		return nil
	}
	all := []any{f.URL, f.Method, list(f.Headers), list(f.Pass), value(f.Context), f.Keep, f.Timeout}
	n := 1
	for i, given := range []bool{f.Method != "GET", len(f.Headers) > 0, len(f.Pass) > 0, len(f.Context) > 0,
		f.Keep != 0, f.Timeout != 0} {
		if given {
			n = i + 2
		}
	}
	return all[:n]
}

// connectionElements leaves out what the shortest form does.
func connectionElements(c *Connection) any {
	all := []any{c.ID, c.Protocol, c.Remote, c.UID, list(c.Groups), entryElements(c.Session), c.Listener,
		list(c.Trace), dialedElements(c.Dial)}
	n := 3
	for i, given := range []bool{c.UID != "", len(c.Groups) > 0, len(c.Session) > 0, c.Listener != "",
		len(c.Trace) > 0, c.Dial != nil} {
		if given {
			n = i + 4
		}
	}
	return all[:n]
}

func dialedElements(d *Dialed) any {
	if d == nil {
		return nil
	}
	all := []any{d.Name, d.Reconnects, d.Subprotocol}
	switch {
	case d.Subprotocol != "":
		return all
	case d.Reconnects > 0:
		return all[:2]
	}
	return all[:1]
}

func upgradeElements(r *Request) any {
	if r == nil {
		return nil
	}
	return []any{r.Method, r.Target, r.Version, r.Scheme, r.Host, r.Remote, list(r.Headers), tlsElements(r.TLS), r.ID}
}

func entryElements(entries []Entry) []any {
	l := []any{}
	for _, e := range entries {
		l = append(l, e.Key, value(e.Value))
	}
	return l
}

func limitElements(all []Limit) []any {
	elements := []any{}
	for _, l := range all {
		elements = append(elements, l.Name, l.Value)
	}
	return elements
}

// knownFlags are those that a message of m's type keeps; 0 if it has none.
func knownFlags(m Message) int64 {
	switch m.(type) {
	case *Fetched:
		return int64(FlagEnd)
	case *Request, *Response, *Data:
		return int64(FlagEnd | FlagDone)
	case *Incoming:
		return int64(FlagEnd | FlagBinary)
	case Act:
		return int64(actFlags)
	}
	return 0
}

// leveled brings an element into the form that vectors.Plain and vectors.Level give.
func leveled(x any) any {
	if raw, ok := x.(msgpack.RawMessage); ok {
		var v any
		if err := msgpack.Unmarshal(raw, &v); err != nil {
			return err
		}
		x = v
	}
	if l, ok := x.([]any); ok {
		level := make([]any, len(l))
		for i := range l {
			level[i] = leveled(l[i])
		}
		return level
	}
	return vectors.Level(x)
}

// sameElement compares an element with what a vector has. An empty body or list may stand for nil. If later, lists
// may hold more elements than version 1 knows.
func sameElement(parsed, given any, later bool) bool {
	parsed = leveled(parsed)
	p, ok1 := parsed.([]any)
	g, ok2 := given.([]any)
	switch {
	case parsed == nil:
		return given == nil || given == "" || ok2 && len(g) == 0
	case !ok1 || !ok2:
		return reflect.DeepEqual(parsed, given)
	case len(g) < len(p), len(g) > len(p) && !later:
		return false
	}
	for i := range p {
		if !sameElement(p[i], g[i], later) {
			return false
		}
	}
	return true
}
