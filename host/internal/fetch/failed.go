// failed.go: a fetch of which nothing came is told to a worker, which answers in the application's own words (SPEC.md
// §15.5): the client's request once more, without its body, and with why.

package fetch

import (
	"strings"
	"sync/atomic"

	"github.com/workerhost/workerhost/protocol"
)

// FailedHeader is the field of such a request that says why. The host passes it on from no client.
const FailedHeader = "X-Worker-Fetch-Failed"

// mostReason is how many bytes of the reason it has.
const mostReason = 300

// second is the exchange that follows a fetch that failed. It implements [protocol.Sink] for the pool.
type second struct {
	protocol.Exchange
	of     *exchange
	stream protocol.Stream
	ticket atomic.Pointer[protocol.Ticket] // nil until Submit has returned
	failed bool
}

// retell has a worker answer in the place of a fetch that has failed. It says false if none wants to.
func (x *exchange) retell(reason string) bool {
	first, is := x.Request.(*protocol.Request)
	if !is || x.gone.Load() || !x.room.Backend.Traits().Events.FetchFailed {
		return false
	}
	request := *first
	request.Flags, request.Body, request.Length, request.Form = protocol.FlagEnd, nil, 0, nil
	request.Attempt, request.Tunnel = 0, ""
	request.Headers = append(make([]string, 0, len(first.Headers)+2), FailedHeader, printable(reason))
	for i := 0; i+1 < len(first.Headers); i += 2 {
		if !strings.HasPrefix(first.Headers[i], "Content-") { // of the body that is not there
			request.Headers = append(request.Headers, first.Headers[i], first.Headers[i+1])
		}
	}
	s := &second{Exchange: x.Exchange, of: x}
	s.Request, s.Sink, s.Repeatable, s.Keyed = &request, s, false, false
	x.next.Store(s)
	ticket := x.room.Backend.Submit(&s.Exchange)
	s.ticket.Store(&ticket)
	if x.gone.Load() { // at this moment
		ticket.Cancel(protocol.ResetCancelled)
	}
	return true
}

// printable is text as a field may have it.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), mostReason)]
}

// cancel says that the client has left.
func (s *second) cancel() {
	if ticket := s.ticket.Load(); ticket != nil {
		(*ticket).Cancel(protocol.ResetCancelled)
	}
}

// Begin implements [protocol.Sink]. The front, which would send its body again, hears nothing of it.
func (s *second) Begin(stream protocol.Stream) {
	s.stream = stream
	s.of.then.Store(s)
}

// Writable implements [protocol.Sink]. All of the request has gone.
func (s *second) Writable() {}

// Inform implements [protocol.Sink].
func (s *second) Inform(m *protocol.Inform) { s.of.tell(func() { s.of.client.Inform(m) }) }

// Respond implements [protocol.Sink]. Another fetch might fail as well, and so on.
func (s *second) Respond(m *protocol.Response) {
	if f := askedFor(m, termsOf(s.stream)); f != nil {
		s.failed = true
		s.of.complain("a fetch is refused", f.URL, "it is the answer to a fetch that has failed")
		s.of.tell(func() {
			s.of.client.Fail(&protocol.Failure{Kind: protocol.FailedFetch, Detail: "another one has failed before it"})
		})
		return
	}
	s.of.tell(func() { s.of.client.Respond(m) })
}

// Data implements [protocol.Sink].
func (s *second) Data(m *protocol.Data) {
	if s.failed {
		s.stream.Consumed(len(m.Bytes))
		return
	}
	s.of.tell(func() { s.of.client.Data(m) })
}

// Fail implements [protocol.Sink].
func (s *second) Fail(err *protocol.Failure) {
	if !s.failed {
		s.of.tell(func() { s.of.client.Fail(err) })
	}
}

// Finished implements [protocol.Sink].
func (s *second) Finished() { s.of.end(nil) }
