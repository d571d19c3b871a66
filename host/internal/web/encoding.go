// Content codings: which answers go out compressed (RFC 9110 §8.4, §12.5.3), and what their heads say of it.

package web

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/compress"
)

const acceptEncoding = "Accept-Encoding"

// coding is what an answer with this status and length goes out in, with what is set of its header; less than 0 is a
// length that nobody knows yet. Caches learn from its Vary that others may get another one.
func (v *visit) coding(status int, length int64) compress.Coding {
	p, h := v.terms.Compression, v.w.Header()
	if p != nil && status == http.StatusNotModified {
		v.weakenNotModified(h)
	}
	if p == nil || !p.Worth(length) || !encodable(h, status) || !p.Fits(headerOf(h, "Content-Type")) {
		return compress.Identity
	}
	vary(h)
	return p.Rank(v.appendValues(nil, acceptEncoding))[0]
}

// encodable says whether an answer may be given a coding: it has a body that is all of the representation, none yet,
// and nothing that is said of these very bytes.
func encodable(h http.Header, status int) bool {
	switch status {
	case http.StatusNoContent, http.StatusResetContent, http.StatusPartialContent, http.StatusNotModified:
		return false
	}
	for _, name := range [...]string{"Content-Encoding", "Content-Range", "Content-Digest", "Repr-Digest", "Digest",
		"Content-Md5"} {
		if len(h[name]) > 0 {
			return false
		}
	}
	return !hasToken(h["Cache-Control"], "no-transform")
}

func headerOf(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

var varyEncoding = []string{acceptEncoding}

// vary adds Accept-Encoding to the answer's Vary.
func vary(h http.Header) {
	values := h["Vary"]
	switch {
	case len(values) == 0:
		h["Vary"] = varyEncoding
	case !hasToken(values, acceptEncoding) && !hasToken(values, "*"):
		h["Vary"] = []string{strings.Join(values, ", ") + ", " + acceptEncoding}
	}
}

// encode has a head tell of a coding. What the representation is called was called so without one: the same content,
// and other bytes. Its length is not known any more, nor can a part of it be asked for.
func encode(h http.Header, c compress.Coding) {
	h["Content-Encoding"] = []string{c.String()}
	delete(h, "Content-Length")
	delete(h, "Accept-Ranges")
	if tag := headerOf(h, "Etag"); strings.HasPrefix(tag, `"`) {
		h["Etag"] = []string{"W/" + tag}
	}
}

// weakenNotModified has a 304 call what the client has as it was called when it was sent, if that was in a coding: a
// cache takes a strong tag for that of another one (RFC 9111 §4.3.4).
func (v *visit) weakenNotModified(h http.Header) {
	tag, known := headerOf(h, "Etag"), v.appendValues(nil, "If-None-Match")
	if !strings.HasPrefix(tag, `"`) || hasToken(known, tag) || !hasToken(known, "W/"+tag) {
		return
	}
	h["Etag"] = []string{"W/" + tag}
	vary(h)
}

// lent is memory for what is compressed at once.
type lent struct{ bytes []byte }

var lents = sync.Pool{New: func() any { return new(lent) }}

const longestLent = 256 << 10

func (l *lent) release() {
	if cap(l.bytes) <= longestLent {
		lents.Put(l)
	}
}

// encodeWhole has an answer whose body is at hand go out in a coding. What it returns is the body, until release.
func (v *visit) encodeWhole(c compress.Coding, body []byte) *lent {
	l := lents.Get().(*lent)
	l.bytes = v.terms.Compression.Whole(l.bytes[:0], c, body)
	h := v.w.Header()
	encode(h, c)
	h["Content-Length"] = []string{strconv.Itoa(len(l.bytes))}
	return l
}

// encodedStream compresses what is written to it, piece by piece.
type encodedStream struct {
	http.ResponseWriter // the client's
	stream              *compress.Stream
	dirty               bool // something was written since the last flush
}

func newEncodedStream(w http.ResponseWriter, p *compress.Policy, c compress.Coding) *encodedStream {
	return &encodedStream{ResponseWriter: w, stream: p.Stream(c)}
}

// Write implements io.Writer.
func (s *encodedStream) Write(b []byte) (int, error) {
	s.dirty = true
	return len(b), s.pass(func(to []byte) []byte { return s.stream.Append(to, b, false) })
}

// pass writes what the encoder has made.
func (s *encodedStream) pass(encoded func(to []byte) []byte) (err error) {
	l := lents.Get().(*lent)
	defer l.release()
	if l.bytes = encoded(l.bytes[:0]); len(l.bytes) > 0 {
		_, err = s.ResponseWriter.Write(l.bytes)
	}
	return err
}

// FlushError is what http.ResponseController looks for.
func (s *encodedStream) FlushError() error {
	if s.dirty {
		s.dirty = false
		if err := s.pass(func(to []byte) []byte { return s.stream.Append(to, nil, true) }); err != nil {
			return err
		}
	}
	return http.NewResponseController(s.ResponseWriter).Flush()
}

// end writes the end of a body that is whole.
func (s *encodedStream) end() error {
	return s.pass(func(to []byte) []byte { return s.stream.End(to, nil) })
}

// restTime is how long a stream may keep its encoder while it says nothing: what is said soon refers to what was said.
const restTime = time.Second

// rests is for whoever waits for more of the body: it tells when to park.
func (s *encodedStream) rests() <-chan time.Time {
	if s == nil || s.stream.Parked() {
		return nil
	}
	return time.After(restTime)
}
