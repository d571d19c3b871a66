// An exchange: one request, from the handler that submits it to the worker's last word. The handler's goroutine and
// the worker's reader meet here; neither waits for the other's peer. It implements protocol.Sink.

package web

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/protocol"
)

// exchange is reused once all that hold it have let go: the handler (leave), the Backend (Finished), a pump and a
// watch while they run.
type exchange struct {
	protocol.Exchange
	handler *Handler
	terms   *terms
	refs    atomic.Int32
	wake    chan struct{} // for the handler: look again; holds one

	// written before Submit; the Backend's to read until Finished
	request protocol.Request
	tls     protocol.TLS
	small   []byte // the whole of a small body
	large   *body  // or of a large one, removed with the last hold
	form    *form  // or what a form became, likewise
	lent    int64  // memory that the spool has lent for it, likewise
	owner   Conn   // whose own memory it has; nil if that is HTTP/1's, or another stream's
	poor    bool   // which is so if this is true
	fields  []field

	entry     *accesslog.Entry // the handler's; nil: nobody is told of it
	submitted time.Time
	span      trace.Span // the visit's

	ticket protocol.Ticket // the handler's
	values []string        // the handler's: backs the response's header values
	upload *upload         // the handler's; nil unless the body is passed on as it comes

	more chan struct{} // for the pump: look again; nil without one

	pending *Pending     // without a handler; fixed before Submit
	awaited atomic.Int32 // by whom; see pending.go

	mu sync.Mutex
	// guarded by mu
	stream   protocol.Stream
	begun    int                                 // how many times Begin came
	clock    struct{ begun, answered time.Time } // kept for the entry only
	informs  []protocol.Inform
	headed   bool
	response protocol.Response // its Headers and Body are ours
	first    int               // bytes of its body that came with its head; they lie in log if Body is empty
	log      backlog
	ended    bool
	trailers []string
	failed   bool
	failure  protocol.Failure
	finished bool
	left     bool      // the handler has gone: what still comes is given back unread
	refusal  *badBody  // the body could not be read to its end
	late     bool      // the response asks for a fetch, which nobody takes up; set once, before headed
	kept     *holding  // the response is to be held; set once, with headed
	leaves   time.Time // when its worker is to have left; zero: it is not to leave
}

var exchanges = sync.Pool{New: func() any {
	x := &exchange{wake: make(chan struct{}, 1)}
	x.Exchange.Sink = x
	x.Exchange.Request = &x.request
	return x
}}

// newExchange makes one that keeps the visit's terms until it has ended.
func newExchange(v *visit, eager bool) *exchange {
	x := exchanges.Get().(*exchange)
	x.handler, x.terms, x.entry = v.handler, v.terms.retain(), v.entry
	if x.entry != nil {
		x.entry.Pool = v.terms.Backend.Traits().Pool
	}
	if v.span.Traced() {
		x.span, x.TraceID = v.span, v.span.Hex()
	}
	x.refs.Store(1)
	most := int(x.terms.Limits.ResponseBuffer)
	x.log.eager, x.log.limit, x.log.most = eager, min(most, spool.OwnMemory), most
	return x
}

// claim takes the memory that each connection has of its own. One stream of HTTP/2 has it at a time; the others
// begin with none, or a client that opens very many would fill the host's.
func (x *exchange) claim(v *visit) {
	switch {
	case v.conn == nil || v.r.ProtoMajor == 1:
	case v.conn.Claim():
		x.owner = v.conn
	default:
		x.poor, x.log.limit = true, 0
	}
}

// submit gives the exchange to the Backend, which holds it until Finished.
func (x *exchange) submit() {
	x.refs.Add(1)
	if x.entry != nil {
		x.submitted = time.Now()
	}
	x.ticket = x.terms.Backend.Submit(&x.Exchange)
}

// leave is the handler's last word. If the response was not whole yet, nobody waits for it any more.
func (x *exchange) leave() {
	x.mu.Lock()
	x.left = true
	cancel := x.ticket != nil && !x.ended && !x.failed && !x.finished
	give, stream := x.log.drop(), x.stream
	if x.entry != nil {
		x.account()
	}
	kept := x.kept
	x.mu.Unlock()
	if kept != nil {
		kept.drop()
	}
	if cancel {
		x.ticket.Cancel(protocol.ResetCancelled)
	}
	if give > 0 && stream != nil {
		stream.Consumed(give)
	}
	if x.more != nil {
		signal(x.more)
	}
	x.drop()
}

// account tells the access log what the exchange knows. The caller holds mu.
func (x *exchange) account() {
	e := x.entry
	e.Submitted, e.Begun, e.Answered, e.Attempts = x.submitted, x.clock.begun, x.clock.answered, x.begun
	if x.stream != nil {
		e.Slot, e.Generation = x.stream.Worker()
		if k, is := x.stream.(protocol.Kept); is {
			e.Cache, e.Submitted, e.Begun, e.Answered, e.Attempts = k.Kept(), time.Time{}, time.Time{}, time.Time{}, 0
		}
		if f, is := x.stream.(protocol.Fetcher); is {
			e.Fetching = f.Fetching()
		}
	}
	if x.failed && e.Fault == "" {
		e.Fault = x.failure.Kind.String()
	}
}

// drop lets go of the exchange; the last one to do so cleans up.
func (x *exchange) drop() {
	if x.refs.Add(-1) > 0 {
		return
	}
	if x.large != nil {
		x.large.close()
	}
	if x.form != nil {
		x.form.close()
	}
	if x.lent > 0 {
		x.handler.spool.Repay(x.lent)
	}
	if x.owner != nil {
		x.owner.Unclaim()
	}
	x.terms.release()
	x.log.drop()
	select {
	case <-x.wake:
	default:
	}
	clear(x.request.Headers)
	clear(x.response.Headers)
	clear(x.values)
	clear(x.fields)
	*x = exchange{
		Exchange: protocol.Exchange{Sink: x, Request: &x.request},
		wake:     x.wake,
		request:  protocol.Request{Headers: x.request.Headers[:0]},
		response: protocol.Response{Headers: x.response.Headers[:0], Body: x.response.Body[:0]},
		log:      backlog{memory: x.log.memory},
		small:    x.small[:0],
		fields:   x.fields[:0],
		values:   x.values[:0],
	}
	exchanges.Put(x)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Begin implements protocol.Sink.
func (x *exchange) Begin(s protocol.Stream) {
	x.mu.Lock()
	x.stream, x.leaves = s, time.Time{}
	x.begun++
	if x.entry != nil {
		x.clock.begun = time.Now()
	}
	x.mu.Unlock()
	if x.more != nil {
		signal(x.more)
	}
}

// Writable implements protocol.Sink.
func (x *exchange) Writable() {
	if x.more != nil {
		signal(x.more)
	}
}

// maxInforms is how many informational responses may wait for a slow client; more are dropped, as any recipient may
// do.
const maxInforms = 16

// Inform implements protocol.Sink.
func (x *exchange) Inform(m *protocol.Inform) {
	x.mu.Lock()
	if len(x.informs) < maxInforms && !x.left {
		x.informs = append(x.informs, protocol.Inform{Status: m.Status, Headers: append([]string(nil), m.Headers...)})
	}
	x.mu.Unlock()
	x.tell()
}

// Respond implements protocol.Sink.
func (x *exchange) Respond(m *protocol.Response) {
	x.mu.Lock()
	r := &x.response
	r.Flags, r.Status, r.File, r.Hold, r.Fetch = m.Flags, m.Status, m.File, m.Hold, m.Fetch
	if f, is := x.stream.(protocol.Fetcher); is && !f.Fetching().IsZero() {
		x.log.eager = false // no worker waits: the client's speed is the source's
	}
	if _, is := x.stream.(protocol.Kept); is {
		x.log.eager = false // likewise
	}
	r.Headers = append(r.Headers[:0], m.Headers...)
	x.late = hub.AsksForFetch(x.stream, m)
	x.first = len(m.Body)
	if m.Switches(&x.request) {
		x.log.eager = false // the client's speed is the worker's
	}
	if spool := x.handler.spool; m.Hold != nil || x.log.fits(x.first, spool) || !x.log.toDisk(m.Body, spool) {
		r.Body = append(r.Body[:0], m.Body...)
	}
	if m.Hold != nil {
		x.keep(m.Hold)
	}
	x.headed = true
	x.ended = m.Flags&protocol.FlagEnd != 0
	x.noteEnd(x.ended || x.kept != nil)
	x.mu.Unlock()
	x.tell()
}

// noteEnd notes when the worker's part of the response was over. The caller holds mu.
func (x *exchange) noteEnd(over bool) {
	if over && x.entry != nil && x.clock.answered.IsZero() {
		x.clock.answered = time.Now()
	}
}

// Data implements protocol.Sink.
func (x *exchange) Data(m *protocol.Data) {
	x.mu.Lock()
	give, watch := len(m.Bytes), false
	if !x.left {
		give, watch = x.log.add(m.Bytes, x.handler.spool)
	}
	if m.Flags&protocol.FlagEnd != 0 {
		x.ended = true
		x.noteEnd(true)
		x.trailers = append([]string(nil), m.Trailers...)
	}
	stream := x.stream
	x.mu.Unlock()
	if give > 0 {
		stream.Consumed(give)
	}
	if watch {
		x.refs.Add(1)
		time.AfterFunc(patience, x.watch)
	}
	x.tell()
}

// patience is how long a client may keep a worker waiting before its response goes to disk.
const patience = 100 * time.Millisecond

func (x *exchange) watch() {
	x.mu.Lock()
	give, again := 0, false
	if !x.left {
		give, again = x.log.watched(x.handler.spool)
	}
	stream := x.stream
	x.mu.Unlock()
	if give > 0 {
		stream.Consumed(give)
	}
	if again {
		time.AfterFunc(patience, x.watch)
		return
	}
	x.drop()
}

// Fail implements protocol.Sink.
func (x *exchange) Fail(err *protocol.Failure) {
	x.mu.Lock()
	if !x.ended {
		x.failed, x.failure = true, *err
		x.noteEnd(true)
	}
	x.mu.Unlock()
	x.tell()
}

// Finished implements protocol.Sink.
func (x *exchange) Finished() {
	x.mu.Lock()
	x.finished = true
	if x.kept != nil && x.kept.wrong == nil && !x.failed && !x.left {
		x.enter()
	}
	waiting := !x.ended && !x.failed && !x.left
	x.mu.Unlock()
	if waiting {
		x.tell()
	}
	if x.more != nil {
		signal(x.more)
	}
	x.drop()
}

// refuse is the pump's word that the body could not be read; the handler answers, if it still can.
func (x *exchange) refuse(why *badBody) {
	x.mu.Lock()
	x.refusal = why
	x.mu.Unlock()
	x.tell()
}
