// cors.go: pages of other origins, addresses and headers of requests, as routes have them.

package config

import (
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Cors says which pages of other origins may use a route.
type Cors struct {
	Origins     Words         `key:"origins" holds:"origin or array" absent:"required" means:"origins of pages that may use the route, such as \"https://example.org\" or \"https://*.example.org\"; \"same-host\" is those of this host's name, on any port, and \"*\" is all"`
	Methods     Words         `key:"methods" holds:"method or array" absent:"whichever a page asks for" means:"methods that they may use"`
	Headers     Words         `key:"headers" holds:"header or array" absent:"whichever a page asks for" means:"headers that they may send"`
	Expose      Words         `key:"expose" holds:"header or array" absent:"the few that the standard lets" means:"headers of answers that they may read"`
	Credentials bool          `key:"credentials" default:"false" means:"whether cookies and passwords go along"`
	MaxAge      time.Duration `key:"max_age" default:"10m" min:"0" max:"24h" means:"how long a browser need not ask again"`
}

func (o *Cors) check(at string, fail fail) {
	checkOrigins(o.Origins, at+".origins", fail)
	switch {
	case len(o.Origins) == 0:
		fail(at+".origins", `which pages may use the route is missing: write cors = { origins = "https://example.org" }`)
	case o.Credentials && slices.Contains(o.Origins, "*"):
		fail(at+".credentials", "any page of the web could act as its user: name the origins, or remove it")
	}
	for _, method := range o.Methods {
		if method == "" || strings.ToUpper(method) != method || strings.ContainsAny(method, " ,/*") {
			fail(at+".methods", "expected a method in capitals, such as \"POST\", found %s", describe(method))
		}
	}
	for _, list := range []struct {
		key   string
		names Words
	}{{"headers", o.Headers}, {"expose", o.Expose}} {
		for _, name := range list.names {
			if !headerName.MatchString(name) {
				fail(at+"."+list.key, "expected the name of a header, such as \"X-Token\", found %s", describe(name))
			}
		}
	}
}

// asked are headers of requests that routes can't set: they frame the request, or are the host's word.
var asked = []string{"Host", "Expect", "Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade"}

// checkAccess looks at who may use the route, from where, and what is added to what they ask.
func (r *Route) checkAccess(fail fail) {
	checkPeers(r.at+".allow_addresses", r.AllowAddresses, fail)
	checkPeers(r.at+".deny_addresses", r.DenyAddresses, fail)
	if r.Cors != nil {
		r.Cors.check(r.at+".cors", fail)
		for name := range r.Headers {
			if strings.HasPrefix(textproto.CanonicalMIMEHeaderKey(name), "Access-Control-") {
				fail(r.at+".headers."+name, "is for cors to say: remove it")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.RequestHeaders)) {
		at, value := r.at+".request_headers."+name, r.RequestHeaders[name]
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case protocol.CheckHeaders([]string{name, value}) != nil:
			fail(at, "%q: %q is no header", name, value)
		case slices.Contains(asked, canonical), strings.HasPrefix(canonical, "Sec-Websocket-"):
			fail(at, "is not a route's to set: remove it")
		}
	}
	if len(r.RequestHeaders) > 0 && r.Pool == "" {
		fail(r.at+".request_headers", "have no effect without a pool: remove them")
	}
}

// guarded says whether the route is not for all.
func (r *Route) guarded() bool {
	return r.Auth != nil || r.AllowAddresses != nil || r.DenyAddresses != nil
}
