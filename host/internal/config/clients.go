// clients.go looks at what [http] says of clients: who they are, and what is logged of them.

package config

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/protocol"
)

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// ownHeaders are those without which HTTP, or most applications, would not work if they were overwritten.
var ownHeaders = []string{
	"Accept", "Accept-Encoding", "Authorization", "Cache-Control", "Connection", "Content-Encoding", "Content-Length",
	"Content-Range", "Content-Type",
	"Cookie", "Date", "Etag", "Expect", "Forwarded", "Host", "Idempotency-Key", "If-Match", "If-Modified-Since",
	"If-None-Match", "Keep-Alive",
	"Last-Modified", "Location", "Origin", "Proxy-Connection", "Range", "Referer", "Retry-After", "Server",
	"Set-Cookie", "Te", "Traceparent", "Trailer",
	"Transfer-Encoding", "Upgrade", "User-Agent", "Vary", "Www-Authenticate", "X-Forwarded-For", "X-Forwarded-Host",
	"X-Forwarded-Proto",
}

// check completes what is more than a number.
func (h *HTTP) check(c *Config, fail fail) {
	c.checkAccessLog(&h.AccessLog, "http.access_log", fail)
	h.ErrorPages.check(c, "http.error_pages", fail)
	if h.RequestID != "" && !headerName.MatchString(h.RequestID) {
		fail("http.request_id", "expected the name of a header, such as \"X-Request-Id\", or \"\" for none, found %s",
			describe(h.RequestID))
	}
	h.RequestID = http.CanonicalHeaderKey(h.RequestID)
	if slices.Contains(ownHeaders, h.RequestID) {
		fail("http.request_id",
			"%s has a meaning of its own, and would lose it: write another name, such as \"X-Request-Id\"",
			h.RequestID)
	}
	checkPeers("http.trusted_proxies", h.TrustedProxies, fail)
	if c.has("http.rate_limit.burst") && h.RateLimit.Requests == 0 {
		fail("http.rate_limit.burst", "has no effect without requests: write requests = %d", h.RateLimit.Burst)
	}
	if h.RateLimit.Burst == 0 {
		h.RateLimit.Burst = 2 * h.RateLimit.Requests
	}
}

// checkPeers refuses what is no network, address or "unix" in the list at a key.
func checkPeers(at string, list []string, fail fail) {
	for i, text := range list {
		if _, err := guard.ParsePeers([]string{text}); err != nil {
			fail(fmt.Sprintf("%s.%d", at, i), "%v", err)
		}
	}
}

// checkPriority refuses what could never be a request's path.
func (p *Pool) checkPriority(fail fail) {
	for i, path := range p.Priority {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#* ") {
			fail(fmt.Sprintf("%s.priority.%d", p.at, i),
				`expected a path without a query, such as "/health", found %s`, describe(path))
		} else if canonical, ok := protocol.CanonicalPath(path); ok { // as requests are matched
			p.Priority[i] = canonical
		}
	}
}

// mostMeasured bounds the series of /metrics, of which each route has some twenty for each generation.
const mostMeasured = 20

// checkMeasure refuses what no request would be counted under.
func (p *Pool) checkMeasure(fail fail) {
	if len(p.Measure) > mostMeasured {
		fail(p.at+".measure", "expected at most %d routes, found %d: each is some twenty series of /metrics for "+
			"each generation; write /* for what belongs together", mostMeasured, len(p.Measure))
		return
	}
	for i, route := range p.Measure {
		at := fmt.Sprintf("%s.measure.%d", p.at, i)
		path := route
		if strings.HasSuffix(route, "/*") {
			path = strings.TrimSuffix(route, "*")
		}
		switch {
		case !strings.HasPrefix(route, "/") || strings.ContainsFunc(path, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune("?#*", r)
		}):
			fail(at, `expected a path as it is in a URL, such as "/login", or "/api/*" for all below /api/, found %s`,
				describe(route))
		case strings.Contains(path, "//") || strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../"):
			fail(at, `%s is matched by no request, since dots and doubled slashes are resolved first: write the `+
				`path without them`, describe(route))
		case slices.Contains(p.Measure[:i], route):
			fail(at, "%s stands there twice: remove one of them", describe(route))
		}
	}
}

func (c *Config) checkAccessLog(log *string, at string, fail fail) {
	const expected = `expected "off", "text", "json" or a path, such as "/var/log/app/access.json", found %s`
	switch path := *log; {
	case path == "off" || path == "text" || path == "json":
		return
	case !strings.ContainsAny(path, `./\`): // a word that was misspelt rather than a file
		fail(at, expected, describe(path))
		return
	}
	*log = absolute(c.Folder, *log)
	folder := filepath.Dir(*log)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		fail(at, "%s", missing("folder ", folder, "create it, or mend the path"))
	} else if info, err := os.Stat(*log); err == nil && info.IsDir() {
		fail(at, "%s is a folder: write the path of a file in it", *log)
	}
}
