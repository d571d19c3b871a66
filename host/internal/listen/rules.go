// The rules that requests of all versions of HTTP are held to, whatever net/http makes of them.

package listen

import (
	"net/http"
	"strings"
)

// check says what is wrong with a request that net/http has accepted, and the status for it; 0 if nothing is. target is what goes to a worker.
func check(r *http.Request) (target string, status int, wrong string) {
	target = r.RequestURI
	if target == "" {
		return "", http.StatusBadRequest, "no target"
	}
	if r.Method == http.MethodConnect {
		return "", http.StatusNotImplemented, "CONNECT is for proxies"
	}
	if target[0] != '/' && target != "*" {
		// absolute-form: net/http has taken the host from it already (RFC 9112 §3.2.2)
		rest, ok := cutScheme(target)
		if !ok || r.URL.User != nil || r.URL.Host == "" {
			return "", http.StatusBadRequest, "a target that is neither a path nor an http address"
		}
		if i := strings.IndexAny(rest, "/?"); i < 0 {
			target = "/"
		} else if target = rest[i:]; target[0] == '?' {
			target = "/" + target
		}
	}
	if target == "*" && r.Method != http.MethodOptions {
		return "", http.StatusBadRequest, "the target * is for OPTIONS only"
	}
	for i := 0; i < len(target); i++ {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '#' {
			return "", http.StatusBadRequest, "a character in the target that has to be encoded"
		}
	}
	if !validHost(r.Host) {
		return "", http.StatusBadRequest, "an invalid host"
	}
	return target, 0, ""
}

func cutScheme(target string) (rest string, ok bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			return target[len(scheme):], true
		}
	}
	return "", false
}

// validHost takes a name, an IPv4 address or a bracketed IPv6 address, with or without a port; also nothing (RFC 9110 §7.2).
func validHost(host string) bool {
	name, port := host, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return false
		}
		for _, c := range []byte(host[1:end]) {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == ':' || c == '.') {
				return false
			}
		}
		name, port = "", host[end+1:]
	} else if i := strings.IndexByte(host, ':'); i >= 0 {
		name, port = host[:i], host[i:]
	}
	for i := 0; i < len(name); i++ {
		if !hostByte[name[i]] {
			return false
		}
	}
	if port == "" {
		return true
	}
	for i := 1; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	return port[0] == ':' && len(port) <= 6
}
