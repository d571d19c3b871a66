// What a CGI program says before its body (RFC 3875 §6.3), as PHP says it.

package fastcgi

import (
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
)

// maxHead is how long the head of a response may be; the wire takes no more (SPEC.md §5.3).
const maxHead = 256 << 10

// endOfHead is where the body begins in b, of which the first from bytes have no end; -1 if the head goes on.
func endOfHead(b []byte, from int) int {
	for i, empty := range []string{"\n", "\r\n"} { // a head without a field
		if bytes.HasPrefix(b, []byte(empty)) {
			return i + 1
		}
	}
	for at := max(0, from-2); ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1
		}
		at += i + 1
		switch rest := b[at:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return at + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return at + 2
		}
	}
}

// parseHead reads a head with the empty line at its end into header, and gives its status. Lines end with CR LF or LF.
// After an error there may be something in header.
func parseHead(b []byte, header http.Header) (status int, err error) {
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !isToken(line[:colon]) || bytes.ContainsAny(line, "\r\x00") {
			return 0, fmt.Errorf("a line of its head is no header field: %.100q", line)
		}
		name := textproto.CanonicalMIMEHeaderKey(string(line[:colon]))
		value := string(bytes.Trim(line[colon+1:], " \t"))
		if name != "Status" {
			header[name] = append(header[name], value)
			continue
		}
		if status = statusOf(value); status == 0 {
			return 0, fmt.Errorf("its status is %.100q: expected a number from 200 to 599", value)
		}
	}
	if status == 0 {
		status = http.StatusOK
		if header["Location"] != nil {
			status = http.StatusFound
		}
	}
	if header["Content-Type"] == nil {
		header["Content-Type"] = nil // nobody is to guess one
	}
	return status, nil
}

// statusOf reads "404 Not Found"; 0 is that it is none.
func statusOf(s string) int {
	if len(s) < 3 || len(s) > 3 && s[3] != ' ' {
		return 0
	}
	n := 0
	for i := range 3 {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		n = 10*n + int(s[i]-'0')
	}
	if n < 200 || n > 599 {
		return 0
	}
	return n
}

func isToken(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"(),/:;<=>?@[\]{}`), c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}
