// Secrets in the query of a URL.

package redact

import (
	"strconv"
	"strings"
)

// URL is a URL or a request's target with the values of those query parameters masked that are secret. It is safe for
// concurrent use, and costs nothing where there is no query.
func URL(url string) string {
	if i := strings.IndexByte(url, '?'); i >= 0 {
		if masked := Query(url[i+1:]); len(masked) != len(url)-i-1 || masked != url[i+1:] {
			return url[:i+1] + masked
		}
	}
	return url
}

// Query is a query with the values of parameters masked that are secret. It is safe for concurrent use.
func Query(query string) string {
	var b strings.Builder
	kept := 0 // up to where query is in b
	for at := 0; at < len(query); {
		end := len(query)
		if i := strings.IndexAny(query[at:], "&;"); i >= 0 {
			end = at + i
		}
		if i := strings.IndexByte(query[at:end], '='); i >= 0 && Secret(query[at:at+i]) {
			b.WriteString(query[kept : at+i+1])
			b.WriteString(Mask)
			kept = end
		}
		at = end + 1
	}
	if kept == 0 {
		return query
	}
	b.WriteString(query[kept:])
	return b.String()
}

// Secret says whether a query parameter of that name carries a secret. It knows a name in brackets, too, as PHP has
// them: "login[password]"; and one that is percent-encoded.
func Secret(name string) bool {
	if strings.IndexByte(name, '%') >= 0 {
		name = unescape(name)
	}
	secrets := known.Load().parameters
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '[' || r == ']' }) {
		for _, s := range secrets {
			if strings.EqualFold(part, s) {
				return true
			}
		}
	}
	return false
}

// unescape decodes what is percent-encoded, and leaves alone what is malformed.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
