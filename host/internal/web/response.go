// From a worker's answer to the client's: RESPONSE, INFORM and DATA (SPEC.md §5.3 to §5.5).

package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/workerhost/workerhost/host/internal/compress"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// respond waits for the response and gives it to the client. It panics with http.ErrAbortHandler if the client has
// left or the response breaks off. What it returns, if anything, is a held response that has to stay with its handler.
func (x *exchange) respond(v *visit) *peer.Held {
	gone := v.r.Context().Done()
	for {
		x.mu.Lock()
		informs := x.informs
		x.informs = nil
		headed, failed, over, refusal := x.headed, x.failed, x.finished, x.refusal
		x.mu.Unlock()
		if len(informs) > 0 && v.r.ProtoAtLeast(1, 1) {
			x.inform(v, informs)
		}
		if (headed || failed || over) && x.upload.unfinished() && v.r.ProtoMajor == 1 {
			v.w.Header()["Connection"] = closing
		}
		switch {
		case headed && x.kept != nil && !failed:
			return x.hold(v)
		case headed && x.kept == nil: // whatever failed then: the client gets what was said, and sees it break off
			x.deliver(v)
			return nil
		case failed:
			if headed && x.failure.Kind != protocol.FailedCancelled { // the pool leaves it to us, as in breakOff
				x.handler.log.Error("a response broke off before any of it was sent",
					x.about("error", x.failure.Error())...)
			}
			v.answerFailure(&x.failure)
			return nil
		case refusal != nil:
			v.answerRefusal(refusal)
			return nil
		case over:
			v.answerFailure(&protocol.Failure{Kind: protocol.FailedBroken, Detail: "it was done without a response"})
			return nil
		}
		select {
		case <-x.wake:
		case <-gone:
			if x.upload != nil { // net/http cancels as well when a body can't be read: the pump knows why
				x.endUpload()
				x.mu.Lock()
				refusal = x.refusal
				x.mu.Unlock()
				if refusal != nil {
					v.answerRefusal(refusal)
					return nil
				}
			}
			panic(http.ErrAbortHandler)
		}
	}
}

// answerRefusal answers a request whose body could not be read.
func (v *visit) answerRefusal(bad *badBody) {
	if v.r.ProtoMajor == 1 {
		v.w.Header()["Connection"] = closing
	}
	v.refused(bad.Status, bad.err.Error())
	v.answer(verdict{status: bad.Status}, bad.err.Error())
}

// answerFailure needs no log line: the pool has written one.
func (v *visit) answerFailure(f *protocol.Failure) {
	v.blame(f.Kind.String())
	v.answer(verdictOf(f), f.Error())
}

// inform passes informational responses on. Their headers must not stay for the response.
func (x *exchange) inform(v *visit, informs []protocol.Inform) {
	h := v.w.Header()
	for i := range informs {
		m := &informs[i]
		if err := m.Check(); err != nil {
			x.handler.log.Error("dropped a malformed informational response", x.about("error", err)...)
			continue
		}
		if m.Status == http.StatusContinue {
			continue // the host's to send
		}
		kept := h.Clone()
		clear(h)
		for j := 0; j+1 < len(m.Headers); j += 2 {
			if !framing(http.CanonicalHeaderKey(m.Headers[j])) {
				h.Add(m.Headers[j], m.Headers[j+1])
			}
		}
		spell(h, v.r, m.Headers, false)
		v.w.WriteHeader(m.Status)
		clear(h)
		for name, values := range kept {
			h[name] = values
		}
	}
}

func framing(name string) bool { return name == "Content-Length" || hopByHop(name) }

// about is what a log line says of the request and of the worker that has it, followed by args.
func (x *exchange) about(args ...any) []any {
	all := []any{"request", x.name(), "request_id", x.request.ID, "pool", x.terms.Backend.Traits().Pool}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stream != nil {
		slot, generation := x.stream.Worker()
		all = append(all, "worker", slot, "generation", generation)
	}
	if x.TraceID != "" {
		all = append(all, "trace_id", x.TraceID)
	}
	return append(all, args...)
}

func (x *exchange) name() string { return x.request.Method + " " + x.request.Target }

// deliver writes the response, whose head has come.
func (x *exchange) deliver(v *visit) {
	m := &x.response // ours: Respond comes once
	if m.Switches(&x.request) {
		x.openTunnel(v)
		return
	}
	noBody := m.Bodyless(v.r.Method)
	whole := m.Flags&protocol.FlagEnd != 0
	length, err := x.checkHead(whole && !noBody)
	if err != nil {
		x.reject(v, err)
		return
	}
	if x.intercept(v) {
		return // leave cancels what may still come
	}
	if m.File != "" && m.Status != http.StatusResetContent {
		x.deliverFile(v)
		return
	}
	h := v.w.Header()
	x.copyHeaders(h, m.Headers)
	first, body := x.firstBytes(), m.Body
	coding := v.coding(m.Status, x.knownLength(length, whole, noBody))
	switch {
	case coding != compress.Identity && whole && !noBody && len(body) == first:
		made := v.encodeWhole(coding, body)
		defer made.release()
		body, length, coding = made.bytes, int64(len(made.bytes)), compress.Identity
	case coding != compress.Identity:
		encode(h, coding)
	case whole && length < 0 && (!noBody && first > 2<<10 || v.r.Method == http.MethodHead && first > 0):
		h["Content-Length"] = []string{strconv.Itoa(first)} // smaller ones net/http counts itself
	}
	if m.Status == http.StatusResetContent { // unlike the others it may not even tell of one (RFC 9110 §15.3.6)
		h["Content-Length"] = []string{"0"}
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // no guessing
	}
	spell(h, v.r, m.Headers, false)
	v.parting()
	v.moreTime()
	v.w.WriteHeader(m.Status)
	if noBody {
		return // leave cancels what may still come
	}
	out := output{w: v.w, length: length}
	if coding != compress.Identity {
		out.encoded = newEncodedStream(v.w, x.terms.Compression, coding)
		defer out.encoded.stream.Drop()
		out.w = out.encoded
	}
	if err := out.write(body); err != nil {
		x.breakOff(v, err.Error())
	}
	x.mu.Lock()
	x.log.writing = 0
	x.mu.Unlock()
	if !whole || len(m.Body) < first {
		x.passOn(v, &out)
	}
	if length >= 0 && out.sent != length {
		out.flush()
		x.breakOff(v, "its body is shorter than its Content-Length")
	}
	out.end()
}

// reject answers in the place of a response that breaks the rules.
func (x *exchange) reject(v *visit, err error) {
	x.handler.log.Error("a worker's response breaks the rules", x.about("error", err)...)
	v.blame("malformed response")
	v.answer(verdict{status: http.StatusBadGateway}, err.Error())
}

// knownLength is that of the body that a GET has, as far as it is known; -1: it is not.
func (x *exchange) knownLength(announced int64, whole, noBody bool) int64 {
	if first := x.firstBytes(); announced < 0 && whole && (!noBody || first > 0) {
		return int64(first)
	}
	return announced
}

var errNoFetch = errors.New("it is to be fetched, and the pool may fetch nothing: name the URLs in " +
	"[pool.NAME.fetch] allow")

var errLateFetch = errors.New("it is to be fetched, and its request came before the pool might fetch anything")

// checkHead checks the worker's head, and returns its Content-Length or -1. With whole the body has to match.
func (x *exchange) checkHead(whole bool) (length int64, err error) {
	m := &x.response
	if err := m.Check(); err != nil {
		return 0, err
	}
	if m.Fetch != nil { // a room before the pool takes those that may be
		return 0, errNoFetch
	}
	if x.late {
		return 0, errLateFetch
	}
	length = -1
	for i := 0; i+1 < len(m.Headers); i += 2 {
		if len(m.Headers[i]) != len("Content-Length") || http.CanonicalHeaderKey(m.Headers[i]) != "Content-Length" {
			continue
		}
		n, ok := contentLength(m.Headers[i+1])
		if !ok || length >= 0 && n != length {
			return 0, fmt.Errorf("Content-Length %q: it has to be one number", m.Headers[i+1])
		}
		length = n
	}
	if first := x.firstBytes(); whole && m.File == "" && length >= 0 && length != int64(first) {
		return 0, fmt.Errorf("Content-Length is %d, but the body has %d bytes", length, first)
	}
	return length, nil
}

// firstBytes is how many bytes of the body came with the head.
func (x *exchange) firstBytes() int { return max(x.first, len(x.response.Body)) }

// copyHeaders puts a worker's headers into h, without those that are about the link.
func (x *exchange) copyHeaders(h http.Header, pairs []string) {
	var connection []string
	values := x.values[:0]
	late := x.request.Version == "3" // its head is written when the handler has ended, and x is another's
	if late || cap(values) < len(pairs)/2 {
		values = make([]string, 0, max(16, len(pairs)/2))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := http.CanonicalHeaderKey(pairs[i]), pairs[i+1]
		switch {
		case name == "Connection":
			connection = append(connection, value)
		case hopByHop(name) && name != "Trailer", x.terms.sets(name):
		case name == "Date" && value == "":
			h[name] = nil
		case h[name] == nil:
			values = append(values, value)
			h[name] = values[len(values)-1 : len(values) : len(values)]
		case name != "Content-Length": // equal repeats
			h[name] = append(h[name], value)
		}
	}
	if !late {
		x.values = values
	}
	for _, list := range connection {
		for name := range h {
			if name != "Connection" && hasToken([]string{list}, name) {
				delete(h, name)
			}
		}
	}
}

// spell gives fields back the capitals that the worker wrote them with. HTTP does not care, but some clients do. It
// comes last before the head is written, and leaves those alone that net/http has to find by their canonical names;
// for a file those are more.
func spell(h http.Header, r *http.Request, pairs []string, file bool) {
	if r.ProtoMajor != 1 {
		return // HTTP/2 has no capitals
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		name := http.CanonicalHeaderKey(pairs[i])
		if name == pairs[i] || framing(name) || name == "Content-Type" || name == "Date" || file && validates(name) {
			continue
		}
		if values := h[name]; values != nil {
			delete(h, name)
			h[pairs[i]] = values
		}
	}
}

// validates says whether [http.ServeContent] looks for a field, or sets it.
func validates(name string) bool {
	switch name {
	case "Etag", "Last-Modified", "Content-Encoding", "Content-Range", "Accept-Ranges":
		return true
	}
	return false
}

// breakOff cuts the client's connection, so that it can tell that the response is not whole.
func (x *exchange) breakOff(v *visit, why string) {
	x.handler.log.Error("a response broke off", x.about("error", why)...)
	v.abandon()
}

// abandon is breakOff without a word: it is the client's doing, or the host's end.
func (v *visit) abandon() {
	if v.conn != nil && !v.r.ProtoAtLeast(1, 1) {
		v.conn.Cut() // where the end of the connection may be the end of the body, it must not be an orderly one
	}
	panic(http.ErrAbortHandler)
}
