// The host's log: the SDK's own remarks, and slog records, as LOG frames (SPEC.md §8.2).

package sdk

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

const (
	maxLogText    = 64 << 10
	maxLogPending = 1 << 20
	maxLogDepth   = 8
)

// current is the link of the process, for records that are logged outside of any request. A process has one standard
// input, so one link.
var current atomic.Pointer[link]

// log sends one of the SDK's own remarks, and never waits. pairs are names and texts.
func (l *link) log(level string, stream uint32, message string, pairs ...string) {
	attributes := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		attributes[pairs[i]] = pairs[i+1]
	}
	_, _ = l.sendLog(level, stream, message, attributes) // the log can't go anywhere without a host
}

func (l *link) sendLog(level string, stream uint32, message string, attributes map[string]any) (size int, err error) {
	room := min(maxLogText, l.chunk)
	if len(message) > room {
		message = strings.ToValidUTF8(message[:room], "") + "…"
	}
	var value protocol.Value
	if len(attributes) > 0 {
		value, err = protocol.NewValue(attributes)
		if err == nil && len(value) > room {
			err = fmt.Errorf("%d bytes of attributes", len(value))
		}
		if err != nil {
			value, _ = protocol.NewValue(map[string]any{"attributes_left_out": err.Error()})
		}
	}
	return len(message) + len(value), l.conn.Send(
		&protocol.Log{Stream: stream, Level: level, Message: message, Context: value})
}

// LogHandler is a [slog.Handler] that sends records to the host's log with their level, their attributes and, if the
// context is that of a request or an event, what they belong to. Numbers, booleans, lists, maps and groups arrive as
// such, and all else as the text that [slog.TextHandler] has for it. Records below level are dropped; nil means
// [slog.LevelInfo]. While no host is connected, they go to standard error as text.
//
//	slog.SetDefault(slog.New(sdk.LogHandler(nil)))
//
// It is safe for concurrent use. When the host reads too slowly, a call waits rather than let records pile up.
func LogHandler(level slog.Leveler) slog.Handler {
	if level == nil {
		level = slog.LevelInfo
	}
	return &logHandler{level: level, alone: slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}),
		pending: new(atomic.Int64)}
}

// logHandler is immutable but for pending, which all handlers derived from one share.
type logHandler struct {
	level   slog.Leveler
	alone   slog.Handler // for the time without a host
	scopes  []scope
	pending *atomic.Int64 // bytes sent since the pipe was last known to be empty
}

// scope is what one WithGroup or WithAttrs added.
type scope struct {
	group string
	attrs []slog.Attr
}

// Enabled implements [slog.Handler].
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// WithAttrs implements [slog.Handler].
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(scope{attrs: attrs}, h.alone.WithAttrs(attrs))
}

// WithGroup implements [slog.Handler].
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(scope{group: name}, h.alone.WithGroup(name))
}

func (h *logHandler) with(s scope, alone slog.Handler) *logHandler {
	derived := *h
	derived.alone = alone
	derived.scopes = append(h.scopes[:len(h.scopes):len(h.scopes)], s)
	return &derived
}

// Handle implements [slog.Handler].
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	l, id := current.Load(), uint32(0)
	if own, ok := ctx.Value(linkKey{}).(*link); ok {
		l = own
	}
	if s, ok := ctx.Value(streamKey{}).(*stream); ok {
		id = s.id
	}
	if l == nil {
		return h.alone.Handle(ctx, r)
	}
	size, err := l.sendLog(levelName(r.Level), id, r.Message, h.attributes(r))
	if err != nil {
		return h.alone.Handle(ctx, r)
	}
	if h.pending.Add(int64(size)) > maxLogPending {
		h.pending.Store(0)
		err = l.conn.Flush()
	}
	return err
}

func (h *logHandler) attributes(r slog.Record) map[string]any {
	top := make(map[string]any)
	fill(top, h.scopes, r)
	return top
}

// fill puts what scopes and record hold into a map; a group with nothing in it is left out.
func fill(into map[string]any, scopes []scope, r slog.Record) {
	for i, s := range scopes {
		if s.group != "" {
			inner := make(map[string]any)
			if fill(inner, scopes[i+1:], r); len(inner) > 0 {
				into[s.group] = inner
			}
			return
		}
		for _, a := range s.attrs {
			put(into, a, 0)
		}
	}
	r.Attrs(func(a slog.Attr) bool {
		put(into, a, 0)
		return true
	})
}

// put adds an attribute in a form that MessagePack has. Groups nest to a bounded depth, and become text below it.
func put(into map[string]any, a slog.Attr, depth int) {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	switch v.Kind() {
	case slog.KindGroup:
		if a.Key == "" || depth == maxLogDepth {
			for _, inner := range v.Group() {
				put(into, inner, depth)
			}
			return
		}
		inner := make(map[string]any)
		for _, b := range v.Group() {
			put(inner, b, depth+1)
		}
		if len(inner) > 0 {
			into[a.Key] = inner
		}
	default:
		into[a.Key] = plain(v.Any(), depth+1)
	}
}

// plain is a value in a form that MessagePack has: numbers, booleans, lists and maps are such, and the rest is the
// text that [slog.TextHandler] makes of it, as is what lies too deep.
func plain(value any, depth int) any {
	switch v := value.(type) {
	case nil, bool, int64, uint64, float64, string:
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []byte:
		return string(v)
	case encoding.TextMarshaler, error, fmt.Stringer, fmt.Formatter:
		return asText(v)
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return v.Uint()
	case reflect.Float32, reflect.Float64:
		return v.Float()
	case reflect.String:
		return v.String()
	case reflect.Slice, reflect.Array:
		if depth < maxLogDepth {
			list := make([]any, v.Len())
			for i := range list {
				list[i] = plain(v.Index(i).Interface(), depth+1)
			}
			return list
		}
	case reflect.Map:
		if depth < maxLogDepth {
			pairs := make(map[string]any, v.Len())
			for key, inner := range v.Seq2() {
				pairs[fmt.Sprint(key.Interface())] = plain(inner.Interface(), depth+1)
			}
			return pairs
		}
	}
	return asText(value)
}

// asText is how a value prints, whatever its methods do.
func asText(value any) (printed string) {
	if v, ok := value.(encoding.TextMarshaler); ok {
		defer func() {
			if recover() != nil { // of a nil pointer, most often
				printed = fmt.Sprintf("%+v", value)
			}
		}()
		if b, err := v.MarshalText(); err == nil {
			return string(b)
		}
	}
	return fmt.Sprintf("%+v", value)
}

func levelName(level slog.Level) string {
	switch {
	case level < slog.LevelDebug:
		return "trace"
	case level < slog.LevelInfo:
		return "debug"
	case level < slog.LevelWarn:
		return "info"
	case level < slog.LevelError:
		return "warn"
	}
	return "error"
}
