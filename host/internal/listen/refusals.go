// What the front answers by itself, counted: no worker has heard of these requests, so no pool counts them.

package listen

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Refusal is why the front answered in a worker's place.
type Refusal int

// The refusals.
const (
	RefusedMalformed   Refusal = iota // 400, 501: it can't be passed on
	RefusedTooLarge                   // 413, 431
	RefusedTooSlow                    // 408: its head or its body did not come in time
	RefusedRate                       // 429
	RefusedNoRoom                     // 503: the disk for waiting bodies is full
	RefusedConnections                // 503: one connection too many
	RefusedFault                      // 500: of the host itself
	refusals
)

var refusalNames = [refusals]string{"malformed", "too large", "too slow", "rate limit", "no room on disk", "too many connections", "fault of the host"}

// String names the refusal as the access log and the metrics do.
func (r Refusal) String() string { return refusalNames[r] }

// answers are the counts of one listener.
type answers struct {
	refused [refusals]atomic.Uint64
	static  atomic.Uint64
}

// Refused is how many requests the listener answered by itself, by [Refusal.String]; connections that it turned away are among them.
func (s *Server) Refused() map[string]uint64 {
	counts := make(map[string]uint64, refusals)
	for why := range refusals {
		counts[why.String()] = s.answered.refused[why].Load()
	}
	return counts
}

// StaticFiles is how many requests a file of the public folder was the answer to.
func (s *Server) StaticFiles() uint64 { return s.answered.static.Load() }

// refused counts a request that is about to be answered with the status, and says why in the access log, and in the
// host's own if the client is to blame.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, status int, reason string) {
	switch status {
	case 0: // nobody is left to answer
		return
	case http.StatusBadGateway: // the worker's doing, which its pool has counted
		blame(w, "reset by worker")
		return
	}
	if c := strictOf(r); c != nil && status == http.StatusBadRequest {
		reason = c.reason(reason)
	}
	why := whyRefused(status)
	s.answered.refused[why].Add(1)
	blame(w, why.String())
	if c := recordOf(w); c != nil {
		c.reason = reason
	}
	if why == RefusedMalformed {
		s.tellRefusal(remote(r), status, reason)
	}
}

func whyRefused(status int) Refusal {
	switch status {
	case http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge:
		return RefusedTooLarge
	case http.StatusRequestTimeout:
		return RefusedTooSlow
	case http.StatusTooManyRequests:
		return RefusedRate
	case http.StatusServiceUnavailable:
		return RefusedNoRoom
	case http.StatusInternalServerError:
		return RefusedFault
	}
	return RefusedMalformed
}

// tellRefusal names a client that sent what can't be passed on in the host's log: the first one at once, and then
// how many more there were.
func (s *Server) tellRefusal(remote string, status int, reason string) {
	s.log.Debug("refused a request", "remote", remote, "status", status, "reason", reason)
	s.malformed.Warn(s.log, "requests are refused for what their clients sent; the access log has all of them",
		"remote", remote, "status", status, "reason", reason)
}

// blame says in the access log why the request has no answer of a worker's.
func blame(w http.ResponseWriter, fault string) {
	if c := recordOf(w); c != nil {
		c.fault = fault
	}
}

// handles says that a handler has the next request of this connection.
func (c *strictConn) handles(r *http.Request) {
	if r.ProtoMajor > 1 {
		if c.tls != nil {
			r.TLS = c.tls
		}
		return
	}
	c.handled++
	c.answering.Store(true)
}

// reason is what the scanner found, if it found something, and else what is given.
func (c *strictConn) reason(given string) string {
	if wrong := c.wrong.Load(); wrong != nil {
		return *wrong
	}
	return given
}

// noteRefusal leaves what a handler would have: counts, a line of the access log and one of the host's. Whatever is
// not known of the request is "-".
func (c *strictConn) noteRefusal(status int, reason string) { c.note(status, 0, reason) }

func (c *strictConn) note(status, sent int, reason string) {
	s, why := c.server, whyRefused(status)
	reason = c.reason(reason)
	s.answered.refused[why].Add(1)
	r := &http.Request{Method: "-", RequestURI: "-", Proto: "HTTP/2.0", RemoteAddr: c.RemoteAddr().String()}
	if c.scan.frames == nil {
		r.Method, r.RequestURI, r.Proto = c.requestLine()
	}
	s.tellRefusal(remote(r), status, reason)
	if access := s.accessLog(); access != nil {
		line := record{
			access: access, began: time.Now(), status: status, out: int64(sent), fault: why.String(), reason: reason,
		}
		line.note(r, true)
	}
}

const largeHead = "a head larger than max_header"

// requestLine is what is known of the request that has no handler yet. The scanner may be ahead of it, and then that
// is nothing.
func (c *strictConn) requestLine() (method, target, version string) {
	line := ""
	switch s := &c.scan; {
	case s.heads == c.handled+1:
		line = string(s.last)
	case s.heads == c.handled && s.state == requestLine:
		line = string(s.partial[:min(len(s.partial), longestTarget)])
	}
	method, target, _ = strings.Cut(line, " ")
	if i := strings.LastIndexByte(target, ' '); i >= 0 {
		target, version = target[:i], target[i+1:]
	}
	return cmp.Or(method, "-"), cmp.Or(target, "-"), cmp.Or(version, "-")
}

// noteOwnAnswer takes note of what net/http answers while no handler has the request.
func (c *strictConn) noteOwnAnswer(p []byte) {
	head, page, _ := strings.Cut(string(p[:min(len(p), 1<<10)]), "\r\n\r\n")
	_, rest, _ := strings.Cut(head, " ")
	status, err := strconv.Atoi(rest[:min(len(rest), 3)])
	switch {
	case err != nil:
		return
	case status == http.StatusRequestHeaderFieldsTooLarge:
		page = largeHead
	case page == "":
		page = http.StatusText(status)
	}
	c.note(status, len(p), page)
}

// noteLateHead takes note of a head or a header block that has begun and did not end within header_timeout. The
// connection ends with that.
func (c *strictConn) noteLateHead() {
	if f := c.scan.frames; !c.late && (f != nil && c.timed || f == nil && !c.answering.Load() && c.scan.inHead()) {
		c.late = true
		c.note(http.StatusRequestTimeout, 0, "its headers did not come within header_timeout")
	}
}
