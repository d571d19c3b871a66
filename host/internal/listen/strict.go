// What net/http reads leniently and another parser might read otherwise: the scanner follows the heads and the
// chunks on an HTTP/1.x connection
// and refuses line folding, bare CR or LF, control characters, two Content-Lengths, Content-Length beside
// Transfer-Encoding (RFC 9112 §5.2, §2.2, §6.3), and what chunks.go names. What net/http refuses already is left to
// it. rules.go is about requests, of all versions.

package listen

import (
	"bytes"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/http1"
)

type scanState uint8

const (
	requestLine scanState = iota
	headerLines
	prefaceLines // HTTP/2's, after the first (RFC 9113 §3.4)
	bodyBytes
	chunkLine // a chunk's size
	chunkBytes
	chunkEnd // the end of line behind a chunk
	trailerLines
	frameBytes // HTTP/2
	anything   // behind the last request of its connection
)

// scanner does no I/O. It is fed all that a client sends, in pieces of any size.
type scanner struct {
	state   scanState
	limit   int    // longest line, in bytes
	partial []byte // the beginning of a line
	last    []byte // request line, cut off where the access log does
	heads   int    // how many request lines have come
	empty   int    // how many bytes of an empty line before the next one were left out

	prefaced int           // lines of the HTTP/2 preface
	agreed   string        // what TLS agreed on, "h2" or "http/1.1"; "" is either
	frames   *clientFrames // set behind the preface

	// of the head at hand
	old     bool // HTTP/1.0
	lengths int  // how many Content-Length fields
	codings int  // how many Transfer-Encoding fields
	chunked bool // the last of those says so, and nothing else
	length  int64
	left    int64 // of its body, or of its chunk
}

// feed returns how many bytes of p may be passed on, and what is wrong with the next one; "" if nothing is. It moves
// the bytes of p together where it leaves some out.
func (s *scanner) feed(p []byte) (good int, wrong string) {
	for i := 0; i < len(p); {
		if s.state == requestLine && len(s.partial) == 0 && s.ignores(p[i]) {
			p = append(p[:i], p[i+1:]...)
			continue
		}
		switch s.state {
		case anything:
			return len(p), ""
		case frameBytes:
			good, wrong = s.frames.feed(p[i:])
			return i + good, wrong
		case bodyBytes, chunkBytes:
			n := min(s.left, int64(len(p)-i))
			i += int(n)
			if s.left -= n; s.left > 0 {
				break
			}
			if s.state == chunkBytes {
				s.state, s.left = chunkEnd, int64(len("\r\n"))
			} else {
				s.state = requestLine
			}
		case chunkEnd:
			if p[i] != "\r\n"[2-s.left] {
				return i, "a chunk that is not followed by CR LF"
			}
			i++
			if s.left--; s.left == 0 {
				s.state = chunkLine
			}
		default:
			j := bytes.IndexByte(p[i:], '\n')
			longest, n := s.longest()-len(s.partial), j
			if j < 0 {
				n = len(p) - i
			}
			if n > longest {
				return i + longest, "a line is too long"
			}
			if j < 0 {
				s.partial = append(s.partial, p[i:]...)
				return len(p), ""
			}
			line := p[i : i+j]
			if len(s.partial) > 0 {
				s.partial = append(s.partial, line...)
				line = s.partial
			}
			if wrong := s.line(line); wrong != "" {
				return i + j, wrong
			}
			s.partial = s.partial[:0]
			i += j + 1
		}
	}
	return len(p), ""
}

// ignores says whether c belongs to an empty line before a request line: one is left out (RFC 9112 §2.2). net/http
// does so behind a POST alone.
func (s *scanner) ignores(c byte) bool {
	if s.empty < len("\r\n") && c == "\r\n"[s.empty] && s.agreed != "h2" {
		s.empty++
		return true
	}
	return false
}

// line takes a line without its LF.
func (s *scanner) line(b []byte) (wrong string) {
	if line := bytes.TrimSuffix(b, []byte("\r")); s.state == requestLine && len(line) > 0 {
		s.heads++
		s.last = append(s.last[:0], line[:min(len(line), accesslog.LongestTarget)]...)
	}
	if len(b) == 0 || b[len(b)-1] != '\r' {
		return "a line ends in a bare LF"
	}
	b = b[:len(b)-1]
	switch {
	case s.state == requestLine:
		return s.requestLine(b)
	case s.state == prefaceLines:
		return s.preface(b)
	case s.state == chunkLine:
		return s.chunk(b)
	case s.state == trailerLines:
		return s.trailer(b)
	case len(b) == 0:
		return s.endOfHead()
	}
	return s.header(b)
}

// longest is how many bytes of a line may come before its LF.
func (s *scanner) longest() int {
	if s.state == chunkLine {
		return longestChunkLine
	}
	return s.limit
}

// inHead says whether a head has begun and not ended.
func (s *scanner) inHead() bool {
	return s.state == headerLines || s.state == requestLine && len(s.partial) > 0
}

// prefaceRest are the lines of HTTP/2's preface behind the first one.
var prefaceRest = [...]string{"", "SM", ""}

func (s *scanner) preface(b []byte) string {
	if string(b) != prefaceRest[s.prefaced] {
		return "an HTTP/2 preface that is none"
	}
	if s.prefaced++; s.prefaced == len(prefaceRest) {
		s.state, s.frames = frameBytes, newClientFrames()
	}
	return ""
}

func (s *scanner) requestLine(b []byte) string {
	if s.empty == len("\r") {
		return "a bare CR before the request line"
	}
	if len(b) == 0 {
		return "an empty line too many before a request"
	}
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return "a control character in the request line"
		}
	}
	switch {
	case bytes.Equal(b, []byte("PRI * HTTP/2.0")):
		if s.heads > 1 || s.empty > 0 || s.agreed == "http/1.1" {
			return "HTTP/2 in the middle of a connection"
		}
		s.state = prefaceLines
		return ""
	case s.agreed == "h2":
		return "HTTP/2 was agreed on, and something else is spoken"
	case bytes.HasSuffix(b, []byte(" HTTP/1.1")):
		s.old = false
	case bytes.HasSuffix(b, []byte(" HTTP/1.0")):
		s.old = true
	default:
		return "the request line does not end in HTTP/1.1 or HTTP/1.0"
	}
	s.empty, s.lengths, s.codings, s.length = 0, 0, 0, 0
	s.state = headerLines
	return ""
}

func (s *scanner) header(b []byte) string {
	colon := bytes.IndexByte(b, ':')
	if colon <= 0 {
		if b[0] == ' ' || b[0] == '\t' {
			return "a folded header line"
		}
		return "a header line without a name"
	}
	for _, c := range b[:colon] {
		if !http1.TokenByte[c] {
			return "a header name that is no token"
		}
	}
	value := b[colon+1:]
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return "a control character in a header"
		}
	}
	switch {
	case colon == len("Content-Length") && bytes.EqualFold(b[:colon], []byte("Content-Length")):
		return s.contentLength(bytes.Trim(value, " \t"))
	case colon == len("Transfer-Encoding") && bytes.EqualFold(b[:colon], []byte("Transfer-Encoding")):
		s.codings++
		s.chunked = bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked")) // net/http answers 501 to any other
	}
	return ""
}

func (s *scanner) contentLength(value []byte) string {
	if s.lengths++; s.lengths > 1 {
		return "two Content-Length fields"
	}
	if len(value) == 0 || len(value) > 18 {
		return "a Content-Length that is no number of 1 to 18 digits"
	}
	s.length = 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return "a Content-Length that is no number"
		}
		s.length = s.length*10 + int64(c-'0')
	}
	return ""
}

func (s *scanner) endOfHead() string {
	switch {
	case s.codings > 0 && s.lengths > 0:
		return "both Content-Length and Transfer-Encoding"
	case s.codings > 0 && s.old:
		return "Transfer-Encoding in an HTTP/1.0 request"
	case s.codings > 1:
		return "two Transfer-Encoding fields"
	case s.codings > 0 && s.chunked:
		s.state = chunkLine
	case s.codings > 0:
		s.state = anything
	case s.length > 0:
		s.left, s.state = s.length, bodyBytes
	default:
		s.state = requestLine
	}
	return ""
}
