// exchange.go: a request on its way through the room, from the worker's calls to those of a fetch.

package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/protocol"
)

// exchange implements [protocol.Sink] for the pool, and [protocol.Fetcher] and [protocol.Ticket] for the front.
type exchange struct {
	protocol.Exchange // what the pool has
	room              *Room
	client            protocol.Sink
	ticket            protocol.Ticket // the pool's; written before Submit returns
	gone              atomic.Bool     // the front waits no more

	// of the pool's calls, which come one at a time
	state  state
	stream protocol.Stream
	fetch  *fetch // nil: the answer is the worker's

	since  atomic.Int64                            // when it was left to the host, in Unix nanoseconds; 0: it is not
	cancel atomic.Pointer[context.CancelCauseFunc] // of a fetch that has begun

	next atomic.Pointer[second] // what follows a fetch that has failed
	then atomic.Pointer[second] // the same, once a worker has it

	mu   sync.Mutex // held around the client's calls, from since on, which may call Cancel and the Stream
	idle bool       // the worker is done; guarded by mu
	over bool       // nothing more is told but Finished; guarded by mu
}

// state is how far the worker is.
type state int

const (
	passing   state = iota // its answer is its own
	gathering              // the body of the request comes
	fetching               // that is whole
	refused                // it is not fetched, and its front knows
)

// fetch is what a worker has asked for.
type fetch struct {
	protocol.Fetch
	terms    *Terms
	url      *url.URL
	status   int      // of the RESPONSE
	own      []string // its headers
	request  string   // id of the client's, which is the front's: after Finished it may be another's
	body     []byte
	reserved int64 // of the room's memory, for body
	host     string

	credit atomic.Int64  // bytes that the front will take
	more   chan struct{} // there is some; holds one
}

// window is how many bytes of an answer the front may have that its client has not.
const window = 64 << 10

var errLeft = errors.New("its client has left")

func (r *Room) follow(x *protocol.Exchange) protocol.Ticket {
	e := &exchange{Exchange: *x, room: r, client: x.Sink}
	e.Sink = e
	e.ticket = r.Backend.Submit(&e.Exchange)
	return e
}

// Cancel implements [protocol.Ticket].
func (x *exchange) Cancel(code protocol.ResetCode) {
	x.gone.Store(true)
	if s := x.next.Load(); s != nil {
		s.cancel()
		return
	}
	if cancel := x.cancel.Load(); cancel != nil {
		(*cancel)(errLeft)
		return
	}
	x.ticket.Cancel(code)
	if cancel := x.cancel.Load(); cancel != nil { // at this moment
		(*cancel)(errLeft)
	}
}

// Send implements [protocol.Stream].
func (x *exchange) Send(p []byte, end bool, trailers []string) (n int, more bool) {
	return x.stream.Send(p, end, trailers)
}

// Worker implements [protocol.Stream].
func (x *exchange) Worker() (slot int, generation uint64) {
	if s := x.then.Load(); s != nil {
		return s.stream.Worker()
	}
	return x.stream.Worker()
}

// Consumed implements [protocol.Stream].
func (x *exchange) Consumed(n int) {
	if s := x.then.Load(); s != nil {
		s.stream.Consumed(n)
		return
	}
	if x.since.Load() == 0 {
		x.stream.Consumed(n)
		return
	}
	x.fetch.credit.Add(int64(n))
	select {
	case x.fetch.more <- struct{}{}:
	default:
	}
}

// Fetching implements [protocol.Fetcher].
func (x *exchange) Fetching() time.Time {
	if at := x.since.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Begin implements [protocol.Sink].
func (x *exchange) Begin(s protocol.Stream) {
	x.stream, x.state = s, passing
	x.client.Begin(x)
}

// Writable implements [protocol.Sink].
func (x *exchange) Writable() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over {
		x.client.Writable()
	}
}

// Inform implements [protocol.Sink].
func (x *exchange) Inform(m *protocol.Inform) { x.client.Inform(m) }

// Respond implements [protocol.Sink].
func (x *exchange) Respond(m *protocol.Response) {
	terms := termsOf(x.stream)
	if terms == nil || len(terms.Allow) == 0 {
		x.client.Respond(m)
		return
	}
	if m.Fetch == nil && terms.Header {
		f, own, err := byHeader(m)
		if err != nil {
			x.room.counted.refuse(RefusedForm)
			x.refuse(protocol.FailedFetch, "", err.Error())
			return
		}
		if f != nil {
			changed := *m
			changed.Fetch, changed.Headers = f, own
			if m.Bodyless(x.Request.(*protocol.Request).Method) {
				changed.Flags |= protocol.FlagEnd
			}
			m = &changed
		}
	}
	if m.Fetch == nil {
		x.client.Respond(m)
		return
	}
	f := &fetch{Fetch: *m.Fetch, terms: terms, status: m.Status, own: slices.Clone(m.Headers)}
	_, f.request = x.Request.Name()
	kind, detail, why := x.prepare(f, m)
	if kind != 0 {
		x.room.counted.refuse(why)
		x.refuse(kind, f.URL, detail)
		return
	}
	x.fetch, x.state = f, gathering
	f.more = make(chan struct{}, 1)
	f.credit.Store(window)
	x.since.Store(time.Now().UnixNano())
	x.gather(m.Body, m.Flags)
}

// prepare looks at what a worker asks for, and takes a place for it.
func (x *exchange) prepare(f *fetch, m *protocol.Response) (kind protocol.FailureKind, detail, why string) {
	err := m.Check()
	if err == nil {
		err = checkAsk(&f.Fetch)
	}
	if err != nil {
		return protocol.FailedFetch, err.Error(), RefusedForm
	}
	if f.url, err = f.terms.target(f.URL); err != nil {
		return protocol.FailedFetch, err.Error(), RefusedPlace
	}
	if _, err := f.header(f.url, x.room.agent); err != nil {
		return protocol.FailedFetch, err.Error(), RefusedPlace
	}
	f.host = place.Host(f.url)
	f.Keep = min(f.Keep, f.terms.Keep)
	if crowd := x.room.enter(f.terms, f.host); crowd != "" {
		return protocol.FailedFetchCrowd, crowd, RefusedCrowded
	}
	return 0, "", ""
}

// refuse tells the front that nothing is fetched, and the log why.
func (x *exchange) refuse(kind protocol.FailureKind, to, detail string) {
	x.state = refused
	x.complain("a fetch is refused", to, detail)
	x.client.Fail(&protocol.Failure{Kind: kind, Detail: detail})
}

func (x *exchange) complain(what, to, why string, more ...any) {
	name, id := x.Request.Name()
	slot, generation := x.stream.Worker()
	x.room.log.Error(what, append([]any{"request", redact.URL(name), "request_id", id, "url", shown(to), "error", why,
		"worker", slot, "generation", generation}, more...)...)
}

// shown is a URL as the log has it.
func shown(to string) string {
	const longest = 512
	if len(to) > longest {
		to = to[:longest] + "…"
	}
	return redact.Text(redact.URL(to))
}

// gather takes some of the request's body.
func (x *exchange) gather(p []byte, flags protocol.Flags) {
	f := x.fetch
	size := int64(len(f.body) + len(p))
	switch {
	case size > f.terms.MaxBody:
		x.giveUp(protocol.FailedFetch, "the body of its request is longer than max_body")
		return
	case !x.room.reserve(int64(len(p))):
		x.giveUp(protocol.FailedFetchCrowd, crowdMemory)
		return
	}
	f.reserved += int64(len(p))
	f.body = append(f.body, p...)
	if flags&protocol.FlagEnd == 0 {
		return
	}
	x.state = fetching
	ctx, cancel := context.WithCancelCause(x.room.closed)
	x.cancel.Store(&cancel)
	if x.gone.Load() {
		cancel(errLeft)
	}
	go x.run(ctx, cancel) // ends with the answer, its client, its time, or the room
}

// giveUp ends what has a place and no fetch.
func (x *exchange) giveUp(kind protocol.FailureKind, why string) {
	x.room.counted.refuse(RefusedCrowded)
	x.release()
	x.refuse(kind, x.fetch.URL, why)
}

// release gives back what prepare took.
func (x *exchange) release() {
	x.room.reserve(-x.fetch.reserved)
	x.room.leave(x.fetch.host)
	x.room.running.Done()
}

// Data implements [protocol.Sink].
func (x *exchange) Data(m *protocol.Data) {
	switch x.state {
	case passing:
		x.client.Data(m)
	case gathering:
		x.stream.Consumed(len(m.Bytes))
		x.gather(m.Bytes, m.Flags)
	default:
		x.stream.Consumed(len(m.Bytes))
	}
}

// Fail implements [protocol.Sink]. Once a fetch has begun it is nothing to it.
func (x *exchange) Fail(err *protocol.Failure) {
	switch x.state {
	case passing:
		x.client.Fail(err)
	case gathering:
		x.state = refused
		x.release()
		x.client.Fail(err)
	}
}

// Finished implements [protocol.Sink].
func (x *exchange) Finished() {
	if x.state != fetching {
		if x.state == gathering { // it ended in the midst of the body
			x.release()
			x.client.Fail(&protocol.Failure{Kind: protocol.FailedBroken,
				Detail: "its worker was done before the body of what is to be fetched ended"})
		}
		x.client.Finished()
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.idle = true
	if x.over {
		x.client.Finished()
	}
}

// tell calls the front, unless it has heard the last.
func (x *exchange) tell(call func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over {
		call()
	}
}

// end is the fetch's last word to the front.
func (x *exchange) end(failure *protocol.Failure) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if failure != nil {
		x.client.Fail(failure)
	}
	x.over = true
	if x.idle {
		x.client.Finished()
	}
}

// termsOf are those of the generation that the worker is of; nil: it has none.
func termsOf(s protocol.Stream) *Terms {
	if s, ok := s.(interface{ Terms() any }); ok {
		terms, _ := s.Terms().(*Terms)
		return terms
	}
	return nil
}

// The most of what FETCHED gives back.
const (
	mostURL     = 16 << 10
	mostContext = 64 << 10
)

// checkAsk says what is wrong with what a worker asks for, but for its URL.
func checkAsk(f *protocol.Fetch) error {
	switch { // FETCHED has all of them in one frame
	case len(f.URL) > mostURL:
		return fmt.Errorf("its URL has more than %d bytes", mostURL)
	case len(f.Context) > mostContext:
		return fmt.Errorf("its context has more than %d bytes: keep it elsewhere, and give its key", mostContext)
	}
	if err := protocol.CheckHeaders(f.Headers); err != nil {
		return err
	}
	if !isMethod(f.Method) {
		return errors.New("its method is none: GET, POST and the like, in capitals; CONNECT is not fetched")
	}
	for i := 0; i+1 < len(f.Headers); i += 2 {
		if strings.EqualFold(f.Headers[i], "Host") {
			return errors.New("it has a header Host, which the URL says")
		}
	}
	return nil
}

func isMethod(m string) bool {
	for i := range len(m) {
		if m[i] < 'A' || m[i] > 'Z' {
			return false
		}
	}
	return m != "" && m != "CONNECT" && len(m) < 32
}
