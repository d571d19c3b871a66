// Requests without a goroutine. A plain one, at hand whole, is submitted by whoever read it, and answered by whoever
// brings its response, if that is at hand whole, too, and small. Where it leads by the disk, or is not small, it gets
// a goroutine, which may wait (flow.go). If it is to be held, or something comes before it, its connection goes to
// net/http, which reads the request once more and finds its exchange here.

package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/http1"
	"github.com/workerhost/workerhost/host/internal/peer"
)

// Seat is a connection with at most one plain request at hand. For each that was submitted it gets one call of
// Answer, Yield or Abort, from any goroutine, but for one that it has left. Before Answer or Abort there may be any
// number of Send and SendFile.
type Seat interface {
	Conn
	Remote() string // address, as net/http has it
	Local() any     // address, likewise
	// Answer writes a response, as fast as the client takes it. b is the caller's again when it returns. ends says
	// that the connection ends with it.
	Answer(b []byte, ends bool)
	// Send writes parts of a response, one after the other, and waits until the client has taken them; they are the
	// caller's again then. An error says that it has left.
	Send(parts ...[]byte) error
	// SendFile writes head, and then n bytes of file from where that is read, likewise. sent is how many of them were
	// written: fewer without an error if the file has ended. errors.ErrUnsupported says that none can be, though head
	// was.
	SendFile(head []byte, file *os.File, n int64) (sent int64, err error)
	// Yield gives the connection, with the request at hand, to net/http, whose handler calls [Handler.Resume]. If that
	// can't be, p.Drop has to be called.
	Yield(p *Pending)
	// Abort ends the connection: the response broke off.
	Abort()
}

// Pending is a plain request, from when it is at hand to its answer, and the http.ResponseWriter of that.
type Pending struct {
	handler *Handler
	seat    Seat
	visit   *visit
	left    atomic.Bool // by its client

	mu   sync.Mutex // under which it leaves
	x    *exchange  // nil: it was not submitted yet; written under mu
	flow *flow      // nil: its answer is written when it is whole; written under mu

	request *http.Request
	url     url.URL // the request's
	body    bytes.Reader
	kept    []byte  // the body, where it is not read at once
	fields  []field // of the request's header, sorted

	answer http1.Answer
	sheet  *sheet // nil: nothing was written
}

// sheet is what an answer is written on. It is lent once there is one, since very many requests may wait.
type sheet struct {
	page []byte // its body
	out  []byte // all of it
	keys []string
}

var sheets = sync.Pool{New: func() any { return new(sheet) }}

// Who waits for what comes of an exchange.
const (
	byHandler = iota // its handler, woken by wake
	nobodyYet        // it is being submitted
	tooSoon          // likewise, and something has come
	byNews           // nobody: whoever brings something takes it
	taken            // whoever has, or the handler that got it by Resume
)

var pendings = sync.Pool{New: func() any {
	p := new(Pending)
	p.request = new(http.Request).WithContext((*pendingContext)(p))
	p.request.Proto, p.request.ProtoMajor, p.request.ProtoMinor = "HTTP/1.1", 1, 1
	p.request.Header, p.answer.Header = http.Header{}, http.Header{}
	return p
}}

// Pending makes one of a request whose head is text. It keeps text, and body until Submit returns. nil says that the
// request is not plain after all.
func (h *Handler) Pending(seat Seat, head *http1.Head, text string, body []byte) *Pending {
	p := pendings.Get().(*Pending)
	if readTarget(&p.url, head.Target(text)) != nil {
		pendings.Put(p)
		return nil
	}
	p.handler, p.seat = h, seat
	r := p.request
	r.Method, r.RequestURI, r.URL, r.Host = head.Method(text), head.Target(text), &p.url, head.Host(text)
	r.ContentLength, r.RemoteAddr, r.Close = head.Length, seat.Remote(), head.Close
	if r.Body = http.NoBody; len(body) > 0 {
		p.body.Reset(body)
		r.Body = io.NopCloser(&p.body)
	}
	p.fields = appendPlain(p.fields[:0], head, text)
	p.answer.Head, p.answer.Close = r.Method == http.MethodHead, head.Close
	return p
}

// Submit gives the request to the Backend, or answers it. It does not wait, and must not be called under a lock that
// the seat's methods take.
func (p *Pending) Submit() {
	p.visit = p.handler.visit(p, p.request, p.seat, p.fields)
	p.until(p.arrive)
}

// arrive checks the request, and leaves what may wait for others to a goroutine.
func (p *Pending) arrive() (ends bool) {
	if p.visit.challenged() {
		p.keep()
		go p.until(p.admit) // ends when it is submitted, or leaves that to another one
		return false
	}
	return p.admit()
}

func (p *Pending) admit() (ends bool) {
	if !p.visit.admit() {
		return true
	}
	if !p.mayWait() {
		return p.reach()
	}
	p.keep()
	go p.until(p.reach) // ends when it is submitted
	return false
}

// keep copies the body, which is not read at once.
func (p *Pending) keep() {
	if p.body.Len() > 0 {
		p.kept = make([]byte, p.body.Len())
		p.body.Read(p.kept)
		p.body.Reset(p.kept)
	}
}

// mayWait says whether the way leads by a password's check, or by the disk where a form's files go.
func (p *Pending) mayWait() bool {
	r := p.request
	if p.visit.unproven() {
		return true
	}
	if r.ContentLength == 0 || !p.visit.terms.Backend.Traits().Forms {
		return false
	}
	_, isForm, _ := formBoundary(p.visit.value("Content-Type"))
	return isForm
}

// until takes a step. If that ends the request, or panics as a handler may, the client is answered.
func (p *Pending) until(step func() (ends bool)) {
	ends, whole := true, false
	defer func() {
		fault := recover()
		if fault != nil && fault != http.ErrAbortHandler {
			p.handler.log.Error("a fault of the host", "request", p.request.Method+" "+p.request.RequestURI,
				"error", fault, "stack", string(debug.Stack()))
		}
		if ends {
			p.finish(whole)
		}
	}()
	ends = step()
	whole = true
}

// reach is the way of a plain request that was admitted past its guards to the Backend, as proceed is that of others.
func (p *Pending) reach() (ends bool) {
	v := p.visit
	if !v.authorized() {
		return true
	}
	known := v.fallback() == ""
	if folder, name := v.publicFile(); folder != nil {
		file, coding, here := v.nearby(folder, name)
		defer folder.close()
		if file != nil {
			defer file.release()
			v.keepPrivate(folder)
			v.sendNearby(name, file, coding)
			return true
		}
		known = known && here && folder.next == nil
	}
	if !known {
		p.keep()
		go p.until(p.search) // ends when it is submitted, or answered with a file
		return false
	}
	return p.ask()
}

// search looks for a file, for which it may have to wait, and else asks the Backend.
func (p *Pending) search() (ends bool) {
	return p.visit.servePublic(p.begin) || p.ask()
}

// ask submits the request, for which there is no file.
func (p *Pending) ask() (ends bool) {
	v := p.visit
	if v.answerByRoute() || v.showFault() {
		return true
	}
	x := v.exchange()
	x.pending = p
	x.awaited.Store(nobodyYet)
	p.mu.Lock()
	p.x = x
	p.mu.Unlock()
	if _, err := x.takeBody(v, true); err != nil {
		v.refuseBody(err)
		return true
	}
	if p.left.Load() {
		panic(http.ErrAbortHandler)
	}
	x.submit()
	p.mu.Lock() // the client may leave at this moment
	waits := !p.left.Load() && x.awaited.CompareAndSwap(nobodyYet, byNews)
	p.mu.Unlock()
	if waits {
		return false // and p may be another request's by now
	}
	x.awaited.Store(taken)
	return p.settle()
}

// settle answers with what came, or has a goroutine do so, or net/http.
func (p *Pending) settle() (ends bool) {
	if p.left.Load() {
		panic(http.ErrAbortHandler)
	}
	switch p.x.size() {
	case small:
		p.x.respond(p.visit)
		return true
	case dense:
		go p.until(p.press) // ends when it is answered, for which nobody is waited for
	case large:
		go p.until(p.pass) // ends with the answer
	default:
		p.seat.Yield(p)
	}
	return false
}

// press answers with what is at hand whole.
func (p *Pending) press() (ends bool) {
	p.x.respond(p.visit)
	return true
}

// tell has whoever waits for the exchange look at it. It is called by the sink, without mu.
func (x *exchange) tell() {
	switch {
	case x.awaited.CompareAndSwap(byNews, taken):
		x.pending.until(x.pending.settle)
	case !x.awaited.CompareAndSwap(nobodyYet, tooSoon):
		signal(x.wake)
	}
}

// finish ends the visit and answers. whole says that nothing broke off.
func (p *Pending) finish(whole bool) {
	ends := false
	switch { // its header lies in the exchange's memory
	case whole && p.flow != nil && p.flow.begun:
		ends = p.endFlow()
	case whole:
		ends = p.spell()
	}
	p.mu.Lock() // the client may leave at this moment
	x := p.x
	p.x = nil
	p.mu.Unlock()
	if x != nil {
		x.leave()
	}
	p.visit.end(whole)
	if whole {
		p.seat.Answer(p.sheet.out, ends)
	} else {
		p.seat.Abort()
	}
	p.free()
}

// spell puts the answer together, and says whether the connection ends with it.
func (p *Pending) spell() (ends bool) {
	a, s := &p.answer, p.written()
	a.Bytes, a.Reason = len(s.page), http.StatusText(a.Status)
	s.out, ends, s.keys = a.AppendHead(s.out[:0], time.Now(), s.keys)
	if !a.Bare() {
		s.out = append(s.out, s.page...)
	}
	return ends
}

// Leave says that the client has left, or that nobody waits for it any more. It is for the seat, which calls it only
// before Answer, Yield or Abort: those may still come, and are to be ignored.
func (p *Pending) Leave() {
	p.mu.Lock()
	if !p.left.Swap(true) && p.flow != nil {
		close(p.flow.gone)
	}
	ours := p.x != nil && p.x.awaited.CompareAndSwap(byNews, taken)
	p.mu.Unlock()
	if ours {
		p.Drop()
	}
}

// Drop ends a request that was given to net/http, whose handler never had it.
func (p *Pending) Drop() {
	p.left.Store(true)
	if p.x != nil {
		p.x.leave()
	}
	p.visit.end(false)
	p.free()
}

// Resume goes on with a request that a seat has yielded, as Serve does with one that begins.
func (h *Handler) Resume(w http.ResponseWriter, r *http.Request, conn Conn, p *Pending) {
	if kept := p.resume(w, r, conn); kept != nil {
		kept.Stay(r)
	}
}

func (p *Pending) resume(w http.ResponseWriter, r *http.Request, conn Conn) *peer.Held {
	v, x := p.visit, p.x
	for name, values := range p.answer.Header {
		w.Header()[name] = values
	}
	r.RemoteAddr, r.Host = p.request.RemoteAddr, p.request.Host // which a proxy may have told
	v.moveTo(w, r, conn)
	p.free()
	whole := false
	defer func() { v.end(whole) }()
	defer x.leave()
	kept := x.respond(v)
	whole = true
	return kept
}

// free gives p back.
func (p *Pending) free() {
	r := p.request
	clear(r.Header)
	clear(p.answer.Header)
	clear(p.fields)
	p.fields = p.fields[:0]
	r.Method, r.RequestURI, r.URL, r.Host, r.Body, r.RemoteAddr = "", "", nil, "", nil, ""
	p.url = url.URL{}
	p.body.Reset(nil)
	p.kept, p.x, p.flow = nil, nil, nil
	p.left.Store(false)
	p.handler, p.seat, p.visit = nil, nil, nil
	p.answer = http1.Answer{Header: p.answer.Header}
	if p.sheet != nil {
		p.layDown()
	}
	pendings.Put(p)
}

// Header implements http.ResponseWriter.
func (p *Pending) Header() http.Header { return p.answer.Header }

// WriteHeader implements http.ResponseWriter.
func (p *Pending) WriteHeader(status int) {
	if p.answer.Status == 0 {
		p.answer.Status = status
	}
}

// Write implements http.ResponseWriter.
func (p *Pending) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.answer.Bare() && !p.answer.Head {
		return 0, http.ErrBodyNotAllowed
	}
	if s := p.written(); p.flow == nil || !p.flow.begun && len(s.page)+len(b) <= aPage && p.announced() < 0 {
		s.page = append(s.page, b...)
		return len(b), nil
	}
	return len(b), p.pour(b)
}

func (p *Pending) written() *sheet {
	if p.sheet == nil {
		p.sheet = sheets.Get().(*sheet)
	}
	return p.sheet
}

// pendingContext is the request's context. Nobody waits for its end but who has a flow.
type pendingContext Pending

// Deadline implements context.Context.
func (c *pendingContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (c *pendingContext) Done() <-chan struct{} {
	if c.flow == nil {
		return nil
	}
	return c.flow.gone
}

// Err implements context.Context.
func (c *pendingContext) Err() error {
	if c.left.Load() {
		return context.Canceled
	}
	return nil
}

// Value implements context.Context.
func (c *pendingContext) Value(key any) any {
	if key == http.LocalAddrContextKey {
		return c.seat.Local()
	}
	return nil
}
