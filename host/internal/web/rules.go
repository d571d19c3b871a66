// The rules that requests of all versions of HTTP are held to, whatever net/http makes of them.

package web

import (
	"net/http"
	"strings"

	"github.com/workerhost/workerhost/host/internal/http1"
)

// rule is one of them: broken, it is answered with status.
type rule struct {
	status int
	wrong  string
	broken func(r *http.Request) bool
}

// rules come in the order in which they are looked at. Where the RFCs of two versions differ, a rule says so.
var rules = []rule{
	{400, "a method that is no token", func(r *http.Request) bool {
		return r.Method == "" || http1.TokenLength([]byte(r.Method)) < len(r.Method)
	}},
	{501, "CONNECT is for proxies", func(r *http.Request) bool { return r.Method == http.MethodConnect }},
	{400, "a header that begins or ends with a blank", padded},
	{400, "two Content-Length fields", func(r *http.Request) bool { return len(r.Header["Content-Length"]) > 1 }},
	{400, "a Content-Length that is no number, or not the body's length", mislaid},
	{417, "an expectation other than 100-continue", func(r *http.Request) bool {
		return len(r.Header["Expect"]) > 0 && !hasToken(r.Header["Expect"], "100-continue")
	}},
	{400, "no host", func(r *http.Request) bool { // it may be empty in HTTP/1 (RFC 9112 §3.2, RFC 9113 §8.3.1)
		return r.Host == "" && r.ProtoMajor > 1
	}},
	{400, "a host that is not the one of :authority", twoHosts},
	{400, "an invalid host", func(r *http.Request) bool { return !http1.ValidHost(r.Host) }},
	{400, "a target that is neither a path nor an http address", func(r *http.Request) bool {
		return targetOf(r) == ""
	}},
	{400, "the target * is for OPTIONS only", func(r *http.Request) bool {
		return r.RequestURI == "*" && r.Method != http.MethodOptions
	}},
	{400, "a character in the target that has to be encoded", func(r *http.Request) bool {
		return strings.ContainsFunc(r.RequestURI, hasToBeEncoded)
	}},
}

// check says what is wrong with a request that net/http has accepted, and the status for it; 0 if nothing is. target
// is what goes to a worker.
func check(r *http.Request) (target string, status int, wrong string) {
	for i := range rules {
		if rules[i].broken(r) {
			return "", rules[i].status, rules[i].wrong
		}
	}
	return targetOf(r), 0, ""
}

// padded says whether a value has blanks around it: in HTTP/1 they are none of it (RFC 9112 §5.1, RFC 9113 §8.2.1).
func padded(r *http.Request) bool {
	for _, values := range r.Header {
		for _, v := range values {
			if v != "" && (isBlank(v[0]) || isBlank(v[len(v)-1])) {
				return true
			}
		}
	}
	return false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// mislaid says whether a Content-Length misplaces the end of its body: in HTTP/2 the stream's end says where that is
// (RFC 9113 §8.1.1).
func mislaid(r *http.Request) bool {
	for _, v := range r.Header["Content-Length"] {
		if n, ok := contentLength(v); !ok || n != r.ContentLength {
			return true
		}
	}
	return false
}

// twoHosts says whether a host field, which net/http leaves in HTTP/2's headers alone, contradicts :authority (RFC
// 9113 §8.3.1).
func twoHosts(r *http.Request) bool {
	given := r.Header["Host"]
	return len(given) > 1 || len(given) == 1 && !strings.EqualFold(given[0], r.Host)
}

func hasToBeEncoded(c rune) bool { return c <= ' ' || c == 0x7f || c == '#' }

// targetOf is a request's target without scheme and host; "" if it has none. An absolute one is HTTP/1's alone, and
// net/http has taken the host from it already (RFC 9112 §3.2.2).
func targetOf(r *http.Request) string {
	target := r.RequestURI
	if target == "" || target[0] == '/' || target == "*" {
		return target
	}
	rest, ok := cutScheme(target)
	if !ok || r.URL.User != nil || r.URL.Host == "" || r.ProtoMajor > 1 {
		return ""
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	}
	return rest[i:]
}

func cutScheme(target string) (rest string, ok bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			return target[len(scheme):], true
		}
	}
	return "", false
}
