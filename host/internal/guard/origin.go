// Which pages may connect.

package guard

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/workerhost/workerhost/host/internal/http1"
)

// sameHost stands for the pages of the host that the client came to, on whatever port.
const sameHost = "same-host"

// CheckOrigin says what is wrong with an entry of peer.SocketLimits.AllowedOrigins; nil if nothing is.
func CheckOrigin(pattern string) error {
	if pattern == "*" || pattern == "null" || pattern == sameHost {
		return nil
	}
	scheme, host, ok := strings.Cut(pattern, "://")
	host = strings.TrimPrefix(host, "*.")
	if u, err := url.Parse(scheme + "://" + host); !ok || err != nil || u.Host != host || host == "" ||
		!http1.ValidHost(host) {
		return fmt.Errorf("%q is no origin: write it as https://example.org, with its port if that is not the "+
			"scheme's, https://*.example.org for all hosts below, or \"*\" for all origins", pattern)
	}
	return nil
}

// OriginProblem says what is wrong with the origin that a browser names for the page that connects; "" if nothing is.
func OriginProblem(r *http.Request, allowed []string) (wrong string) {
	named := r.Header["Origin"]
	switch len(named) {
	case 0:
		return "" // no browser
	case 1:
	default:
		return "two Origin fields"
	}
	origin := strings.ToLower(named[0])
	for _, pattern := range allowed {
		if matchesOrigin(origin, strings.ToLower(pattern)) || pattern == sameHost && ofHost(origin, r.Host) {
			return ""
		}
	}
	if len(allowed) == 0 {
		if scheme, host, ok := strings.Cut(origin, "://"); ok &&
			withoutPort(host, scheme) == withoutPort(strings.ToLower(r.Host), scheme) {
			return ""
		}
	}
	return "the origin " + named[0] + " is not among the allowed ones"
}

func ofHost(origin, host string) bool {
	page, err := url.Parse(origin)
	ours, wrong := url.Parse("//" + strings.ToLower(host))
	return err == nil && wrong == nil && page.Hostname() != "" && page.Hostname() == ours.Hostname()
}

func matchesOrigin(origin, pattern string) bool {
	if pattern == "*" || pattern == origin {
		return true
	}
	scheme, host, _ := strings.Cut(pattern, "://")
	under, ok := strings.CutPrefix(host, "*.")
	theirs, found := strings.CutPrefix(origin, scheme+"://")
	return ok && found && len(theirs) > len(under)+1 && strings.HasSuffix(theirs, "."+under)
}

// withoutPort takes the port away that a scheme has anyway. A proxy in front may have ended TLS, so that the scheme is
// the page's, not ours.
func withoutPort(host, scheme string) string {
	switch scheme {
	case "https", "wss":
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}
