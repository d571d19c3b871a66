// room.go: what is listened to on the way of an exchange.

package faults

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/protocol"
)

const (
	longestBody = 64 << 10 // that is kept of a body
	longestText = 32 << 10 // of a message or a trace
	mostLines   = 20       // of the log
)

// Room is a [hub.Backend] before another one. Its methods are safe for concurrent use.
type Room struct {
	hub.Backend
	pool   string
	keeper *Keeper
}

// NewRoom stands before a pool's backend, whose faults go to the keeper under the pool's name.
func NewRoom(pool string, before hub.Backend, keeper *Keeper) *Room {
	return &Room{before, pool, keeper}
}

// Submit implements [hub.Backend].
func (r *Room) Submit(x *protocol.Exchange) protocol.Ticket {
	s := r.keeper.settings.Load()
	if s == nil {
		return r.Backend.Submit(x)
	}
	watched := *x
	l := &listener{Sink: x.Sink, room: r, request: x.Request, logged: x.ErrorLogged, bodies: s.Bodies}
	watched.Sink, watched.ErrorLogged = l, l.errorLogged
	return r.Backend.Submit(&watched)
}

// listener is between a backend and an exchange's own Sink. It implements [protocol.Sink], whose calls come one at a
// time.
type listener struct {
	protocol.Sink
	room    *Room
	request protocol.Opening // the front's until Finished, and again after it
	logged  func(*protocol.LoggedError)
	bodies  bool
	body    *recorder // of the latest worker; nil: all of the body came with the request, or none is kept

	began      time.Time
	generation uint64
	worker     int
	status     int
	failure    *protocol.Failure
	message    string
	trace      string
	lines      []string
}

// errorLogged notes what the worker says of it.
func (l *listener) errorLogged(e *protocol.LoggedError) {
	text, trace := describe(e)
	switch {
	case l.message == "":
		l.message, l.trace = text, trace
	case len(l.lines) < mostLines:
		l.lines = append(l.lines, text)
	}
	if l.logged != nil {
		l.logged(e)
	}
}

// Begin implements [protocol.Sink].
func (l *listener) Begin(s protocol.Stream) {
	l.began, l.body, l.status = time.Now(), nil, 0
	l.worker, l.generation = s.Worker()
	l.room.keeper.saw(l.room.pool, l.generation)
	if l.bodies && !l.request.Whole() {
		l.body = &recorder{Stream: s}
		s = l.body
	}
	l.Sink.Begin(s)
}

// Respond implements [protocol.Sink].
func (l *listener) Respond(m *protocol.Response) {
	l.status = m.Status
	l.Sink.Respond(m)
}

// Fail implements [protocol.Sink].
func (l *listener) Fail(err *protocol.Failure) {
	kept := *err
	kept.Detail = strings.Clone(err.Detail)
	l.failure = &kept
	l.Sink.Fail(err)
}

// Finished implements [protocol.Sink].
func (l *listener) Finished() {
	if what := l.what(); what != "" {
		l.room.keeper.keep(l.fault(what))
	}
	l.Sink.Finished()
}

// what went wrong, in two words; "" is nothing that the code could be to blame for.
func (l *listener) what() string {
	if l.failure != nil {
		switch l.failure.Kind {
		case protocol.FailedDied, protocol.FailedBroken, protocol.FailedReset, protocol.FailedTimeout:
			return l.failure.Kind.String()
		}
		return "" // the queue's length, a client that has gone, a drain
	}
	switch _, isRequest := l.request.(*protocol.Request); {
	case l.status >= 500:
		return statusName(l.status)
	case !isRequest && l.message != "": // a handler of events has no status
		return "failed"
	}
	return ""
}

func statusName(status int) string { return "status " + strconv.Itoa(status) }

// describe is what a worker has logged, and the stack: PHP's SDK names it trace, and Go's stack.
func describe(e *protocol.LoggedError) (message, trace string) {
	if trace, _ = e.Fields["trace"].(string); trace == "" {
		trace, _ = e.Fields["stack"].(string)
	}
	return cut(redact.Text(e.Message)), cut(redact.Text(trace))
}

func (l *listener) fault(what string) *Fault {
	f := &Fault{Pool: l.room.pool, Time: time.Now(), Generation: l.generation, Worker: l.worker, What: what,
		Message: l.message, Trace: l.trace, Log: l.lines, Length: int64(l.request.Size())}
	if !l.began.IsZero() {
		f.Took = f.Time.Sub(l.began)
	}
	if f.Message == "" && l.failure != nil {
		f.Message = cut(redact.Text(l.failure.Detail))
	}
	f.Place = placeOf(f.Message)
	name, id := l.request.Name()
	f.Name, f.RequestID = redact.URL(strings.Clone(name)), strings.Clone(id)
	var first []byte
	switch m := l.request.(type) {
	case *protocol.Request:
		f.Request, first = head(m), m.Body
	case *protocol.Incoming:
		first = m.Bytes
	}
	rest, length := l.body.all()
	f.Length += length
	if l.bodies {
		f.Body = append(append(make([]byte, 0, len(first)+len(rest)), first...), rest...)
		f.Body = f.Body[:min(len(f.Body), longestBody)]
	}
	return f
}

// head is a request's, without secrets.
func head(m *protocol.Request) *Request {
	kept := &Request{Method: strings.Clone(m.Method), Target: redact.URL(strings.Clone(m.Target)),
		Version: strings.Clone(m.Version), Scheme: strings.Clone(m.Scheme), Host: strings.Clone(m.Host),
		Remote: strings.Clone(m.Remote), Form: m.Form != nil}
	for i := 0; i+1 < len(m.Headers); i += 2 {
		name, value := strings.Clone(m.Headers[i]), redact.Text(strings.Clone(m.Headers[i+1]))
		if redact.Key(name) {
			value = redact.Mask
		}
		kept.Headers = append(kept.Headers, name, value)
	}
	return kept
}

func cut(text string) string {
	if len(text) > longestText {
		return strings.ToValidUTF8(text[:longestText], "") + "…"
	}
	return strings.Clone(text)
}

// recorder notes on its way the body that a worker is sent. It is safe for concurrent use.
type recorder struct {
	protocol.Stream

	mu     sync.Mutex
	body   []byte // its first bytes
	length int64
}

// all is what was sent; of none, nothing.
func (r *recorder) all() (first []byte, length int64) {
	if r == nil {
		return nil, 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body, r.length
}

// Send implements [protocol.Stream].
func (r *recorder) Send(p []byte, end bool, trailers []string) (n int, more bool) {
	n, more = r.Stream.Send(p, end, trailers)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.length += int64(n)
	r.body = append(r.body, p[:min(n, longestBody-len(r.body))]...)
	return n, more
}
