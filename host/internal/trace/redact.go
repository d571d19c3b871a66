// What must not leave with a span: secrets in a query.

package trace

import "strings"

// secrets are the names of parameters whose values are masked. They are compared without regard to case.
var secrets = []string{"token", "access_token", "authorization", "code", "key", "password", "secret", "signature",
	"jwt", "sid"}

const mask = "REDACTED"

// Query is a query with the values of parameters masked that are secret.
func Query(query string) string {
	var b strings.Builder
	kept := 0 // up to where query is in b
	for at := 0; at < len(query); {
		end := len(query)
		if i := strings.IndexAny(query[at:], "&;"); i >= 0 {
			end = at + i
		}
		if i := strings.IndexByte(query[at:end], '='); i >= 0 && secret(query[at:at+i]) {
			b.WriteString(query[kept : at+i+1])
			b.WriteString(mask)
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

// secret knows a name in brackets, too, as PHP has them: "login[password]"; and one that is percent-encoded.
func secret(name string) bool {
	if strings.IndexByte(name, '%') >= 0 {
		name = unescape(name)
	}
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
			high, low := digit(s[i+1]|0x20), digit(s[i+2]|0x20)
			if high < 16 && low < 16 {
				b.WriteByte(high<<4 | low)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
