// How a front (HTTP, say) and a pool of workers meet without knowing each other. Everything is a call-back or returns
// at once, so that neither a goroutine nor a context per request is assumed.

package protocol

import (
	"errors"
	"fmt"
	"time"
)

// Exchange is a request, or an event of a connection, that a front submits to a pool.
type Exchange struct {
	// Request is sent when a worker has been leased; the pool sets its stream, attempt and deadline. The front must
	// not touch it before Sink.Finished.
	Request Opening
	// Repeatable says that the request may be tried once more if a worker died with it without a word: it is safe in
	// the sense of RFC 9110 §9.2.1, and its body can be sent again from the start.
	Repeatable bool
	// Keyed says that the request is not safe, and that its application knows it again by a key that the client gave:
	// it may be tried once more as well, but two workers never have it at once.
	Keyed bool
	// Priority lets the request pass in front of the queue, and wait when that is full.
	Priority bool
	// Timeout is in place of the pool's request time-out; 0 is the pool's, less than 0 none.
	Timeout time.Duration
	// Patient has it wait for a worker however long that takes, also while none can start; the queue's length and
	// deadline do not count for it. There are never more of them than connections.
	Patient bool
	// Behind has it wait, with patience, until nobody else does: whatever comes later without this goes before it.
	Behind bool
	// Subject is what acts on "the event's own connection" are about; nil for a request.
	Subject Subject
	// TraceID is that of the trace which it belongs to, for the log, if its span is sampled; else "".
	TraceID string
	// ErrorLogged, if not nil, is called as the Sink is, before Finished, when the worker has logged an error that
	// names the exchange (SPEC.md §8.2).
	ErrorLogged func(*LoggedError)
	// Leaves, if not nil, is called as the Sink is, before Finished, when the worker is to leave: what is not over
	// within that time is given up with FailedDrained.
	Leaves func(within time.Duration)
	Sink   Sink
}

// LoggedError is a LOG of the level error (SPEC.md §8.2), cut to what is logged of it. It must not be changed.
type LoggedError struct {
	Message string
	Fields  map[string]any // of the context, if that is a map
}

// Subject is what an event is about. A [Hub] knows its own.
type Subject interface {
	// ConnectionID is the connection's id, or "" for a datagram.
	ConnectionID() string
}

// Hub keeps the connections that workers act on, and answers what they ask. Its methods are safe for concurrent use
// and never wait.
type Hub interface {
	// Commit has acts carried out (SPEC.md §10.1), in order: all of them, or none if done gets an error, which is for
	// the log. What has to be written down goes first, then what lives in memory; then done is called, once, with no
	// lock held, before Commit returns or later, from any goroutine. Where there is no writing down (it is slow, full
	// or away), done gets an error that wraps [ErrUnavailable], within seconds, and at once when too much waits
	// already. Of acts that belong together the pool hands the next ones over when those before them are done.
	//
	// subject is the exchange's that they belong to, or nil. SENDs have been put together from their parts. The hub
	// keeps the acts; the list is the pool's again when done is called.
	Commit(subject Subject, acts []Act, done func(error))
	Answerer
	// Swap answers a SWAP as Call does a CALL.
	Swap(m *Swap, to Caller)
}

// ErrUnavailable is within the error of acts that were sound, but could not be written down: not now. An answer that
// would have told the client of them is not given.
var ErrUnavailable = errors.New("what was asked for could not be kept")

// Sink receives what comes of an [Exchange]. Calls come one at a time, in the order below, from a goroutine that reads
// a worker's frames, or that a [Hub] calls done in: they must not wait for a client. What is passed is valid during
// the call only.
//
//	Begin (Writable | Inform)* [Respond (Writable | Data)*] [Fail] Finished
//
// An event has no response, unless it is an OPEN that is refused; a response with Hold has no end. Finished without
// Fail says that all went well. If a worker dies and the exchange is tried again, Begin comes anew. Fail and Finished
// may come without a Begin, from the submitting goroutine too.
type Sink interface {
	// Begin says that a worker has the request. The rest of its body goes to s, from the start.
	Begin(s Stream)
	// Writable says that s.Send will take more.
	Writable()
	// Inform is an informational response.
	Inform(m *Inform)
	// Respond is the response's head and its first bytes; with FlagEnd all of it.
	Respond(m *Response)
	// Data is more of the response's body. Each byte has to be given back with Stream.Consumed.
	Data(m *Data)
	// Fail says that no more of the response will come, although it has not ended.
	Fail(err *Failure)
	// Finished is the last call: the worker has run all of its code for the request, or the exchange has failed.
	Finished()
}

// Stream is a front's handle on an exchange that a worker has. Its methods are safe for concurrent use, never wait,
// and do nothing once the stream is over.
type Stream interface {
	// Send sends more of the request's body, as much of p as the window allows, and returns how much that was. With
	// end, and once all of p has gone, the body is complete, and trailers go with it; an empty p may have to wait for
	// Writable as well. more says that the stream takes more: it does not once the body is complete, the stream is
	// over or its worker has ended.
	Send(p []byte, end bool, trailers []string) (n int, more bool)
	// Consumed gives n bytes of DATA back to the worker's window.
	Consumed(n int)
	// Worker says who has the request: the worker's place in its pool, and its generation.
	Worker() (slot int, generation uint64)
}

// Fetcher is a [Stream] whose answer may be one that the host fetches (SPEC.md §15), and none of its worker.
type Fetcher interface {
	Stream
	// Fetching is since when it is; zero: the answer is the worker's.
	Fetching() time.Time
}

// Kept is a [Stream] whose answer the host has kept from before: no worker waits for its client.
type Kept interface {
	Stream
	// Kept says in a word how it comes to be the answer: "hit", "stale".
	Kept() string
}

// Ticket is what Submit returns. Its method is safe for concurrent use.
type Ticket interface {
	// Cancel says that nobody waits for the response any more. A request that waits in the queue leaves it; one that a
	// worker has is RESET with code.
	Cancel(code ResetCode)
}

// FailureKind says why an exchange failed.
type FailureKind int

// The kinds of [Failure].
const (
	FailedQueueFull    FailureKind = iota + 1 // the queue had no place
	FailedQueueTimeout                        // no worker was free in time
	FailedStopping                            // the pool is stopping
	FailedNoWorker                            // the pool has no worker that could ever take it
	FailedTimeout                             // no response head within the request time-out
	FailedDied                                // the worker died
	FailedBroken                              // the worker broke the protocol
	FailedReset                               // the worker gave the response up
	FailedDrained                             // the worker was cut off at the drain deadline
	FailedCancelled                           // Ticket.Cancel was called
	FailedAborted                             // the worker wants nothing more said to the client
	FailedFetch                               // what the host was to fetch can't be had
	FailedFetchTimeout                        // likewise: it did not come in time
	FailedFetchCrowd                          // likewise: as many are being fetched as may be
)

var failureNames = [...]string{"", "queue full", "queue timeout", "stopping", "no worker", "request timeout",
	"worker died", "link broken", "reset by worker", "drain deadline", "cancelled", "aborted by worker",
	"fetch failed", "fetch timeout", "too many fetches"}

// String names the kind in two words.
func (k FailureKind) String() string {
	if k > 0 && int(k) < len(failureNames) {
		return failureNames[k]
	}
	return fmt.Sprintf("failure %d", int(k))
}

// Failure is why an exchange has no whole response.
type Failure struct {
	Kind   FailureKind
	Detail string // for the log: which worker, and what it said last
}

// Error gives the kind and the detail.
func (f *Failure) Error() string {
	if f.Detail == "" {
		return f.Kind.String()
	}
	return f.Kind.String() + ": " + f.Detail
}

// Traits are what a front has to know of a pool to submit to it well. They may change with each generation.
type Traits struct {
	Pool       string
	WholeBody  bool          // submit a request when its body is whole, so that a slow client occupies no worker
	Spool      bool          // take a response at the worker's speed, to disk if need be, for the same reason
	Forms      bool          // workers want multipart bodies parsed (SPEC.md §5.2)
	Local      bool          // workers want to know which address a client came to (SPEC.md §5.1)
	Tunnel     bool          // workers may answer a request for a WebSocket with 101 (SPEC.md §5.9)
	FileRoots  []string      // folders that RESPONSE's file may lie under
	RetryAfter time.Duration // what a client that was turned away should wait
	Priority   []string      // paths whose requests have priority
	Events     Events        // which events the workers handle
	Queues     []string      // whose tasks the workers handle (SPEC.md §18.1)
	// Awaited is closed when Traits know Events, or never will: no worker has been READY yet. nil says that Events are
	// known.
	Awaited    <-chan struct{}
	AtMostOnce bool   // an event whose worker died is not delivered again
	Retry      Retry  // which requests are Repeatable or Keyed
	Owner      *Owner // of the workers; nil is this program's own user
}

// Events are the events of connections that a worker handles (SPEC.md §9.2).
type Events struct{ Open, Message, Close, Buffer, Fetched, FetchFailed bool }

// Any says whether there are any of connections, so that the pool can have some.
func (e Events) Any() bool { return e.Open || e.Message || e.Close || e.Buffer }

// Events reads the features of a READY.
func (r *Ready) Events() Events {
	return Events{Open: r.Has("open"), Message: r.Has("message"), Close: r.Has("close"), Buffer: r.Has("buffer"),
		Fetched: r.Has(FeatureFetched), FetchFailed: r.Has(FeatureFetchFailed)}
}

// Owner is the user and the group that files belong to; -1 leaves the one or the other as it is. Groups are all whose
// files that user may read.
type Owner struct {
	UID, GID int
	Groups   []int
}

// Retry says which requests may be tried once more if their worker dies without a word after it began.
type Retry int

// The policies of [Retry].
const (
	RetrySafe  Retry = iota // those that are safe in the sense of RFC 9110 §9.2.1
	RetryKeyed              // also those with an Idempotency-Key
	RetryNever              // none
)
