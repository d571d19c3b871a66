// Messages in general form, for tests that treat all types alike.

package protocol

import (
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
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
	}
	return newMessage(t)
}

// elements gives the message's array in full: text as string, bodies as []byte or nil.
func elements(m Message) []any {
	switch m := m.(type) {
	case *Hello:
		return []any{1, 0, list(m.Versions), m.Pool, m.Generation, m.Slot, m.MaxFrame, m.Window, m.Host, m.Dev}
	case *Ready:
		return []any{2, 0, m.Version, m.PID, m.SDK, m.Concurrency, list(m.Features), m.Window}
	case *Failed:
		return []any{3, 0, m.Message, m.Trace}
	case *Ping:
		return []any{4, 0, m.Token}
	case *Pong:
		return []any{5, 0, m.Token}
	case *Log:
		return []any{6, m.Stream, m.Level, m.Message, value(m.Context)}
	case *Drain:
		return []any{7, 0}
	case *Request:
		return []any{16, m.Stream, uint(m.Flags), m.Method, m.Target, m.Version, m.Scheme, m.Host, m.Remote, list(m.Headers), body(m.Body),
			m.Length, formElements(m.Form), tlsElements(m.TLS), m.Attempt, m.ID}
	case *Response:
		var file any
		if m.File != "" {
			file = m.File
		}
		return []any{17, m.Stream, uint(m.Flags), m.Status, list(m.Headers), body(m.Body), file}
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
	return []any{t.Version, t.Cipher, t.ServerName, t.ALPN}
}

func hasFlags(m Message) bool {
	switch m.(type) {
	case *Request, *Response, *Data:
		return true
	}
	return false
}

// leveled brings an element into the form that plain and generic give.
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
	return generic(x)
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
