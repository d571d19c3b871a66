// copy.go: the way of a request that is copied: what its client gets is noted, then the new code is asked the same.

package shadow

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Header says to the new code that nobody gets its answer. The host passes it on from no client.
const Header = "X-Worker-Shadow"

// most is how much of a body is kept, in bytes.
const most = 256 << 10

// copied is a request that is copied. It implements [protocol.Subject], so that acts tell whose they are.
type copied struct {
	run     *Run
	request *protocol.Request
	acts    atomic.Bool // its new code has asked for something that changes something
}

// ConnectionID implements [protocol.Subject]: a request has no connection.
func (c *copied) ConnectionID() string { return "" }

// safe says whether a method asks for nothing to be changed (RFC 9110 §9.2.1).
func safe(method string) bool { return method == "GET" || method == "HEAD" || method == "OPTIONS" }

// clone is a request that the front may take back, with the mark of a shadow.
func clone(r *protocol.Request) *protocol.Request {
	made := &protocol.Request{Flags: r.Flags, Method: strings.Clone(r.Method), Target: strings.Clone(r.Target),
		Version: strings.Clone(r.Version), Scheme: strings.Clone(r.Scheme), Host: strings.Clone(r.Host),
		Remote: strings.Clone(r.Remote), Length: r.Length, ID: strings.Clone(r.ID), Local: strings.Clone(r.Local)}
	made.Headers = make([]string, 0, len(r.Headers)+2)
	for _, text := range r.Headers {
		made.Headers = append(made.Headers, strings.Clone(text))
	}
	made.Headers = append(made.Headers, Header, "1")
	if r.TLS != nil {
		tls := *r.TLS
		made.TLS = &tls
	}
	return made
}

// answer is what came of a request.
type answer struct {
	began    time.Time
	took     time.Duration
	status   int    // 0: there was none
	failure  string // why
	form     string // "whole", "file", "fetch", "held" or "stream"
	kind     string // its media type
	location string
	length   int64
	body     []byte // its beginning, at most [most]
}

func (a *answer) begin() { *a = answer{began: time.Now(), body: a.body[:0]} }

func (a *answer) end() {
	if !a.began.IsZero() {
		a.took = time.Since(a.began)
	}
}

func (a *answer) respond(m *protocol.Response) {
	a.status, a.form = m.Status, "whole"
	for i := 0; i+1 < len(m.Headers); i += 2 {
		switch {
		case strings.EqualFold(m.Headers[i], "Content-Type"):
			a.kind = strings.ToLower(strings.ReplaceAll(m.Headers[i+1], " ", ""))
		case strings.EqualFold(m.Headers[i], "Location"):
			a.location = strings.Clone(m.Headers[i+1])
		}
	}
	switch {
	case m.Hold != nil:
		a.form = "held"
	case m.File != "":
		a.form = "file"
	case m.Fetch != nil: // whose body is what would be asked
		a.form, a.location = "fetch", m.Fetch.Method+" "+strings.Clone(m.Fetch.URL)
	case strings.HasPrefix(a.kind, "text/event-stream"), strings.HasPrefix(a.kind, "multipart/x-mixed-replace"):
		a.form = "stream"
	}
	a.more(m.Body)
}

func (a *answer) more(b []byte) {
	a.length += int64(len(b))
	if a.form == "whole" {
		a.body = append(a.body, b[:min(len(b), most-len(a.body))]...)
	}
}

// noBlame are failures that no code is to blame for.
var noBlame = []protocol.FailureKind{protocol.FailedQueueFull, protocol.FailedQueueTimeout, protocol.FailedStopping,
	protocol.FailedNoWorker, protocol.FailedDrained, protocol.FailedCancelled}

// client listens on a client's answer on its way. It implements [protocol.Sink].
type client struct {
	protocol.Sink
	copied
	answer answer
	left   bool
}

// leave leaves the request out, at once: its answer may go on for hours.
func (c *client) leave(why string) {
	if !c.left {
		c.left = true
		c.run.left(why)
		c.run.under.Add(-1)
	}
}

// Begin implements [protocol.Sink].
func (c *client) Begin(s protocol.Stream) {
	c.answer.begin()
	c.Sink.Begin(s)
}

// Respond implements [protocol.Sink].
func (c *client) Respond(m *protocol.Response) {
	c.answer.respond(m)
	switch c.answer.form {
	case "held":
		c.leave(LeftHeld)
	case "stream":
		c.leave(LeftStream)
	}
	c.Sink.Respond(m)
}

// Data implements [protocol.Sink].
func (c *client) Data(m *protocol.Data) {
	c.answer.more(m.Bytes)
	c.Sink.Data(m)
}

// Fail implements [protocol.Sink].
func (c *client) Fail(err *protocol.Failure) {
	switch {
	case err.Kind == protocol.FailedCancelled && c.answer.status > 0 && bodiless(c.request.Method, c.answer.status):
	case slices.Contains(noBlame, err.Kind):
		c.leave(LeftGone)
	default:
		c.answer.status, c.answer.failure = 0, err.Kind.String()
	}
	c.Sink.Fail(err)
}

// Finished implements [protocol.Sink]. The client has all that there is for it, and only now the new code is asked.
func (c *client) Finished() {
	c.answer.end()
	c.Sink.Finished()
	if c.left {
		return
	}
	if !c.run.asks() {
		c.run.under.Add(-1)
		return
	}
	s := &mirrored{copied: &c.copied, old: &c.answer}
	timeout := c.run.settings.Patience
	s.ticket.Store(&ticket{c.run.candidate.Submit(&protocol.Exchange{Request: c.request, Timeout: timeout,
		Subject: &c.copied, Sink: s})})
	if s.done.Load() {
		return
	}
	s.limit.Store(time.AfterFunc(2*timeout, s.giveUp)) // stopped with the answer
	if s.done.Load() {
		s.limit.Load().Stop()
	}
}

// ticket is one that an atomic.Pointer takes.
type ticket struct{ protocol.Ticket }

// mirrored takes what the new code answers. It implements [protocol.Sink].
type mirrored struct {
	*copied
	old    *answer
	new    answer
	stream protocol.Stream
	left   bool // no new code is to blame

	ticket  atomic.Pointer[ticket]
	limit   atomic.Pointer[time.Timer]
	done    atomic.Bool
	givenUp atomic.Bool
}

// giveUp ends what goes on without an end.
func (s *mirrored) giveUp() {
	s.givenUp.Store(true)
	s.ticket.Load().Cancel(protocol.ResetCancelled)
}

// Begin implements [protocol.Sink].
func (s *mirrored) Begin(stream protocol.Stream) {
	s.stream = stream
	s.new.begin()
}

// Writable implements [protocol.Sink].
func (s *mirrored) Writable() {}

// Inform implements [protocol.Sink].
func (s *mirrored) Inform(*protocol.Inform) {}

// Respond implements [protocol.Sink].
func (s *mirrored) Respond(m *protocol.Response) {
	s.new.respond(m)
	if m.Fetch != nil { // no room stands before the new code
		s.run.refused("fetch")
	}
}

// Data implements [protocol.Sink].
func (s *mirrored) Data(m *protocol.Data) {
	s.new.more(m.Bytes)
	s.stream.Consumed(len(m.Bytes))
}

// Fail implements [protocol.Sink].
func (s *mirrored) Fail(err *protocol.Failure) {
	s.new.status, s.new.failure = 0, err.Kind.String()
	if s.givenUp.Load() {
		s.new.failure = "no end in time"
	} else {
		s.left = slices.Contains(noBlame, err.Kind)
	}
}

// Finished implements [protocol.Sink].
func (s *mirrored) Finished() {
	s.done.Store(true)
	if limit := s.limit.Load(); limit != nil {
		limit.Stop()
	}
	if s.left {
		s.run.left(LeftBusy)
	} else {
		s.new.end()
		s.run.compared(s.copied, s.old, &s.new)
	}
	s.run.under.Add(-1)
	s.run.asked.Done()
}
