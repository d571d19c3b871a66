// pool.go: a stack that is a pool of this process, asked without a front.

package rehearse

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Pool takes exchanges, as [workers.Pool] does.
type Pool interface {
	Submit(x *protocol.Exchange) protocol.Ticket
}

// Code is the code of a pool's workers as a stack.
type Code struct {
	name    string
	of      Pool
	host    string // that is asked for where a request says none
	scheme  string
	timeout time.Duration
}

// NewCode makes one, with a name for people.
func NewCode(name string, of Pool, scheme, host string, timeout time.Duration) *Code {
	return &Code{name: name, of: of, host: host, scheme: scheme, timeout: timeout}
}

// Name implements [Stack].
func (c *Code) Name() string { return c.name }

// busy are failures that no code is to blame for.
var busy = []protocol.FailureKind{protocol.FailedQueueFull, protocol.FailedQueueTimeout, protocol.FailedNoWorker,
	protocol.FailedDrained, protocol.FailedStopping}

// Ask implements [Stack]. Of a file that the host would send, a request that it would make, and a response that it
// would hold open, the head is the answer.
func (c *Code) Ask(ctx context.Context, r *Request) *Answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	m := &protocol.Request{Flags: protocol.FlagEnd, Method: r.Method, Target: r.Target, Version: "1.1",
		Scheme: c.scheme, Host: first(r.Host, c.host), Remote: "127.0.0.1:0", Length: int64(len(r.Body)), Body: r.Body,
		Headers: []string{"User-Agent", "host-rehearse", "Accept", "*/*"}, ID: "rehearsal"}
	for i := 0; i+1 < len(r.Headers); i += 2 {
		if at := slices.IndexFunc(m.Headers[:4], func(name string) bool {
			return strings.EqualFold(name, r.Headers[i])
		}); at == 0 || at == 2 {
			m.Headers[at+1] = r.Headers[i+1]
			continue
		}
		m.Headers = append(m.Headers, r.Headers[i], r.Headers[i+1])
	}
	a := &asked{enough: make(chan struct{}), over: make(chan struct{})}
	began := time.Now()
	ticket := c.of.Submit(&protocol.Exchange{Request: m, Timeout: c.timeout, Sink: a})
	select {
	case <-a.over:
	case <-a.enough:
		ticket.Cancel(protocol.ResetCancelled)
		<-a.over
	case <-ctx.Done():
		ticket.Cancel(protocol.ResetCancelled)
		<-a.over
		if a.Length >= 0 {
			a.Status, a.Failure = 0, FailedTimeout
		}
	}
	a.Took = time.Since(began)
	return &a.Answer
}

// asked takes the answer. It implements [protocol.Sink].
type asked struct {
	Answer
	stream protocol.Stream
	headed bool          // what counts has come
	enough chan struct{} // closed when the head is the answer
	over   chan struct{}
}

// Begin implements [protocol.Sink]: a second attempt begins anew.
func (a *asked) Begin(s protocol.Stream) { a.stream, a.Answer = s, Answer{} }

// Writable implements [protocol.Sink].
func (a *asked) Writable() {}

// Inform implements [protocol.Sink].
func (a *asked) Inform(*protocol.Inform) {}

// Respond implements [protocol.Sink].
func (a *asked) Respond(m *protocol.Response) {
	a.Status = m.Status
	for i := 0; i+1 < len(m.Headers); i += 2 {
		a.Headers = append(a.Headers, [2]string{strings.Clone(m.Headers[i]), strings.Clone(m.Headers[i+1])})
	}
	switch {
	case m.Hold != nil:
		a.Form = "a response that is held"
	case m.File != "":
		a.Form = "a file"
	case m.Fetch != nil:
		a.Form = "what is fetched by " + m.Fetch.Method + " " + strings.Clone(m.Fetch.URL)
	case isStream(a.value("Content-Type")):
		a.Length = -1
	default:
		a.take(m.Body)
		return
	}
	a.headed = true
	if m.Hold != nil || a.Length < 0 {
		close(a.enough)
	}
}

func (a *asked) take(b []byte) {
	if a.headed {
		return
	}
	a.Length += int64(len(b))
	a.Body = append(a.Body, b[:min(len(b), mostBody-len(a.Body))]...)
}

// Data implements [protocol.Sink].
func (a *asked) Data(m *protocol.Data) {
	a.take(m.Bytes)
	a.stream.Consumed(len(m.Bytes))
}

// Fail implements [protocol.Sink].
func (a *asked) Fail(err *protocol.Failure) {
	if a.headed && err.Kind == protocol.FailedCancelled {
		return
	}
	a.Status, a.Failure, a.Busy = 0, err.Kind.String(), slices.Contains(busy, err.Kind)
}

// Finished implements [protocol.Sink].
func (a *asked) Finished() { close(a.over) }
