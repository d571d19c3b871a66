// What net/http reads leniently and another parser might read otherwise: the scanner follows the heads on an HTTP/1.x connection
// and refuses line folding, bare CR or LF, control characters, two Content-Lengths, Content-Length beside Transfer-Encoding (RFC 9112 §5.2,
// §2.2, §6.3). What net/http refuses already is left to it. check, for all versions, is about targets and hosts.

package listen

import (
	"bytes"
	"net/http"
	"strings"
)

type scanState uint8

const (
	requestLine scanState = iota
	headerLines
	prefaceLines // HTTP/2's, after the first (RFC 9113 §3.4)
	bodyBytes
	anything // HTTP/2, or the last request of its connection
)

// scanner does no I/O. It is fed all that a client sends, in pieces of any size.
type scanner struct {
	state   scanState
	limit   int    // longest line, in bytes
	partial []byte // the beginning of a line
	seen    bool   // a request line has come

	prefaced int // lines of the HTTP/2 preface

	// of the head at hand
	old     bool // HTTP/1.0
	lengths int  // how many Content-Length fields
	codings int  // how many Transfer-Encoding fields
	length  int64
	left    int64 // of its body
}

// feed returns how many bytes of p may be passed on, and what is wrong with the next one; "" if nothing is.
func (s *scanner) feed(p []byte) (good int, wrong string) {
	for i := 0; i < len(p); {
		switch s.state {
		case anything:
			return len(p), ""
		case bodyBytes:
			n := min(s.left, int64(len(p)-i))
			i += int(n)
			if s.left -= n; s.left == 0 {
				s.state = requestLine
			}
		default:
			j := bytes.IndexByte(p[i:], '\n')
			if j < 0 {
				if len(s.partial)+len(p)-i > s.limit {
					return i, "a line is too long"
				}
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

// line takes a line without its LF.
func (s *scanner) line(b []byte) (wrong string) {
	if len(b) == 0 || b[len(b)-1] != '\r' {
		return "a line ends in a bare LF"
	}
	b = b[:len(b)-1]
	switch {
	case s.state == requestLine:
		return s.requestLine(b)
	case s.state == prefaceLines:
		return s.preface(b)
	case len(b) == 0:
		return s.endOfHead()
	}
	return s.header(b)
}

func (s *scanner) preface(b []byte) string {
	if string(b) != [...]string{"", "SM", ""}[s.prefaced] {
		return "an HTTP/2 preface that is none"
	}
	if s.prefaced++; s.prefaced == 3 {
		s.state = anything
	}
	return ""
}

func (s *scanner) requestLine(b []byte) string {
	if len(b) == 0 {
		return "" // net/http decides whether an empty line may come before a request
	}
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return "a control character in the request line"
		}
	}
	switch {
	case bytes.Equal(b, []byte("PRI * HTTP/2.0")):
		if s.seen {
			return "HTTP/2 in the middle of a connection"
		}
		s.state = prefaceLines
		return ""
	case bytes.HasSuffix(b, []byte(" HTTP/1.1")):
		s.old = false
	case bytes.HasSuffix(b, []byte(" HTTP/1.0")):
		s.old = true
	default:
		return "the request line does not end in HTTP/1.1 or HTTP/1.0"
	}
	s.seen = true
	s.lengths, s.codings, s.length = 0, 0, 0
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
		if !tokenByte[c] {
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
	case s.codings > 0:
		s.state = anything // the handler closes the connection after this one
	case s.length > 0:
		s.left, s.state = s.length, bodyBytes
	default:
		s.state = requestLine
	}
	return ""
}

// check says what is wrong with a request that net/http has accepted, and the status for it; 0 if nothing is. target is what goes to a worker.
func check(r *http.Request) (target string, status int, wrong string) {
	target = r.RequestURI
	if target == "" {
		return "", http.StatusBadRequest, "no target"
	}
	if r.Method == http.MethodConnect {
		return "", http.StatusNotImplemented, "CONNECT is for proxies"
	}
	if target[0] != '/' && target != "*" {
		// absolute-form: net/http has taken the host from it already (RFC 9112 §3.2.2)
		rest, ok := cutScheme(target)
		if !ok || r.URL.User != nil || r.URL.Host == "" {
			return "", http.StatusBadRequest, "a target that is neither a path nor an http address"
		}
		if i := strings.IndexAny(rest, "/?"); i < 0 {
			target = "/"
		} else if target = rest[i:]; target[0] == '?' {
			target = "/" + target
		}
	}
	if target == "*" && r.Method != http.MethodOptions {
		return "", http.StatusBadRequest, "the target * is for OPTIONS only"
	}
	for i := 0; i < len(target); i++ {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '#' {
			return "", http.StatusBadRequest, "a character in the target that has to be encoded"
		}
	}
	if !validHost(r.Host) {
		return "", http.StatusBadRequest, "an invalid host"
	}
	return target, 0, ""
}

func cutScheme(target string) (rest string, ok bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			return target[len(scheme):], true
		}
	}
	return "", false
}

// validHost takes a name, an IPv4 address or a bracketed IPv6 address, with or without a port; also nothing (RFC 9110 §7.2).
func validHost(host string) bool {
	name, port := host, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return false
		}
		for _, c := range []byte(host[1:end]) {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == ':' || c == '.') {
				return false
			}
		}
		name, port = "", host[end+1:]
	} else if i := strings.IndexByte(host, ':'); i >= 0 {
		name, port = host[:i], host[i:]
	}
	for i := 0; i < len(name); i++ {
		if !hostByte[name[i]] {
			return false
		}
	}
	if port == "" {
		return true
	}
	for i := 1; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	return port[0] == ':' && len(port) <= 6
}

var tokenByte, hostByte = byteTables()

func byteTables() (token, host [256]bool) {
	for c := '0'; c <= '9'; c++ {
		token[c], host[c] = true, true
	}
	for c := 'a'; c <= 'z'; c++ {
		token[c], token[c-'a'+'A'] = true, true
		host[c], host[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		token[c] = true
	}
	for _, c := range "-._~" {
		host[c] = true
	}
	return token, host
}
