// What an HTTP connection is refused for before a handler has the request: net/http answers by itself, and nothing but
// the connection could tell of it.

package listen

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/accesslog"
)

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

// Reason is what the scanner found, if it found something, and else what is given.
func (c *strictConn) Reason(given string) string {
	if wrong := c.wrong.Load(); wrong != nil {
		return *wrong
	}
	return given
}

// noteRefusal leaves what a handler would have. Whatever is not known of the request is "-".
func (c *strictConn) noteRefusal(status int, reason string) { c.note(status, 0, reason) }

func (c *strictConn) note(status, sent int, reason string) {
	r := &http.Request{Method: "-", RequestURI: "-", Proto: "HTTP/2.0", RemoteAddr: c.RemoteAddr().String()}
	if c.scan.frames == nil {
		r.Method, r.RequestURI, r.Proto = c.requestLine()
	}
	c.server.web.NoteRefusal(r, status, sent, c.Reason(reason))
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
		line = string(s.partial[:min(len(s.partial), accesslog.LongestTarget)])
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
