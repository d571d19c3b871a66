// A visit: one request while its handler has it. What the way of a request needs stands here, made once where it comes
// in.

package web

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/trace"
)

// visit belongs to the request's handler, and is gone with it. An exchange may live longer.
type visit struct {
	handler *Handler
	terms   *terms
	conn    Conn // nil: none of ours
	w       http.ResponseWriter
	r       *http.Request
	listed  []field          // its header, until somebody asks for that; nil: r has it
	id      string           // of the request; "" is without
	target  string           // as workers are told
	scheme  string           // what a trusted proxy says; "" is what the connection says
	peer    string           // address of whoever has connected, be it a proxy
	guards  guards           // that it has to pass
	in      *intake          // nil: no body was asked for
	tunnels bool             // it counts as a tunnel until its line is in the access log
	entry   *accesslog.Entry // of the access log and of the span; nil: nobody is told of the request
	access  *accesslog.Log   // nil: there is none
	span    trace.Span

	recorder recorder
}

// recorder is the visit's ResponseWriter where somebody counts along: the access log, or the connection.
type recorder struct {
	http.ResponseWriter
	conn  Conn
	entry accesslog.Entry
}

// statusLeft is nginx's word for a client that left before it was answered. It stands in the log alone.
const statusLeft = 499

var visits = sync.Pool{New: func() any { return new(visit) }}

// Serve answers a request that came over conn, which is nil if it is none of the listener's. It panics with
// [http.ErrAbortHandler] where a connection has to be cut.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, conn Conn) {
	if kept := h.answerTo(w, r, conn); kept != nil {
		kept.Stay(r)
	}
}

// answerTo is the visit of a request. What it returns, if anything, is a held response that has to stay with its
// handler: it must not keep terms or a log that a reload has replaced.
func (h *Handler) answerTo(w http.ResponseWriter, r *http.Request, conn Conn) *peer.Held {
	v := h.visit(w, r, conn, nil)
	whole := false
	defer func() { v.end(whole) }()
	kept := v.handle()
	whole = true
	return kept
}

// visit begins the visit of a request, whose header is listed unless r has it. Its end has to come.
func (h *Handler) visit(w http.ResponseWriter, r *http.Request, conn Conn, listed []field) *visit {
	v := visits.Get().(*visit)
	v.handler, v.terms, v.conn, v.w, v.r, v.peer = h, h.enter(), conn, w, r, r.RemoteAddr
	v.listed, v.recorder.ResponseWriter = listed, w
	v.follow()
	v.noteTo(h.accessLog(v.terms))
	if r.ProtoMajor > 1 {
		v.record()
	}
	return v
}

// noteTo has the visit noted in a log, which was retained for it, or in none, and for its span.
func (v *visit) noteTo(access *accesslog.Log) {
	v.access, v.entry = access, nil
	if access != nil || v.span.Sampled {
		v.entry = &v.recorder.entry
		v.entry.Began = time.Now()
		v.record()
	}
}

// record puts the recorder between the visit and its client.
func (v *visit) record() {
	v.recorder.conn = v.conn
	v.w = &v.recorder
}

// moveTo has the visit go on with what net/http has of the same request.
func (v *visit) moveTo(w http.ResponseWriter, r *http.Request, conn Conn) {
	v.r, v.listed, v.conn, v.recorder.ResponseWriter = r, nil, conn, w
	if v.w == http.ResponseWriter(&v.recorder) {
		v.recorder.conn = conn
	} else {
		v.w = w
	}
}

// end leaves the line of the access log and the span, and lets go.
func (v *visit) end(whole bool) {
	if e := v.entry; e != nil {
		e.ID = v.id
		if v.in != nil {
			e.In = v.in.got
		}
		switch {
		case e.Status != 0:
		case v.r.Context().Err() == nil:
			e.Status = http.StatusBadGateway // it broke off before its head
		default:
			e.Status = statusLeft
		}
		e.TraceID = v.span.Hex()
		if v.access != nil {
			v.access.Note(e, v.r, v.value, whole)
		}
		if v.span.Sampled {
			v.tell(whole)
		}
	}
	if v.tunnels {
		v.handler.tunnels.Add(-1)
	}
	v.terms.release()
	*v = visit{}
	visits.Put(v)
}

// accessLog is where a request of such terms is noted; Note lets go of it. nil is nowhere.
func (h *Handler) accessLog(of *terms) *accesslog.Log {
	for t := of; ; t = h.terms.Load().successor(of) {
		if t.Access == nil || t.Access.Retain() {
			return t.Access
		}
		// it was replaced this very moment
	}
}

// renew takes the terms that count now in place of those that the visit began with, unless its route leads to no
// worker of its realm any more.
func (v *visit) renew() {
	before, whole := v.terms, v.handler.enter()
	now := whole.heir(before)
	if now == nil || now.Route.Status != 0 {
		whole.release()
		return
	}
	v.terms = now
	before.release()
}

// WriteHeader implements http.ResponseWriter.
func (c *recorder) WriteHeader(status int) {
	if status >= 200 && c.entry.Status == 0 {
		c.entry.Status = status
	}
	if c.conn != nil {
		c.conn.Answers(status)
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *recorder) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.sent(int64(n))
	return n, err
}

// ReadFrom implements io.ReaderFrom, for sendfile.
func (c *recorder) ReadFrom(r io.Reader) (n int64, err error) {
	if to, ok := c.ResponseWriter.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(r)
	} else {
		n, err = io.Copy(struct{ io.Writer }{c.ResponseWriter}, r)
	}
	c.sent(n)
	return n, err
}

func (c *recorder) sent(n int64) {
	if c.entry.Out += n; c.entry.Status == 0 {
		c.entry.Status = http.StatusOK
	}
}

// FlushError is what http.ResponseController looks for.
func (c *recorder) FlushError() error { return http.NewResponseController(c.ResponseWriter).Flush() }

// Unwrap is what http.ResponseController looks for.
func (c *recorder) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// parting tells the client, in the head that is about to be written, if the listener ends. Over HTTP/2 net/http sends
// GOAWAY instead, and over HTTP/3 the listener does, where the field would be malformed.
func (v *visit) parting() {
	if v.r.ProtoMajor > 2 {
		return
	}
	select {
	case <-v.handler.options.Ending:
		v.w.Header()["Connection"] = closing
	default:
	}
}
