// Package redact takes secrets out of what is logged, kept or shown: what the headers and the query parameters hold
// that carry them, and passwords in URLs. It goes by names, so that what is secret under another name stays, unless
// [Also] has named it.
package redact

import (
	"regexp"
	"strings"
	"sync/atomic"
)

// Mask stands for what was taken out.
const Mask = "REDACTED"

var (
	// always are names whose values are secret wherever they stand, as in a program's arguments.
	always = []string{"access_token", "password", "secret", "token", "jwt"}
	// inQueries are those that mean something else elsewhere, as in "exit code=3".
	inQueries = []string{"authorization", "signature", "auth_signature", "code", "key", "sid"}
	// inHeaders are names of fields.
	inHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Worker-Generation"}
)

var userinfo = regexp.MustCompile(`\b([A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*):[^\s/@]+@`)

// queries are those of the URLs in a text.
var queries = regexp.MustCompile(`\?[^\s"'?#]+`)

// names is what is known of secrets at a time.
type names struct {
	parameters []string // of queries
	headers    *regexp.Regexp
	pairs      *regexp.Regexp
	members    *regexp.Regexp // of JSON objects
	keys       []string       // whose values are secret wherever they stand
}

var known atomic.Pointer[names] // of the process, as its environment is

func init() { Also(nil) }

// Also has the values of more query parameters and header fields taken out, whatever their case, in place of those
// that an earlier call named. It is safe for concurrent use.
func Also(more []string) {
	everywhere := append(always[:len(always):len(always)], more...)
	known.Store(&names{
		parameters: append(everywhere[:len(everywhere):len(everywhere)], inQueries...),
		headers: regexp.MustCompile(`(?i)\b(` + oneOf(append(inHeaders[:len(inHeaders):len(inHeaders)], more...)) +
			`)("?\s*:\s*)[^\r\n]+`),
		keys:    append(everywhere[:len(everywhere):len(everywhere)], inHeaders...),
		members: regexp.MustCompile(`(?i)("(?:` + oneOf(everywhere) + `)"\s*:\s*)"(?:[^"\\]|\\.)*"?`),
		pairs: regexp.MustCompile(`(?i)(?:(^|[?&;\s"'(,-])(` + oneOf(everywhere) + `)|([?&])(` + oneOf(inQueries) +
			`))(=)("[^"\r\n]*"|'[^'\r\n]*'|[^\s&;"'),]+)`),
	})
}

func oneOf(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = regexp.QuoteMeta(n)
	}
	return strings.Join(quoted, "|")
}

// Key says whether what a log line has under a key is secret, whatever it is.
func Key(key string) bool {
	for _, k := range known.Load().keys {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}

// Text is text without the secrets that can be found in it. It is safe for concurrent use.
func Text(text string) string {
	if !strings.ContainsAny(text, ":=") {
		return text
	}
	n := known.Load()
	text = n.headers.ReplaceAllString(text, "${1}${2}"+Mask)
	text = n.members.ReplaceAllString(text, `${1}"`+Mask+`"`)
	if strings.IndexByte(text, '?') >= 0 {
		text = queries.ReplaceAllStringFunc(text, func(q string) string {
			own := strings.TrimRight(q, ",;)") // what is behind is the sentence's
			return own[:1] + Query(own[1:]) + q[len(own):]
		})
	}
	text = n.pairs.ReplaceAllString(text, "${1}${2}${3}${4}${5}"+Mask)
	return userinfo.ReplaceAllString(text, "${1}:"+Mask+"@")
}
