// What became of fetches, told to the workers of the pool that asked for them (SPEC.md §15.3, §15.5).

package sdk

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// How a fetch ended: [Fetched].End. Any other is one that broke off.
const (
	FetchComplete = protocol.FetchComplete // all of the answer came
	FetchLeft     = protocol.FetchLeft     // the client left before
	FetchBroke    = protocol.FetchBroke    // the other end broke off, or could not be reached
	FetchTimeout  = protocol.FetchTimeout  // it took longer than it may
	FetchLimit    = protocol.FetchLimit    // the answer was longer than it may be
	FetchRefused  = protocol.FetchRefused  // it led to a place, or an address, that is not allowed
)

// Fetched says how a request ended that the host has made for [Fetch]. It is the handler's own.
type Fetched struct {
	ID        string // no other fetch has it, whichever host made it: what to bill by
	Attempt   int    // 2 when another worker had this and died with it
	URL       string // as the handler gave it
	Status    int    // of the answer; 0: there was none
	Header    http.Header
	Length    int64         // how many bytes of the answer's body came
	Duration  time.Duration // from the request to the end
	End       string        // one of the constants
	Reason    string        // why it ended so, for a person to read
	RequestID string        // of the client's request, as [RequestID] gives it there
	Body      []byte        // the beginning of the answer's, as much as was to be kept

	context protocol.Value
}

// Complete says whether all of the answer came, and the client had it all but for what was on its way.
func (f *Fetched) Complete() bool { return f.End == FetchComplete }

// Context decodes what the handler gave with the fetch into what into points to; nil leaves that as it is. It fails if
// that has another type.
func (f *Fetched) Context(into any) error {
	if err := f.context.DecodeInto(into); err != nil {
		return fmt.Errorf("sdk: the fetch's context: %w", err)
	}
	return nil
}

// fetched handles a FETCHED.
func (s *stream) fetched(m *protocol.Fetched) error {
	body, ok := s.rest(m.Bytes, m.Whole())
	if !ok {
		return nil
	}
	f := &Fetched{ID: m.ID, Attempt: m.Attempt, URL: m.URL, Status: m.Status, Header: header(m.Headers),
		Length: m.Length, Duration: time.Duration(m.Took) * time.Millisecond, End: m.End, Reason: m.Reason,
		RequestID: m.Request, Body: body, context: m.Context}
	return guard(func() error { return s.link.events.OnFetched(&s.ctx, f) })
}

// failedHeader is of a request whose fetch has failed: why.
const failedHeader = "X-Worker-Fetch-Failed"

// answering is what a request goes to: the handler, or OnFetchFailed if its fetch has failed.
func (s *stream) answering(m *protocol.Request) http.Handler {
	failed := s.link.events.OnFetchFailed
	if failed == nil {
		return s.link.handler
	}
	for i := 0; i+1 < len(m.Headers); i += 2 {
		if strings.EqualFold(m.Headers[i], failedHeader) {
			why := strings.Clone(m.Headers[i+1])
			s.response.retold = true
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { failed(w, r, why) })
		}
	}
	return s.link.handler
}
