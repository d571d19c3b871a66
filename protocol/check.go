// What HTTP asks of a response (SPEC.md §5.3), so that every front refuses the same.

package protocol

import (
	"fmt"
	"strconv"
)

// Check says what is wrong with a RESPONSE's status, headers, body or file, or nil.
func (m *Response) Check() error {
	if m.Status < 200 || m.Status > 599 {
		return fmt.Errorf("status %d: a response's status is 200 to 599, or 101 where a tunnel is offered", m.Status)
	}
	if m.File != "" && (len(m.Body) > 0 || m.Flags&FlagEnd == 0) {
		return fmt.Errorf("a response with a file has to end there and have no body")
	}
	if m.Hold != nil && (m.Flags&FlagEnd != 0 || m.File != "") {
		return fmt.Errorf("a response that is held has neither an end nor a file")
	}
	if m.Fetch != nil && (m.File != "" || m.Hold != nil) {
		return fmt.Errorf("a response that is fetched has neither a file nor hold")
	}
	return CheckHeaders(m.Headers)
}

// Switches says whether it answers q with a tunnel (SPEC.md §5.9); [Response.CheckTunnel] says what is wrong with it.
func (m *Response) Switches(q *Request) bool {
	return m.Status == 101 && q.Tunnel != "" && m.Fetch == nil
}

// CheckTunnel says what is wrong with a RESPONSE of 101 that its request allows, or nil.
func (m *Response) CheckTunnel() error {
	if m.Flags&FlagEnd != 0 || m.File != "" || m.Hold != nil {
		return fmt.Errorf("a response of 101 has no end, no file and no hold")
	}
	return CheckHeaders(m.Headers)
}

// Bodyless says whether the answer to a request with that method ends with its head, whatever the worker sends
// (SPEC.md §5.3). The body of one with Fetch is not the answer's.
func (m *Response) Bodyless(method string) bool {
	return m.Fetch == nil && (method == "HEAD" || m.Status == 204 || m.Status == 205 || m.Status == 304)
}

// Check says what is wrong with an INFORM's status or headers, or nil.
func (m *Inform) Check() error {
	if m.Status < 100 || m.Status > 199 || m.Status == 101 {
		return fmt.Errorf("status %d: an informational response's status is 100 to 199, but not 101", m.Status)
	}
	return CheckHeaders(m.Headers)
}

// MaxHeaders is how many bytes the headers of a response may have together, counted as HTTP/2 counts (RFC 9113
// §6.5.2): 32 for each beside its name and its value. Browsers take no more.
const MaxHeaders = 256 << 10

// CheckHeaders says what is wrong with a flat list of names and values that a worker sends: names are tokens (RFC
// 9110 §5.1), values hold no CR, LF or NUL, and together they are not more than MaxHeaders.
func CheckHeaders(pairs []string) error {
	size := 0
	for i := 0; i+1 < len(pairs); i += 2 {
		if size += len(pairs[i]) + len(pairs[i+1]) + 32; size > MaxHeaders {
			return fmt.Errorf("the headers have more than %d KiB, with %s as number %d", MaxHeaders>>10,
				strconv.Quote(pairs[i]), i/2+1)
		}
		if !isToken(pairs[i]) {
			return fmt.Errorf("header name %s is not a token", strconv.Quote(pairs[i]))
		}
		for j := 0; j < len(pairs[i+1]); j++ {
			if c := pairs[i+1][j]; c == '\r' || c == '\n' || c == 0 {
				return fmt.Errorf("header %s: its value holds a %q at byte %d", pairs[i], c, j)
			}
		}
	}
	return nil
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenBytes = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()
