// What a handler can ask its context: who this worker is, which request this is, and why it was cancelled.

package sdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Causes of a request's end before its handler's. [context.Cause] of the request's context gives them, and so do reads
// of its body and writes of its response.
var (
	// ErrClientGone says that nobody waits for the response any more.
	ErrClientGone = errors.New("sdk: the client has left")
	// ErrTimeout says that the host's request_timeout has passed.
	ErrTimeout = errors.New("sdk: the host's time for this request is up")
	// ErrDrained says that this worker is being replaced and drain_timeout has passed.
	ErrDrained = errors.New("sdk: the host's drain deadline has passed")
	// ErrHostGone says that the link to the host has ended.
	ErrHostGone = errors.New("sdk: the host is gone")
)

// resetCause translates a host's RESET (SPEC.md §7.1).
func resetCause(m *protocol.Reset) error {
	switch {
	case m.Code == protocol.ResetTimeout:
		return ErrTimeout
	case m.Code == protocol.ResetDrained:
		return ErrDrained
	case m.Code < 100:
		return ErrClientGone
	}
	return fmt.Errorf("sdk: the host gave the request up: %s %s", m.Code, m.Reason)
}

// exceeded gives the reason to stop waiting: err, the deadline, or nil.
func (d *deadline) exceeded(err error) error {
	if err == nil && d.expired {
		err = os.ErrDeadlineExceeded
	}
	return err
}

// Place is a worker's place in the host's pool, as the host told it.
type Place struct {
	Pool       string
	Generation uint64 // of the pool's code, from 1
	Slot       int    // from 0
	Host       string // the host's name and version
	Dev        bool   // the host runs with --dev: error pages may show traces
}

type (
	selfKey   struct{}
	streamKey struct{}
	linkKey   struct{}
)

// requestContext answers the keys of this package without an allocation for each.
type requestContext struct {
	context.Context
	s       *stream
	attempt int
	id      string
	by      time.Time // when the host gives it up if nothing of the response has come; zero if that is not told
	local   string    // the address that the client has come to; "" is not known
	trace   []string  // of the host's span: traceparent, its value, and perhaps tracestate and its
}

// Value implements [context.Context].
func (c *requestContext) Value(key any) any {
	switch key.(type) {
	case streamKey:
		return c.s
	case selfKey:
		return &c.s.link.self
	case linkKey:
		return c.s.link
	}
	if key == http.LocalAddrContextKey && c.local != "" {
		if at, err := netip.ParseAddrPort(c.local); err == nil {
			return net.TCPAddrFromAddrPort(at) // what net/http's server has there
		}
	}
	return c.Context.Value(key)
}

// linkContext is for code that runs for no request.
type linkContext struct {
	context.Context
	l *link
}

// Value implements [context.Context].
func (c linkContext) Value(key any) any {
	switch key.(type) {
	case selfKey:
		return &c.l.self
	case linkKey:
		return c.l
	}
	return c.Context.Value(key)
}

// Self tells this worker's place. ctx is a request's, or that of an [OnStart] hook; for any other the result is the
// zero Place.
func Self(ctx context.Context) Place {
	if w, ok := ctx.Value(selfKey{}).(*Place); ok {
		return *w
	}
	return Place{}
}

// RequestID gives the request's id in the host's log, or "" if ctx is not that of a request, a WebSocket's upgrade
// included.
func RequestID(ctx context.Context) string {
	if s, ok := ctx.Value(streamKey{}).(*stream); ok {
		return s.ctx.id
	}
	return ""
}

// Trace gives the span that a request, or an event of a connection, has at the host, as W3C Trace Context has it, by
// the headers' names in lower case: "traceparent", and "tracestate" if there is one. A request's is in its headers as
// well, where OpenTelemetry's otelhttp finds it; where the host does not trace, it is what the client said. For an
// event it is what an application's own OpenTelemetry begins with:
//
//	ctx = otel.GetTextMapPropagator().Extract(ctx, propagation.MapCarrier(sdk.Trace(ctx)))
//
// The map is the caller's; it is empty if there is no span, or ctx is neither's.
func Trace(ctx context.Context) map[string]string {
	all := map[string]string{}
	if s, ok := ctx.Value(streamKey{}).(*stream); ok {
		for i := 0; i+1 < len(s.ctx.trace); i += 2 {
			all[s.ctx.trace[i]] = s.ctx.trace[i+1]
		}
	}
	return all
}

// AnswerBy tells by when a request's handler has to have begun its response: the host, whose request_timeout it is,
// gives the request up then, and cancels ctx with [ErrTimeout]. It counts from when the worker got the request
// (SPEC.md §7.2). Whatever goes either way, a piece of the body or of the response, gives the handler as much time
// anew, so that it bounds no upload and no stream. ok is false if the host has no such time, or ctx is not that of a
// request.
//
// ctx.Deadline does not tell it: a context's deadline can't move, and a child that [context.WithTimeout] makes with a
// later one would never end.
func AnswerBy(ctx context.Context) (by time.Time, ok bool) {
	if s, is := ctx.Value(streamKey{}).(*stream); is {
		by = s.ctx.by
	}
	return by, !by.IsZero()
}

// Attempt gives 1, or 2 if another worker died of, or with, this request or event; 0 if ctx is neither's.
func Attempt(ctx context.Context) int {
	if s, ok := ctx.Value(streamKey{}).(*stream); ok {
		return s.ctx.attempt
	}
	return 0
}
