// The head of a response that is at hand whole, spelled as net/http spells it.

package http1

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answer is a response to a request of HTTP/1.1. Its body is at hand, but for one that is chunked or has a
// Content-Length.
type Answer struct {
	Status int
	Reason string              // of the status line; "" is none that is known
	Header map[string][]string // by canonical names, or others; it is not changed
	Bytes  int                 // of the body that was written
	Head   bool                // the request was HEAD: the body is not sent
	Close  bool                // the client wants the connection to end
	Chunks bool                // the body comes in chunks
}

// Bare says whether a response has no body, whatever was written (RFC 9110 §6.4.1).
func (a *Answer) Bare() bool { return a.Head || !bodyAllowed(a.Status) }

// bodyAllowed follows RFC 9110 §15.2, §15.3.5 and §15.4.5.
func bodyAllowed(status int) bool { return status >= 200 && status != 204 && status != 304 }

// AppendHead appends the head to b, with what net/http's server would add: Date, Content-Length or Transfer-Encoding,
// and Connection: close where the client wants that. ends says whether the connection ends with the response. keys
// lends memory, and is given back.
func (a *Answer) AppendHead(b []byte, now time.Time, keys []string) (head []byte, ends bool, lent []string) {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(a.Status), 10)
	if a.Reason != "" {
		b = append(append(b, ' '), a.Reason...)
	} else {
		b = strconv.AppendInt(append(b, " status code "...), int64(a.Status), 10)
	}
	b = append(b, "\r\n"...)
	keys = keys[:0]
	for key := range a.Header {
		if !a.suppressed(key) && validName(key) {
			keys = append(keys, key)
		}
	}
	if len(keys) > 1 {
		slices.Sort(keys)
	}
	told := false
	for _, key := range keys {
		for _, value := range a.Header[key] {
			if key == "Connection" && value == "close" {
				told = true
			}
			b = appendField(b, key, strings.Trim(value, " \t\r\n"))
		}
	}
	if _, ok := a.Header["Date"]; !ok {
		b = append(append(append(b, "Date: "...), date(now)...), "\r\n"...)
	}
	if _, ok := a.Header["Content-Length"]; !ok && !a.Chunks && bodyAllowed(a.Status) && !(a.Head && a.Bytes == 0) {
		b = strconv.AppendInt(append(b, "Content-Length: "...), int64(a.Bytes), 10)
		b = append(b, "\r\n"...)
	}
	if a.Close && !told {
		b = appendField(b, "Connection", "close")
	}
	if a.Chunks {
		b = appendField(b, "Transfer-Encoding", "chunked")
	}
	return append(b, "\r\n"...), a.Close || told, keys
}

func appendField(b []byte, key, value string) []byte {
	b = append(append(b, key...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// suppressed says whether a field has no place in a response of the status.
func (a *Answer) suppressed(key string) bool {
	switch key {
	case "Content-Length":
		return !bodyAllowed(a.Status)
	case "Content-Type":
		return a.Status == 304
	}
	return false
}

func validName(key string) bool {
	for i := range len(key) {
		if !TokenByte[key[i]] {
			return false
		}
	}
	return key != ""
}
