// Flows: answers on the lane that are large, come over time, or are files. A goroutine of the request's own goes the
// same way as a handler of net/http, and waits for the worker, the disk and the client; its connection stays.

package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/compress"
	"github.com/workerhost/workerhost/host/internal/http1"
)

// smallAnswer is the longest body that needs no flow, and the longest file that is read rather than sent.
const smallAnswer = 64 << 10

// What an answer is to whoever brings it.
const (
	small = iota // it is at hand whole, in memory: respond does not wait
	dense        // likewise, and to be compressed, for which whoever brings it has no time
	large        // there is more, or it is a file
	odd          // its connection becomes another's, or there is something to be said before it
)

// size says what the answer is, of which something has come.
func (x *exchange) size() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	m := &x.response
	switch {
	case len(x.informs) > 0 || x.refusal != nil || x.kept != nil || !x.headed && !x.failed && !x.finished:
		return odd
	case !x.headed:
		return small
	case x.ended && m.File == "" && x.first == len(m.Body) && x.first <= smallAnswer && len(x.trailers) == 0:
		if x.mayShrink() {
			return dense
		}
		return small
	}
	return large
}

// mayShrink says whether an answer that is at hand whole may be compressed; deliver looks more closely.
func (x *exchange) mayShrink() bool {
	p := x.terms.Compression
	return p != nil && x.pending != nil && p.Worth(int64(x.first)) &&
		p.Fits(pairOf(x.response.Headers, "Content-Type")) &&
		p.Rank(x.pending.visit.appendValues(nil, acceptEncoding))[0] != compress.Identity
}

// pairOf is the first value of a header, by its canonical name; "" if there is none.
func pairOf(pairs []string, name string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if len(pairs[i]) == len(name) && strings.EqualFold(pairs[i], name) {
			return pairs[i+1]
		}
	}
	return ""
}

// flow is an answer that is written before it is whole. It belongs to the request's goroutine, but for gone.
type flow struct {
	gone   chan struct{} // closed when the client has left
	begun  bool          // the head is spelled, and written but for what the sheet's out has
	ends   bool          // the connection ends with the answer
	length int64         // announced; -1: not
	sent   int64
}

// aPage is how much of a body may come before it has to be announced, or goes in chunks, as net/http has it.
const aPage = 2 << 10

// gathered is how much is written at once, rather than one after the other.
const gathered = 8 << 10

// pass has what has come of the answer, and what still will, given to the client. Nothing precedes it, and it is not
// to be held.
func (p *Pending) pass() (ends bool) {
	p.begin()
	p.x.respond(p.visit)
	return true
}

// begin begins a flow.
func (p *Pending) begin() {
	f := &flow{gone: make(chan struct{})}
	p.mu.Lock() // the client may leave at this moment
	defer p.mu.Unlock()
	if p.flow = f; p.left.Load() {
		close(f.gone)
	}
}

// announced is the Content-Length, or -1.
func (p *Pending) announced() int64 {
	if values := p.answer.Header["Content-Length"]; len(values) > 0 {
		if n, ok := contentLength(values[0]); ok {
			return n
		}
	}
	return -1
}

// open spells the head.
func (p *Pending) open() {
	f, a, s := p.flow, &p.answer, p.written()
	f.begun, f.length = true, p.announced()
	a.Chunks = f.length < 0 && !a.Bare()
	a.Reason = http.StatusText(a.Status)
	s.out, f.ends, s.keys = a.AppendHead(s.out[:0], time.Now(), s.keys)
	page := s.page
	s.page = s.page[:0]
	p.pour(page)
}

// pour writes b behind what was written, now or soon.
func (p *Pending) pour(b []byte) error {
	if !p.flow.begun {
		p.open()
	}
	if len(b) == 0 || p.answer.Bare() {
		return nil
	}
	p.flow.sent += int64(len(b))
	s, end := p.written(), ""
	if p.answer.Chunks {
		s.out, end = http1.AppendChunkSize(s.out, len(b)), "\r\n"
	}
	if len(s.out)+len(b) <= gathered {
		s.out = append(append(s.out, b...), end...)
		return nil
	}
	return p.send(b, []byte(end))
}

// send writes what was gathered, and the rest behind it.
func (p *Pending) send(rest ...[]byte) error {
	s := p.written()
	err := p.seat.Send(append([][]byte{s.out}, rest...)...)
	p.layDown()
	return err
}

// layDown gives the sheet back: it may be long until there is more.
func (p *Pending) layDown() {
	s := p.sheet
	clear(s.keys)
	s.page, s.out, p.sheet = s.page[:0], s.out[:0], nil
	sheets.Put(s)
}

// FlushError is what http.ResponseController looks for.
func (p *Pending) FlushError() error {
	if p.flow == nil {
		return nil
	}
	p.WriteHeader(http.StatusOK)
	if !p.flow.begun {
		p.open()
	}
	if p.sheet == nil || len(p.sheet.out) == 0 {
		return nil
	}
	return p.send()
}

// ReadFrom implements io.ReaderFrom, for files.
func (p *Pending) ReadFrom(r io.Reader) (n int64, err error) {
	from, ok := r.(*io.LimitedReader)
	switch {
	case ok && p.flow == nil && from.N <= smallAnswer && !p.answer.Bare():
		p.WriteHeader(http.StatusOK)
		s := p.written()
		s.page, n, err = appendFrom(s.page, from)
		return n, err
	case !ok || p.flow == nil:
		return io.Copy(writerOnly{p}, r)
	}
	file, ok := from.R.(*os.File)
	if !ok || p.announced() < 0 || p.answer.Bare() {
		return io.Copy(writerOnly{p}, r)
	}
	p.WriteHeader(http.StatusOK)
	if !p.flow.begun {
		p.open()
	}
	s := p.written()
	if from.N <= smallAnswer {
		s.out, n, err = appendFrom(s.out, from)
		p.flow.sent += n
		return n, err
	}
	n, err = p.seat.SendFile(s.out, file, from.N)
	p.layDown()
	p.flow.sent += n
	if errors.Is(err, errors.ErrUnsupported) {
		return io.Copy(writerOnly{p}, r)
	}
	return n, err
}

// appendFrom reads to the end of b.
func appendFrom(b []byte, from *io.LimitedReader) (read []byte, n int64, err error) {
	at, most := len(b), int(from.N)
	b = slices.Grow(b, most)
	k, err := io.ReadFull(from, b[at:at+most])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return b[:at+k], int64(k), err
}

type writerOnly struct{ io.Writer }

// endFlow spells what is left to be written, and says whether the connection ends with it: a body that is shorter than
// was announced is followed by nothing else.
func (p *Pending) endFlow() (ends bool) {
	f, s := p.flow, p.written()
	if p.answer.Chunks {
		s.out = http1.AppendLastChunk(s.out, p.answer.Header, http.TrailerPrefix)
	}
	return f.ends || f.length >= 0 && f.sent != f.length && !p.answer.Bare()
}
