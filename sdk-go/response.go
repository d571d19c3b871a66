// The ResponseWriter: gathers a response into one frame if it can, streams it under the window if it must (SPEC.md
// §5.3, §5.5).

package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// errReturned is for goroutines that outlive their handler.
var errReturned = errors.New("sdk: the handler of this request has returned")

// response is the handler's http.ResponseWriter. Its mu orders writers, and is held while one of them waits for the
// window; the reader never takes it.
type response struct {
	s      *stream
	header http.Header // the handler's own, without a lock, as under net/http
	isHead bool

	mu       sync.Mutex
	status   int      // 0 before WriteHeader
	work     *scratch // from WriteHeader to the end
	known    headFacts
	length   int64 // the Content-Length that the handler gave, or -1
	written  int64
	refused  int64 // of written, for being beyond length
	file     string
	hold     *protocol.Hold  // it is to become a connection
	fetch    *protocol.Fetch // the host is to fetch it: the body is its request's
	retold   bool            // the request comes again, since its fetch has failed
	staged   []byte          // acts that go out with the last frame
	headSent bool
	over     bool      // the handler has returned
	hijacked *hijacked // it has the connection; nil: it has not
}

// scratch is what a response needs while it is being written, reused by the next one.
type scratch struct {
	buf   []byte   // body bytes to be sent; for HEAD, the first few of them
	pairs []string // the header when WriteHeader was called
	head  protocol.Response
	data  protocol.Data
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader implements [http.ResponseWriter]: 1xx goes out at once, anything else with the first bytes of the body.
func (w *response) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *response) writeHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status)) // what net/http does
	case w.over:
		w.remark("WriteHeader after the handler returned")
	case w.hijacked != nil:
		w.remark("WriteHeader on a hijacked connection")
	case w.status != 0:
		w.remark("superfluous WriteHeader")
	case status == http.StatusSwitchingProtocols && w.s.tunnel != "":
		w.fixHead(status) // goes out with Hijack
	case status == http.StatusSwitchingProtocols:
		w.s.link.log("error", w.s.id, "status 101 can't be sent: the host owns the connection")
		w.fixHead(http.StatusInternalServerError)
	case status < 200:
		pairs, facts := flatten(nil, w.header, status)
		w.complain(facts)
		// the response itself will fail, too
		_ = w.s.link.send(&protocol.Inform{Stream: w.s.id, Status: status, Headers: pairs})
	default:
		w.fixHead(status)
	}
}

// remark logs a mistake of the handler with the place in its code.
func (w *response) remark(what string) {
	place := "an unknown place"
	if _, file, line, ok := runtime.Caller(3); ok {
		place = file + ":" + strconv.Itoa(line)
	}
	w.s.link.log("warn", w.s.id, what+" at "+place)
}

func (w *response) complain(facts headFacts) {
	if facts.dropped != "" {
		w.s.link.log("warn", w.s.id, "left out a response header: "+facts.dropped)
	}
}

// fixHead fixes status and header: what the handler does to them later does not count, as under net/http.
func (w *response) fixHead(status int) {
	w.status = status
	w.work = scratches.Get().(*scratch)
	w.work.pairs, w.known = flatten(w.work.pairs[:0], w.header, status)
	w.complain(w.known)
	w.length = w.known.length
}

// Write implements [http.ResponseWriter].
func (w *response) Write(p []byte) (int, error) { return write(w, p) }

// WriteString implements [io.StringWriter].
func (w *response) WriteString(p string) (int, error) { return write(w, p) }

func write[T []byte | string](w *response, p T) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return 0, errReturned
	}
	if w.hijacked != nil {
		return 0, http.ErrHijacked
	}
	if w.status == 0 {
		w.fixHead(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case w.file != "":
		return 0, errors.New("sdk: the response is a file that the host serves")
	case w.fetch != nil:
		return 0, errors.New("sdk: the response is one that the host fetches")
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	}
	if w.written += int64(len(p)); w.length >= 0 && w.written > w.length {
		w.refused += int64(len(p))
		return 0, http.ErrContentLength // and no later write can make up for it, as under net/http
	}
	if w.isHead {
		w.work.buf = append(w.work.buf, p[:min(len(p), max(0, sniffed-len(w.work.buf)))]...)
		return len(p), nil
	}
	return gatherBody(w, p)
}

// gatherBody keeps p, and sends what that makes too much of. Under mu.
func gatherBody[T []byte | string](w *response, p T) (n int, err error) {
	for n < len(p) {
		if len(w.work.buf) == w.s.link.chunk {
			if err := w.push(); err != nil {
				return n, err
			}
		}
		fits := min(len(p)-n, w.s.link.chunk-len(w.work.buf))
		w.work.buf = append(w.work.buf, p[n:n+fits]...)
		n += fits
	}
	return n, nil
}

// headAlone says that the answer is one to HEAD: what the handler writes for a body goes nowhere.
func (w *response) headAlone() bool { return w.isHead && w.fetch == nil }

// push sends the head, if that is due, and what has been gathered.
func (w *response) push() error {
	if !w.headSent {
		return w.sendHead(0)
	}
	rest := w.work.buf
	if w.headAlone() {
		rest = nil
	}
	for len(rest) > 0 {
		n, err := w.s.takeCredit(len(rest))
		if err != nil {
			return err
		}
		if err := w.sendData(rest[:n], 0, nil); err != nil {
			return err
		}
		rest = rest[n:]
	}
	w.work.buf = w.work.buf[:0]
	return w.s.failure()
}

// sendHead sends RESPONSE with what has been gathered. flags without END: the body goes on.
func (w *response) sendHead(flags protocol.Flags) error {
	if err := w.s.failure(); err != nil {
		return err
	}
	body := w.work.buf
	if w.known.sniff && len(body) > 0 {
		w.work.pairs = append(w.work.pairs, "Content-Type", http.DetectContentType(body))
	}
	if w.headAlone() {
		body = nil
	}
	w.headSent = true
	m := &w.work.head
	*m = protocol.Response{Stream: w.s.id, Flags: flags, Status: w.status, Headers: w.work.pairs, Body: body,
		File: w.file, Hold: w.hold, Fetch: w.fetch}
	err := w.send(m, flags)
	w.work.buf = w.work.buf[:0]
	return err
}

func (w *response) sendData(p []byte, flags protocol.Flags, trailers []string) error {
	m := &w.work.data
	*m = protocol.Data{Stream: w.s.id, Flags: flags, Bytes: p, Trailers: trailers}
	return w.send(m, flags)
}

// send sends a frame, and before the last one what the handler has asked for.
func (w *response) send(m protocol.Message, flags protocol.Flags) error {
	if flags&protocol.FlagDone != 0 {
		return w.s.sendDone(w.staged, m)
	}
	return w.s.link.send(m)
}

// Flush implements [http.Flusher].
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is Flush with word of what failed, for [http.ResponseController].
func (w *response) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return errReturned
	}
	if w.hijacked != nil {
		return http.ErrHijacked
	}
	if w.file != "" || w.fetch != nil || w.status == http.StatusSwitchingProtocols {
		return nil // goes out when the handler returns, or hijacks
	}
	if w.status == 0 {
		w.fixHead(http.StatusOK)
	}
	return w.push()
}

// SetReadDeadline is for [http.ResponseController]: reads of the body fail after it.
func (w *response) SetReadDeadline(t time.Time) error {
	w.s.body.readBy.set(w.s, t)
	return nil
}

// SetWriteDeadline is for [http.ResponseController]: writes that would wait for the client fail after it.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.s.writeBy.set(w.s, t)
	return nil
}

// CloseNotify gives a channel that gets one value when the client has gone before the handler has returned. Handlers
// written before [http.Request.Context] was there look for it.
func (w *response) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(&w.s.ctx, func() {
		if w.s.failure() != nil { // else it is the handler that has ended
			gone <- true
		}
	})
	return gone
}

// EnableFullDuplex is for [http.ResponseController]: body and response are always independent here.
func (w *response) EnableFullDuplex() error { return nil }

// copyBuffers are for ReadFrom.
var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// ReadFrom implements [io.ReaderFrom], so that io.Copy makes no buffer of its own.
func (w *response) ReadFrom(src io.Reader) (n int64, err error) {
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		got, rerr := src.Read(buf[:])
		if got > 0 {
			put, err := w.Write(buf[:got])
			n += int64(put)
			if err != nil {
				return n, err
			}
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, rerr
		}
	}
}
