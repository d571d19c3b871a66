// How a response ends: whole, as an error page, or broken off. Each way sends the stream's one DONE.

package sdk

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/workerhost/workerhost/protocol"
)

const last = protocol.FlagEnd | protocol.FlagDone

// last is what the last frame of this response says: one that is held goes on without this worker.
func (w *response) last() protocol.Flags {
	if w.hold != nil {
		return protocol.FlagDone
	}
	return last
}

// finish sends what is left after the handler has returned: in the same frame as the head, if that is still due.
// staged are the acts.
func (w *response) finish(staged []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.release()
	w.staged = staged
	if w.status == http.StatusSwitchingProtocols {
		w.s.link.log("error", w.s.id, "status 101 without Hijack: nobody has the connection")
		w.answerFailure("")
		return
	}
	if w.status == 0 {
		w.fixHead(http.StatusOK)
	}
	if w.headAlone() && !w.headSent && w.length < 0 && 0 < w.written && w.written <= int64(w.s.link.chunk) &&
		w.file == "" {
		w.work.pairs = append(w.work.pairs, "Content-Length", strconv.FormatInt(w.written, 10))
	}
	trailers := trailers(w.header, w.known.announced)
	if w.fetch != nil {
		trailers = nil // there are none of a request
	}
	if wrong := w.misfit(); wrong != "" {
		if w.headSent || w.sendHead(0) == nil {
			_ = w.push() // the RESET breaks it off, whatever came of this
		}
		w.reset(protocol.ResetInternal, wrong)
		return
	}
	switch {
	case w.s.failure() != nil:
		w.done()
	case !w.headSent && len(trailers) == 0:
		if w.sendHead(w.last()) != nil { // a RESET came in between, or the pipe broke
			w.done()
		}
	default:
		w.finishBody(trailers)
	}
}

// misfit says that the body has another length than was announced; "" is that it does not. Of a file the host knows.
func (w *response) misfit() string {
	has := w.written - w.refused
	if w.length < 0 || has == w.length || w.isHead || w.file != "" || w.hold != nil || !bodyAllowed(w.status) {
		return ""
	}
	return fmt.Sprintf("its body has %d bytes, its Content-Length is %d", has, w.length)
}

// finishBody sends the last DATA, once the window takes all that is left.
func (w *response) finishBody(trailers []string) {
	if !w.headSent && w.sendHead(0) != nil {
		w.done()
		return
	}
	rest := w.work.buf
	if w.headAlone() {
		rest = nil
	}
	for len(rest) > 0 {
		n, err := w.s.takeCredit(len(rest))
		if err != nil {
			w.reset(protocol.ResetInternal, "the response could not be sent: "+err.Error())
			return
		}
		if n == len(rest) {
			break
		}
		if w.sendData(rest[:n], 0, nil) != nil {
			break
		}
		rest = rest[n:]
	}
	_ = w.sendData(rest, w.last(), trailers) // a broken pipe has ended the link
}

// fail answers a handler that panicked: with 500 if the head is still due. trace is shown only if the host runs with
// --dev.
func (w *response) fail(trace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.release()
	if w.headSent {
		w.reset(protocol.ResetInternal, "the handler panicked")
		return
	}
	w.answerFailure(trace)
}

// handOver ends the writer's use if its connection was hijacked, and gives that; else nil.
func (w *response) handOver() *hijacked {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hijacked == nil {
		return nil
	}
	w.over = true
	w.giveBack()
	return w.hijacked
}

// answerFailure is the answer of a handler that failed before its head went.
func (w *response) answerFailure(trace string) {
	text := "Internal Server Error\n"
	if w.s.link.self.Dev && trace != "" {
		text = trace
	}
	if w.work == nil {
		w.work = scratches.Get().(*scratch)
	}
	if len(text) > w.s.link.chunk {
		text = text[:w.s.link.chunk]
	}
	w.status, w.file, w.hold, w.fetch, w.known = http.StatusInternalServerError, "", nil, nil, headFacts{}
	w.work.pairs = append(w.work.pairs[:0], "Content-Type", "text/plain; charset=utf-8", "X-Content-Type-Options",
		"nosniff")
	w.work.buf = append(w.work.buf[:0], text...)
	if w.sendHead(last) != nil {
		w.done()
	}
}

// HandBack hands the request of w back: nothing was done of it, and the host gives it to another worker as if nothing
// had been, whatever its method (SPEC.md §7.1). The handler has to return, and what it still writes goes nowhere.
// HandBack does nothing, and says false, if the response has begun, the host has given the request up, or w is not
// this package's.
func HandBack(w http.ResponseWriter, reason string) bool {
	own := unwrap(w)
	if own == nil {
		return false
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	if own.over || own.status != 0 || own.hijacked != nil || own.s.failure() != nil {
		return false
	}
	own.s.giveUp(&protocol.Reset{Stream: own.s.id, Code: protocol.ResetRefused, Reason: reason})
	return true
}

// abort breaks the response off, and its client's connection with it, as the handler asked for.
func (w *response) abort() {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.release()
	w.reset(protocol.ResetAborted, "the handler aborted the response")
}

func (w *response) reset(code protocol.ResetCode, reason string) {
	w.s.giveUp(&protocol.Reset{Stream: w.s.id, Code: code, Reason: reason})
	w.done()
}

func (w *response) done() {
	w.s.link.forget(w.s.id)
	_ = w.s.link.send(&protocol.Done{Stream: w.s.id}) // a broken pipe has ended the link
}

// release ends the writer's use: from here on it only refuses.
func (w *response) release() {
	w.over, w.staged = true, nil
	w.s.mu.Lock()
	w.s.writeBy.stop()
	w.s.mu.Unlock()
	w.giveBack()
}

func (w *response) giveBack() {
	if work := w.work; work != nil {
		w.work = nil
		clear(work.pairs)
		work.buf, work.head, work.data = work.buf[:0], protocol.Response{}, protocol.Data{}
		scratches.Put(work)
	}
}
