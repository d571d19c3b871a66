// What a client takes of a response, and at which pace: its body as the worker sends it, what waited on disk, its
// trailers.

package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// output counts what a client takes.
type output struct {
	w         http.ResponseWriter
	encoded   *encodedStream // which is w, if the body is compressed on its way; else nil
	length    int64          // announced, of what is written here; -1: not
	sent      int64
	unflushed bool
	disk      []byte // what was read from there last
}

var errOverlong = errors.New("its body is longer than its Content-Length")

// write gives p to net/http. Panics with http.ErrAbortHandler if the client has left.
func (o *output) write(p []byte) error {
	if o.length >= 0 && o.sent+int64(len(p)) > o.length {
		return errOverlong
	}
	if len(p) == 0 {
		return nil
	}
	if _, err := o.w.Write(p); err != nil {
		panic(http.ErrAbortHandler)
	}
	o.sent += int64(len(p))
	o.unflushed = true
	return nil
}

func (o *output) flush() {
	if !o.unflushed {
		return
	}
	o.unflushed = false
	if f, ok := o.w.(interface{ FlushError() error }); ok && f.FlushError() != nil {
		panic(http.ErrAbortHandler)
	}
}

// end writes what a coding has behind the body.
func (o *output) end() {
	if o.encoded != nil && o.encoded.end() != nil {
		panic(http.ErrAbortHandler)
	}
}

// passOn writes what comes after the head until the body's end.
func (x *exchange) passOn(v *visit, out *output) {
	gone := v.r.Context().Done()
	out.unflushed = true // the head
	if x.upload.unfinished() {
		x.upload.in.untime()
	}
	for {
		x.mu.Lock()
		ended, failed, over, refusal := x.ended, x.failed, x.finished, x.refusal
		trailers := x.trailers
		x.mu.Unlock()
		if x.passSome(v, out) {
			continue
		}
		switch {
		case ended:
			if err := protocol.CheckHeaders(trailers); err != nil {
				x.handler.log.Error("dropped malformed trailers", x.about("error", err)...)
			} else if len(trailers) > 0 {
				out.flush() // a response that is all in the buffer would get a Content-Length, and no trailers
				x.setTrailers(out.w.Header(), trailers)
			}
			return
		case failed:
			if x.failure.Kind == protocol.FailedCancelled {
				v.abandon()
			}
			out.flush()
			if x.failure.Kind == protocol.FailedAborted {
				v.abandon()
			}
			if x.lost(v, out.w.Header()) {
				return
			}
			x.breakOff(v, x.failure.Error())
		case over:
			out.flush()
			x.breakOff(v, "its worker was done before the body ended")
		case refusal != nil:
			v.abandon() // the client's body broke off
		}
		out.flush()
		select {
		case <-x.wake:
		case <-gone:
			panic(http.ErrAbortHandler)
		case <-out.encoded.rests():
			out.encoded.stream.Park()
		}
	}
}

// lost ends a response of gRPC whose worker is gone with the status that says so, UNAVAILABLE: the client may call
// again. Of a stream that is reset it would make INTERNAL, that the server's code is wrong.
func (x *exchange) lost(v *visit, h http.Header) bool {
	switch x.failure.Kind {
	case protocol.FailedReset, protocol.FailedAborted: // by the handler, whose doing it is
		return false
	}
	if v.r.ProtoMajor != 2 || !isGRPC(h.Get("Content-Type")) {
		return false
	}
	x.handler.log.Error("a response broke off", x.about("error", x.failure.Error())...)
	h.Set(http.TrailerPrefix+"Grpc-Status", "14")
	h.Set(http.TrailerPrefix+"Grpc-Message", x.failure.Kind.String())
	return true
}

// isGRPC says whether a Content-Type is one of gRPC. That of gRPC-Web is not: its status is in the body.
func isGRPC(contentType string) bool {
	kind, grpc := strings.CutPrefix(contentType, "application/grpc")
	return grpc && !strings.HasPrefix(kind, "-")
}

// passSome writes what is at hand of the body, and says whether there was any.
func (x *exchange) passSome(v *visit, out *output) bool {
	x.mu.Lock()
	p, fromDisk := x.log.next()
	stream := x.stream
	most := max(smallBody, min(peer.WriteStep, x.log.limit))
	x.mu.Unlock()
	if fromDisk {
		if out.disk == nil {
			out.disk = make([]byte, most)
		}
		n, err := x.log.readDisk(out.disk)
		if err != nil {
			x.breakOff(v, "its spooled body can't be read: "+err.Error())
		}
		p = out.disk[:n]
		x.mu.Lock()
		x.log.tookDisk(n)
		x.mu.Unlock()
	}
	if len(p) == 0 {
		return false
	}
	v.moreTime()
	if err := out.write(p); err != nil {
		x.breakOff(v, err.Error())
	}
	x.mu.Lock()
	give := x.log.wrote(p, fromDisk)
	x.mu.Unlock()
	if give > 0 {
		stream.Consumed(give)
	}
	return true
}

// moreTime renews the write deadline of an HTTP/2 stream: a client may take bytes of others and leave this one without
// a window. HTTP/1's deadline is the connection's.
func (v *visit) moreTime() {
	if timeout := v.terms.Limits.WriteTimeout; v.r.ProtoMajor != 1 && timeout > 0 {
		http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(timeout))
	}
}

// setTrailers sends trailers that have been checked, without those that no trailer may be (RFC 9110 §6.5.1).
func (x *exchange) setTrailers(h http.Header, pairs []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if noTrailer(http.CanonicalHeaderKey(pairs[i])) {
			x.handler.log.Warn("dropped a trailer that no trailer may be", x.about("name", pairs[i])...)
		} else {
			h.Add(http.TrailerPrefix+pairs[i], pairs[i+1])
		}
	}
}
