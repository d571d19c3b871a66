// conceal.go: what forces an arm has a secret in it, which is between the client and the host. The application would
// have it in its environment, its error pages and its logs.

package canary

import (
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// conceal takes what forces an arm out of a request, whether it is right or not: one that has been replaced, or
// mistyped by a letter, is not for the application either. A request without it stays as it is.
func conceal(x *protocol.Exchange) {
	var r *protocol.Request
	switch m := x.Request.(type) {
	case *protocol.Request:
		r = m
	case *protocol.Open:
		r = m.Request
	}
	if r == nil || header(r, ForceName) == "" && cookie(r, forceCookie) == "" {
		return
	}
	left := make([]string, 0, len(r.Headers)) // the front may have lent them
	for i := 0; i+1 < len(r.Headers); i += 2 {
		name, value := r.Headers[i], r.Headers[i+1]
		if strings.EqualFold(name, ForceName) {
			continue
		}
		if strings.EqualFold(name, "Cookie") {
			if value = otherCookies(value); value == "" {
				continue
			}
		}
		left = append(left, name, value)
	}
	r.Headers = left
}

// otherCookies is a header of cookies without that which forces an arm.
func otherCookies(all string) string {
	var left []string
	for pair := range strings.SplitSeq(all, ";") {
		if name, _, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.TrimSpace(name) != forceCookie {
			left = append(left, strings.TrimSpace(pair))
		}
	}
	return strings.Join(left, "; ")
}
