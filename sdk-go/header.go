// A response's header: from net/http's map to the wire's pairs, under net/http's rules.

package sdk

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// sniffed is how many bytes http.DetectContentType looks at.
const sniffed = 512

// headFacts is what flatten learns on its way.
type headFacts struct {
	length    int64 // Content-Length, or -1
	sniff     bool  // the body's first bytes decide on the Content-Type
	announced []string
	dropped   string // what is wrong with a header that was left out
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified && status >= 200
}

// flatten appends h to dst as pairs, and leaves out what a response of this status must not have.
func flatten(dst []string, h http.Header, status int) ([]string, headFacts) {
	facts := headFacts{length: -1, sniff: bodyAllowed(status)}
	for name, values := range h {
		switch name {
		case "Content-Length":
			facts.takeLength(values)
			if facts.length < 0 || status < 200 || !bodyAllowed(status) {
				facts.length = -1
				continue
			}
		case "Content-Type":
			facts.sniff = false
			if status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			if len(values) > 0 && values[0] != "" {
				facts.sniff = false
			}
		case "Transfer-Encoding": // the host's affair
			facts.sniff = false
			continue
		case "Trailer":
			facts.announce(values)
		default:
			if strings.HasPrefix(name, http.TrailerPrefix) {
				continue
			}
		}
		for _, value := range values {
			dst = append(dst, name, value)
		}
		if name == "Date" && len(values) == 0 {
			dst = append(dst, name, "") // else the host adds one (SPEC.md §5.3)
		}
	}
	if protocol.CheckHeaders(dst) != nil {
		dst = facts.repair(dst)
	}
	return dst, facts
}

func (f *headFacts) takeLength(values []string) {
	if len(values) == 0 {
		return
	}
	n, err := strconv.ParseUint(strings.TrimSpace(values[0]), 10, 63)
	if err != nil || len(values) > 1 {
		f.dropped = fmt.Sprintf("Content-Length %q is not one number", values)
		return
	}
	f.length = int64(n)
}

// announce takes the names in Trailer headers.
func (f *headFacts) announce(values []string) {
	for _, list := range values {
		for name := range strings.SplitSeq(list, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if trailerAllowed(name) {
				f.announced = append(f.announced, name)
			}
		}
	}
}

// repair does what net/http does to a header that would break the message: a line break in a value becomes a space, a
// bad name is left out.
func (f *headFacts) repair(pairs []string) []string {
	good := pairs[:0]
	for i := 0; i+1 < len(pairs); i += 2 {
		pair := []string{pairs[i], unbroken.Replace(pairs[i+1])}
		if err := protocol.CheckHeaders(pair); err != nil {
			f.dropped = err.Error()
			continue
		}
		good = append(good, pair...)
	}
	return good
}

var unbroken = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")

// trailerAllowed says no to fields that a receiver must have before the body (RFC 9110 §6.5.1).
func trailerAllowed(name string) bool {
	switch name {
	case "", "Authorization", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Range",
		"Content-Type", "Date", "Expect", "Host",
		"Keep-Alive", "Location", "Max-Forwards", "Pragma", "Proxy-Authenticate", "Proxy-Authorization",
		"Proxy-Connection", "Range", "Retry-After", "Set-Cookie",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Vary", "Www-Authenticate":
		return false
	}
	return !strings.HasPrefix(name, "If-")
}

// trailers collects what the handler set in either of net/http's ways: names announced in Trailer, and names with
// http.TrailerPrefix.
func trailers(h http.Header, announced []string) (pairs []string) {
	for name, values := range h {
		if bare, ok := strings.CutPrefix(name, http.TrailerPrefix); ok &&
			trailerAllowed(http.CanonicalHeaderKey(bare)) {
			for _, value := range values {
				pairs = append(pairs, bare, value)
			}
		}
	}
	for _, name := range announced {
		for _, value := range h[name] {
			pairs = append(pairs, name, value)
		}
	}
	if protocol.CheckHeaders(pairs) != nil {
		pairs = new(headFacts).repair(pairs)
	}
	return pairs
}
