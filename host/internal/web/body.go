// Request bodies: read under limits and time-outs, whole into memory and then disk, or straight on to the worker.

package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

// intake reads a client's body. It counts, watches the time, and turns errors into the status to answer with. One
// goroutine uses it; any may ask for whole.
type intake struct {
	w       http.ResponseWriter
	r       *http.Request
	max     int64
	timeout time.Duration
	got     int64
	renewed time.Time
	whole   atomic.Bool // the end was seen

	mu   sync.Mutex
	shut bool // the deadline is another's now; guarded by mu
}

// badBody is why a body could not be read. Status is the answer; 0 if there is nobody left to answer.
type badBody struct {
	Status int
	err    error
}

// Error names the status and the cause.
func (e *badBody) Error() string { return http.StatusText(e.Status) + ": " + e.err.Error() }

// Unwrap gives the cause.
func (e *badBody) Unwrap() error { return e.err }

var errTooLong = errors.New("the body is longer than max_body")

// intake is the visit's body, to be read once.
func (v *visit) intake() *intake {
	v.in = &intake{w: v.w, r: v.r, max: v.terms.Limits.MaxBody, timeout: v.terms.Limits.ReadTimeout}
	return v.in
}

// Read implements io.Reader. Its errors are io.EOF or a *badBody.
func (in *intake) Read(p []byte) (int, error) {
	if in.whole.Load() {
		return 0, io.EOF
	}
	if in.timeout > 0 {
		if now := time.Now(); now.Sub(in.renewed) > in.timeout/8 {
			in.renewed = now
			in.deadline(now.Add(in.timeout))
		}
	}
	n, err := in.r.Body.Read(p)
	in.got += int64(n)
	if in.got > in.max {
		return 0, &badBody{http.StatusRequestEntityTooLarge, errTooLong}
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		in.whole.Store(true)
		if in.timeout > 0 { // it must not strike while the worker works
			in.deadline(time.Time{})
		}
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, &badBody{http.StatusRequestTimeout, err}
	case errors.Is(err, io.ErrUnexpectedEOF), in.r.Context().Err() != nil:
		return n, &badBody{0, err}
	}
	var system interface{ Timeout() bool } // a net.Error: the connection broke, the client did not misspell its body
	if errors.As(err, &system) {
		return n, &badBody{0, err}
	}
	return n, &badBody{http.StatusBadRequest, err}
}

func (in *intake) deadline(t time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.shut {
		http.NewResponseController(in.w).SetReadDeadline(t)
	}
}

// untime lets the rest of the body take its time: what goes both ways, such as a stream of gRPC, may be silent for as
// long as it likes. A goroutine that is in a Read learns of it, too.
func (in *intake) untime() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.shut = true; in.timeout > 0 && !in.whole.Load() { // else net/http listens for the client's end already
		http.NewResponseController(in.w).SetReadDeadline(time.Time{})
	}
}

// stop ends a Read under way, whichever goroutine is in it.
func (in *intake) stop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.shut = true; !in.whole.Load() { // likewise
		http.NewResponseController(in.w).SetReadDeadline(time.Unix(1, 0))
	}
}

// body is a whole request body: its first bytes in memory, the rest in a file.
type body struct {
	memory   []byte
	file     *spool.File
	trailers []string
}

func (b *body) size() int64 {
	n := int64(len(b.memory))
	if b.file != nil {
		n += b.file.Size
	}
	return n
}

// ReadAt implements io.ReaderAt.
func (b *body) ReadAt(p []byte, off int64) (int, error) {
	if off < int64(len(b.memory)) {
		return copy(p, b.memory[off:]), nil
	}
	if b.file == nil {
		return 0, io.EOF
	}
	return b.file.ReadAt(p, off-int64(len(b.memory)))
}

func (b *body) close() {
	if b.file != nil {
		b.file.Close()
	}
}

// takeWhole reads all of the body into x: small ones go inside REQUEST, large ones are pumped later.
func (x *exchange) takeWhole(in *intake) error {
	h := x.handler
	buffer := x.small[:0]
	if want := in.r.ContentLength; !x.poor && want >= 0 && want <= protocol.MaxData && int64(cap(buffer)) < want {
		buffer = make([]byte, 0, want)
	}
	most := max(x.terms.Limits.BodyBuffer, spool.OwnMemory)
	room := int64(spool.OwnMemory)
	if x.poor {
		buffer, room = nil, 0
	}
	for {
		if len(buffer) == cap(buffer) {
			if int64(len(buffer)) >= room {
				next := most
				if room < spool.OwnMemory {
					next = spool.OwnMemory
				}
				if room == most || !h.spool.Lend(next) {
					break
				}
				room, x.lent = next, x.lent+next
			}
			if len(buffer) == int(in.r.ContentLength) { // one more read for the end of it
				var one [1]byte
				n, err := in.Read(one[:])
				switch {
				case n > 0:
					return &badBody{http.StatusBadRequest, errors.New("the body is longer than its Content-Length")}
				case err == io.EOF:
					return x.keepWhole(in, buffer, nil)
				case err != nil:
					return err
				}
				continue
			}
			// grows with what has come, not with what was announced
			bigger := make([]byte, len(buffer), min(max(2*int64(cap(buffer)), 4<<10), room))
			copy(bigger, buffer)
			buffer = bigger
		}
		n, err := in.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if err == io.EOF {
			return x.keepWhole(in, buffer, nil)
		}
		if err != nil {
			return err
		}
	}
	file, err := h.spool.Create()
	if err != nil {
		h.log.Error("a request's body can't go to disk", "error", err)
		return &badBody{http.StatusServiceUnavailable, err}
	}
	piece := make([]byte, 128<<10)
	for {
		n, err := in.Read(piece)
		if n > 0 {
			if _, e := file.Write(piece[:n]); e != nil {
				if e != spool.ErrQuota {
					h.log.Error("a request's body can't go to disk", "error", e)
				}
				file.Close()
				return &badBody{http.StatusServiceUnavailable, e}
			}
		}
		if err == io.EOF {
			return x.keepWhole(in, buffer, file)
		}
		if err != nil {
			file.Close()
			return err
		}
	}
}

func (x *exchange) keepWhole(in *intake, memory []byte, file *spool.File) error {
	m := &x.request
	trailers := trailerPairs(in.r.Trailer) // they travel with DATA only
	if file == nil && len(memory) <= protocol.MaxData && trailers == nil {
		x.small = memory
		m.Body, m.Length, m.Flags = memory, int64(len(memory)), protocol.FlagEnd
		return nil
	}
	x.large = &body{memory, file, trailers}
	m.Length = x.large.size()
	x.more = make(chan struct{}, 1)
	return nil
}

// source is what a pump takes a body from.
type source interface {
	// next gives the next bytes, valid until the following call. end says that they are the last.
	next() (p []byte, end bool, trailers []string, err error)
	// rewind begins again, if that is possible.
	rewind() bool
}

// stored is a source in memory or on disk.
type stored struct {
	body   *body
	off    int64
	buffer []byte
}

func (s *stored) next() ([]byte, bool, []string, error) {
	if s.buffer == nil {
		s.buffer = make([]byte, protocol.MaxData)
	}
	n, err := s.body.ReadAt(s.buffer, s.off)
	s.off += int64(n)
	end := s.off == s.body.size()
	if end || n > 0 {
		err = nil
	}
	return s.buffer[:n], end, s.body.trailers, err
}

func (s *stored) rewind() bool {
	s.off = 0
	return true
}

// live is a source that is still coming in. As long as all that came leaves room in its buffer, it can begin again: a
// worker that dies as it is handed a request costs a small body nothing.
type live struct {
	in     *intake
	buffer []byte
	kept   int  // bytes at the buffer's beginning that came first
	more   bool // came than the buffer holds
	again  bool // what was kept comes next
}

func (l *live) next() ([]byte, bool, []string, error) {
	if l.buffer == nil {
		l.buffer = make([]byte, protocol.MaxData)
	}
	if l.again {
		l.again = false
		if l.kept > 0 {
			return l.buffer[:l.kept], l.in.whole.Load(), l.trailers(), nil
		}
	}
	if l.kept == len(l.buffer) && !l.in.whole.Load() {
		l.kept, l.more = 0, true
	}
	n, err := l.in.Read(l.buffer[l.kept:])
	p := l.buffer[l.kept : l.kept+n]
	if !l.more {
		l.kept += n
	}
	if err == io.EOF {
		return p, true, l.trailers(), nil
	}
	return p, false, nil, err
}

func (l *live) trailers() []string {
	if !l.in.whole.Load() {
		return nil
	}
	return trailerPairs(l.in.r.Trailer)
}

func (l *live) rewind() bool {
	l.again = true
	return !l.more
}

// pump sends a body to the worker as fast as its window allows, from the start whenever the exchange begins anew. It
// ends with the exchange or, if the body comes from a client, with the handler.
func (x *exchange) pump(from source) {
	var (
		stream   protocol.Stream
		begun    int
		piece    []byte
		end      bool
		done     bool // this stream takes no more: all of it went, or another may begin
		trailers []string
	)
	_, kept := from.(*stored)
	for {
		x.mu.Lock()
		over := x.finished || x.failed || x.left && !kept
		now := x.begun
		stream = x.stream
		x.mu.Unlock()
		if over {
			return
		}
		if now != begun {
			if begun > 0 && !from.rewind() {
				why := errors.New("its first worker took part of the body and then gave the request up")
				x.handler.log.Error("request lost: a body that is streamed can't be sent to another worker once "+
					"more than 64 KiB of it are gone", x.about("error", why)...)
				x.refuse(&badBody{http.StatusBadGateway, why})
				return
			}
			begun, piece, end, done = now, nil, false, false
		}
		if begun == 0 || done {
			<-x.more
			continue
		}
		if len(piece) == 0 && !end {
			var err error
			if piece, end, trailers, err = from.next(); err != nil {
				bad := &badBody{http.StatusInternalServerError, err}
				errors.As(err, &bad)
				x.refuse(bad)
				return
			}
			if len(piece) == 0 && !end {
				continue
			}
		}
		n, more := stream.Send(piece, end, trailers)
		if piece, done = piece[n:], !more; more && (len(piece) > 0 || end) {
			<-x.more
		}
	}
}
