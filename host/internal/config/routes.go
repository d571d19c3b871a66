// routes.go: which requests of the HTTP listeners go where, by host, path and method.

package config

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/protocol"
)

// Words are texts; in the file one text stands for a list of it.
type Words []string

// Route says who answers part of the requests. Where neither Pool nor Pusher nor Redirect nor Respond is given, only
// files are served, and 404.
type Route struct {
	Name     string            `key:"name" absent:"made of method, host and path" means:"what status, metrics and the access log call it"`
	Listen   Words             `key:"listen" holds:"address or array" absent:"all that speak http" means:"address of the [[listen]] that it is for; there it comes before those for all listeners"`
	Host     Words             `key:"host" holds:"name or array" absent:"any" means:"host names, such as \"example.org\", or \"*.example.org\" for all that end so; ports do not count"`
	Path     Words             `key:"path" holds:"path or array" absent:"any" means:"paths of URLs, such as \"/login\", or \"/api/*\" for /api and all below it"`
	Method   Words             `key:"method" holds:"method or array" absent:"any" means:"methods, such as \"POST\"; \"GET\" is HEAD, too"`
	Pool     string            `key:"pool" absent:"none" means:"pool that answers"`
	Pusher   string            `key:"pusher" absent:"none" means:"in place of pool and public, the app of [pusher.NAME] that answers, which speaks Pusher's protocol; its paths are /app/* and /apps/*; host help pusher"`
	Public   string            `key:"public" holds:"path" absent:"with pool, [http] public" means:"folder of static files, served before the pool is asked; without a pool all else is 404"`
	Fallback string            `key:"fallback" holds:"path" absent:"off" means:"with public and no pool, the file in it, such as \"index.html\", that answers GET for paths without an extension that are no file"`
	Redirect string            `key:"redirect" absent:"off" means:"in place of pool and public, where clients are sent: {host} is the host's name without its port, {target} the path with its query, as strip leaves it"`
	Status   int               `key:"status" default:"308" min:"301" max:"308" means:"status of redirect: 301, 302, 303, 307 or 308"`
	Respond  int               `key:"respond" absent:"off" min:"200" max:"599" means:"in place of pool, public and redirect, the status that is the answer: 200, 204, or from 400 on"`
	Strip    string            `key:"strip" absent:"off" means:"beginning of the path, such as \"/api\", that pool, public and redirect don't see; workers find it in X-Forwarded-Prefix"`
	Headers  map[string]string `key:"headers" absent:"{}" means:"headers of all answers, in place of those of the same name that a worker gives"`

	MaxBody        *Size             `key:"max_body" min:"0" absent:"[http] max_body" means:"largest request body; beyond it 413"`
	RequestTimeout *time.Duration    `key:"request_timeout" min:"0" absent:"the pool's" means:"as request_timeout of the pool, in its place; 0 is for ever"`
	RateLimit      *RateLimit        `key:"rate_limit" absent:"[http] rate_limit"`
	Auth           *Auth             `key:"auth" absent:"off"`
	AllowAddresses Words             `key:"allow_addresses" holds:"network or array" absent:"all" means:"networks, such as \"10.0.0.0/8\", addresses, or \"unix\" for whoever uses a unix socket, that may use the route; all others get 403"`
	DenyAddresses  Words             `key:"deny_addresses" holds:"network or array" absent:"none" means:"those that may not, of the ones that may"`
	Cors           *Cors             `key:"cors" absent:"off"`
	RequestHeaders map[string]string `key:"request_headers" absent:"{}" means:"headers of requests, as workers see them, in place of those of the same name that a client gives; \"\" takes one away"`
	Compression    *Compression      `key:"compression" holds:"true, false or table" absent:"[http] compression" means:"as compression of [http], in its place; of a table what is left out is the default's"`
	ErrorPages     ErrorPages        `key:"error_pages" holds:"table of files" absent:"{}" means:"as error_pages of [http], which count for the statuses that are left out"`
	Intercept      *bool             `key:"intercept_errors" absent:"[http] intercept_errors" means:"as intercept_errors of [http], in its place"`
	Cache          *Cache            `key:"cache" holds:"true, false or table" absent:"false" means:"store answers that say so, and answer with them in the pool's place; host help cache"`
	AccessLog      string            `key:"access_log" holds:"\"off\", \"text\", \"json\" or path" absent:"[http] access_log" means:"as access_log of [http], in its place"`

	at string // where the file has it
}

// Targets says what the route leads to, in words: "pool web", "301 to https://{host}{target}".
func (r *Route) Targets() string {
	switch {
	case r.Redirect != "":
		return fmt.Sprintf("%d to %s", r.Status, r.Redirect)
	case r.Respond != 0:
		return fmt.Sprintf("%d %s", r.Respond, http.StatusText(r.Respond))
	case r.Pool != "" && r.Public != "":
		return "files in " + r.Public + ", pool " + r.Pool
	case r.Pool != "":
		return "pool " + r.Pool
	case r.Pusher != "":
		return "Pusher's protocol, app " + r.Pusher
	}
	return "files in " + r.Public
}

// Place is where the file has the route, and its line there.
func (c *Config) Place(r *Route) (key string, line int) { return r.at, lineOf(c.lines, r.at) }

// RoutesOf are the routes of a listener, and their table; none has no table. The error is a [route.Clash], which Apply
// does not let pass.
func (c *Config) RoutesOf(l *Listen) (routes []*Route, table *route.Table, err error) {
	if l.Protocol != "http" {
		return nil, nil, nil
	}
	var rules []route.Rule
	for _, r := range c.Routes {
		if len(r.Listen) == 0 || slices.Contains(r.Listen, l.Address) {
			routes = append(routes, r)
			rules = append(rules,
				route.Rule{First: len(r.Listen) > 0, Hosts: r.Host, Paths: r.Path, Methods: r.Method})
		}
	}
	if len(rules) > 0 {
		table, err = route.Compile(rules)
	}
	return routes, table, err
}

// check looks at a route by itself.
func (r *Route) check(c *Config, fail fail) {
	for _, list := range []struct {
		key  string
		list Words
	}{{"listen", r.Listen}, {"host", r.Host}, {"path", r.Path}, {"method", r.Method}} {
		if at := r.at + "." + list.key; c.has(at) && len(list.list) == 0 {
			fail(at, "expected one at least, found []: leave it out if the route is for any")
		}
	}
	for i, name := range r.Host {
		lower := strings.ToLower(strings.TrimSuffix(name, "."))
		suffix := strings.TrimPrefix(lower, "*.")
		if suffix == "" || strings.ContainsAny(suffix, "*/ ,@") || route.Name(suffix) != suffix {
			fail(r.item("host", i), "expected a name without a port, such as \"example.org\" or "+
				"\"*.example.org\", found %s", describe(name))
		} else {
			r.Host[i] = lower
		}
	}
	for i, path := range r.Path {
		r.checkPath(r.item("path", i), path, fail)
	}
	for i, method := range r.Method {
		if method == "" || strings.ToUpper(method) != method || strings.ContainsAny(method, " ,/") {
			fail(r.item("method", i), "expected a method in capitals, such as \"POST\", found %s", describe(method))
		}
	}
	r.checkAnswer(c, fail)
	if c.folder(&r.Public, r.at+".public", fail) && r.Fallback != "" && r.Public != "" {
		r.checkFallback(fail)
	}
	r.checkStrip(fail)
	r.checkHeaders(fail)
	if r.RateLimit != nil {
		if r.RateLimit.Burst > 0 && r.RateLimit.Requests == 0 {
			fail(r.at+".rate_limit.burst", "has no effect without requests: write requests = %d", r.RateLimit.Burst)
		}
		if r.RateLimit.Burst == 0 {
			r.RateLimit.Burst = 2 * r.RateLimit.Requests
		}
	}
	if c.has(r.at + ".access_log") {
		c.checkAccessLog(&r.AccessLog, r.at+".access_log", fail)
	}
	if r.Auth != nil {
		r.Auth.check(c, r.at+".auth", fail)
	}
	r.checkAccess(fail)
	r.ErrorPages.check(c, r.at+".error_pages", fail)
	r.checkName(c, fail)
}

// item is where the file has one of a list.
func (r *Route) item(key string, i int) string { return fmt.Sprintf("%s.%s.%d", r.at, key, i) }

// checkPath refuses what no request's path can be, after it was brought to its canonical form.
func (r *Route) checkPath(at, path string, fail fail) {
	plain := strings.TrimSuffix(path, "*")
	folder := plain == path || strings.HasSuffix(plain, "/")
	canonical, ok := protocol.CanonicalPath(plain)
	switch {
	case !ok || !folder || strings.ContainsAny(plain, "*?#") || strings.ContainsFunc(plain, func(r rune) bool {
		return r <= ' ' || r > '~'
	}):
		fail(at, `expected a path as it is in a URL, such as "/login", or "/api/*" for /api and all below it, `+
			`found %s`, describe(path))
	case canonical != plain:
		fail(at, "%s is matched by no request, since paths are brought to one spelling first: write "+
			"%q", describe(path),
			canonical+path[len(plain):])
	}
}

// checkAnswer looks at what the route leads to.
func (r *Route) checkAnswer(c *Config, fail fail) {
	var given []string
	for _, one := range []struct {
		key string
		is  bool
	}{{"pool", r.Pool != ""}, {"pusher", r.Pusher != ""}, {"redirect", r.Redirect != ""},
		{"respond", r.Respond != 0}} {
		if one.is {
			given = append(given, one.key)
		}
	}
	switch {
	case len(given) > 1:
		fail(r.at+"."+given[1], "%s is given as well: keep one of them", given[0])
	case len(given) == 0 && r.Public == "":
		fail(r.at, `it leads nowhere: write pool = "NAME", public = "FOLDER", redirect = "https://…" or respond = 404`)
	case r.Public != "" && (r.Pusher != "" || r.Redirect != "" || r.Respond != 0):
		fail(r.at+".public", "has no effect beside %s: remove one of them", given[0])
	case r.Fallback != "" && (r.Pool != "" || r.Public == ""):
		fail(r.at+".fallback", "goes with public, and without a pool, which would never be asked: remove it")
	case r.Fallback != "" && (!filepath.IsLocal(r.Fallback) || strings.Contains(r.Fallback, "..")):
		fail(r.at+".fallback", "expected the name of a file in public, such as \"index.html\", found %s",
			describe(r.Fallback))
	case r.Caches() && r.Pool == "":
		fail(r.at+".cache", "has no effect without a pool: remove it")
	case r.RequestTimeout != nil && r.Pool == "":
		fail(r.at+".request_timeout", "has no effect without a pool: remove it")
	case r.Respond > 204 && r.Respond < 400 || r.Respond > 200 && r.Respond < 204:
		fail(r.at+".respond", "expected 200, 204, or a status from 400 on, found %d", r.Respond)
	}
	if r.Redirect == "" && c.has(r.at+".status") {
		fail(r.at+".status", "goes with redirect: write respond = %d to answer with a status alone", r.Status)
	}
	if r.Redirect != "" {
		r.checkRedirect(fail)
	}
}

// checkFallback looks for the file.
func (r *Route) checkFallback(fail fail) {
	path := filepath.Join(r.Public, r.Fallback)
	switch info, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		fail(r.at+".fallback", "%s", missing("file ", path, "create it, or mend the name"))
	case err != nil:
		fail(r.at+".fallback", "can't be looked at: %v", err)
	case !info.Mode().IsRegular():
		fail(r.at+".fallback", "%s is no file: name one", path)
	}
}

func (r *Route) checkRedirect(fail fail) {
	rest := strings.NewReplacer("{host}", "", "{target}", "").Replace(r.Redirect)
	switch to := r.Redirect; {
	case !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "https://") && !strings.HasPrefix(to, "http://"),
		strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r > '~' }):
		fail(r.at+".redirect", "expected an address such as \"https://{host}{target}\" or \"/new{target}\", found %s",
			describe(to))
	case strings.ContainsAny(rest, "{}"):
		fail(r.at+".redirect", "there is {host} and {target}, and nothing else in braces: found %s", describe(to))
	case strings.HasPrefix(to, "//"), strings.HasPrefix(to, `/\`):
		fail(r.at+".redirect", "%s is another host for browsers: write https:// before its name, or one slash",
			describe(to))
	case strings.Contains(to, "/{target}"):
		fail(r.at+".redirect", "%s may lead to whatever host a client writes, since a target begins with a slash: "+
			"write it without the slash before it", describe(to))
	}
	if !slices.Contains([]int{301, 302, 303, 307, 308}, r.Status) {
		fail(r.at+".status", "expected 301, 302, 303, 307 or 308, found %d", r.Status)
	}
}

func (r *Route) checkStrip(fail fail) {
	if r.Strip == "" {
		return
	}
	r.Strip = strings.TrimSuffix(r.Strip, "/")
	canonical, ok := protocol.CanonicalPath(r.Strip)
	if !ok || canonical != r.Strip || strings.ContainsAny(r.Strip, "*%?#") {
		fail(r.at+".strip", "expected the beginning of a path, such as \"/api\", found %s", describe(r.Strip))
		return
	}
	for _, path := range append(r.Path[:len(r.Path):len(r.Path)], "")[:max(1, len(r.Path))] {
		if path != r.Strip && !strings.HasPrefix(path, r.Strip+"/") {
			fail(r.at+".strip", "there are paths of the route that do not begin so: write path = %q", r.Strip+"/*")
			return
		}
	}
}

// own are headers that say where an answer ends, or that a worker sets for one client.
var own = []string{"Connection", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Date",
	"Keep-Alive", "Proxy-Connection", "Set-Cookie", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func (r *Route) checkHeaders(fail fail) {
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		at := r.at + ".headers." + name
		value, canonical := r.Headers[name], textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case protocol.CheckHeaders([]string{name, value}) != nil:
			fail(at, "%q: %q is no header", name, value)
		case slices.Contains(own, canonical), strings.HasPrefix(canonical, "Sec-Websocket-"):
			fail(at, "is not a route's to set: remove it")
		case canonical == "Location" && r.Redirect != "":
			fail(at, "has no effect beside redirect, which is the Location: remove it")
		case canonical == "Www-Authenticate" && r.Auth != nil:
			fail(at, "has no effect beside auth, which asks for its own realm: remove it")
		}
	}
}

// checkName finds a name if there is none. Names stand in labels of metrics.
func (r *Route) checkName(c *Config, fail fail) {
	given := r.Name
	if given == "" {
		host, path, method := first(r.Host), first(r.Path), first(r.Method)
		if path == "" {
			path = "/*"
		}
		r.Name = strings.TrimSpace(method + " " + host + path)
		if len(r.Listen) > 0 {
			r.Name += " at " + r.Listen[0]
		}
	}
	if len(r.Name) > 100 || strings.ContainsFunc(r.Name, func(r rune) bool { return r < ' ' || r > '~' || r == '"' }) {
		fail(r.at+".name", "expected at most 100 characters of ASCII without quotes, found %s: write name = \"NAME\"",
			describe(r.Name))
	}
	for _, other := range c.Routes {
		if other == r {
			return
		}
		if other.Name == r.Name && (given != "" || c.has(other.at+".name")) {
			fail(r.at+".name", "the route in line %d has this name, too: write another one", lineOf(c.lines, other.at))
		}
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// linkRoutes ties the routes to listeners and pools.
func (c *Config) linkRoutes(names []string, fail fail) {
	if len(c.Routes) > mostRoutes {
		fail("route", "expected at most %d routes, found %d", mostRoutes, len(c.Routes))
		return
	}
	for _, r := range c.Routes {
		if p := c.Pool(r.Pool); r.Pool != "" && p == nil {
			hint := "the pools are " + listed(names)
			if name := Nearest(r.Pool, names); name != "" {
				hint = fmt.Sprintf("did you mean %q?", name)
			}
			fail(r.at+".pool", "there is no pool %q: %s", r.Pool, hint)
		} else if p != nil && p.serves() && r.Strip != "" {
			fail(r.at+".strip", "its pool runs the scripts of a folder, which would not know their own addresses: "+
				"remove it, and let the folder in root be called so")
		}
		for i, address := range r.Listen {
			l := c.listener(address)
			if l != nil && l.Protocol != "http" {
				fail(r.item("listen", i), "%s speaks %s, and routes are for http", address, l.Protocol)
			} else if l == nil && !c.replaced {
				fail(r.item("listen", i), "there is no [[listen]] with this address, as it is written there: found %s",
					describe(address))
			}
		}
	}
	for i := range c.Listen {
		routes, _, err := c.RoutesOf(&c.Listen[i])
		if clash, ok := err.(*route.Clash); ok {
			fail(routes[clash.Other].at, "the route in line %d takes %s already: remove one of them, or let them "+
				"differ "+
				"in host, path or method", lineOf(c.lines, routes[clash.One].at), clash.What)
		}
		c.warnOfOpenNames(&c.Listen[i])
	}
}

// mostRoutes bounds the labels of the metrics.
const mostRoutes = 1000

func (c *Config) listener(address string) *Listen {
	for i := range c.Listen {
		if c.Listen[i].Address == address {
			return &c.Listen[i]
		}
	}
	return nil
}
