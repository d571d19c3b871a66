// The routes of host check: the table of each listener, and which of them takes a request, and why.

package cli

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/protocol"
)

// checkRoutes shows the table of a listener, if it has one.
func checkRoutes(t *Terminal, c *config.Config, l *config.Listen) {
	routes, all, err := c.RoutesOf(l)
	if all == nil || err != nil {
		return
	}
	fmt.Fprintf(t.Out, "\n%s\n", t.Bold("routes of "+l.Address+", the first that fits takes a request"))
	rows := table{indent: "  "}
	for _, e := range all.Order() {
		r := routes[e.Rule]
		to := "→ " + r.Targets()
		if r.Compression != nil {
			to += ", compression " + r.Compression.String()
		}
		if r.Caches() {
			to += ", cache of " + r.Cache.String()
		}
		rows.add(append(plain(taken(&e)...), cell{text: to}, cell{named(c, r), t.Faint})...)
	}
	rest := leadsTo(l.Pool)
	if l.Pool == "" {
		rest = "404"
	}
	if l.Strict {
		rest += ", 421 for other hosts"
	}
	rows.add(plain("all else", "", "", rest)...)
	rows.write(t.Out)
}

// taken is what an entry takes: methods, host and path.
func taken(e *route.Entry) []string {
	host, path, methods := e.Host, e.Path, strings.Join(e.Methods, ",")
	if host == "" {
		host = "any host"
	}
	if path == "" {
		path = "/*"
	}
	if methods == "" {
		methods = "any method"
	}
	return []string{host, path, methods}
}

// named is a route's name and its line in the file.
func named(c *config.Config, r *config.Route) string {
	_, line := c.Place(r)
	return fmt.Sprintf("line %d, %s", line, r.Name)
}

// explained is what --json says of a request.
type explained struct {
	Listener string   `json:"listener"`
	Path     string   `json:"path"`            // in its canonical form
	Route    string   `json:"route,omitempty"` // its name; none takes the request if it is left out
	Line     int      `json:"line,omitempty"`
	To       string   `json:"to"`
	Auth     string   `json:"auth,omitempty"` // the file of those who may, if a password is asked for
	From     string   `json:"from,omitempty"` // the addresses that may come, if not all may
	Cors     []string `json:"cors,omitempty"` // the origins whose pages may use it, if it says so
	Passed   []string `json:"passed"`         // those that are more exact, and why they don't take it
}

// explainRoute says which route takes a request.
func explainRoute(t *Terminal, c *config.Config, text string, asJSON bool) error {
	method, target, ok := strings.Cut(text, " ")
	if !ok {
		method, target = "GET", text
	}
	u, err := url.Parse(strings.TrimSpace(target))
	if err != nil || u.Host == "" && !strings.HasPrefix(target, "/") || u.Host != "" && u.Scheme != "http" &&
		u.Scheme != "https" {
		return Misused("--route: expected a request such as 'GET https://example.org/x', found %q", text)
	}
	asked := u.EscapedPath()
	if asked == "" {
		asked = "/"
	}
	path, ok := protocol.CanonicalPath(asked)
	if !ok {
		return Misused("--route: the path %s has no canonical form: with routes it is answered 400", asked)
	}
	found := 0
	for i := range c.Listen {
		l := &c.Listen[i]
		if l.Protocol != "http" || !speaks(l, u) {
			continue
		}
		found++
		e := explain(c, l, u.Host, path, strings.ToUpper(method))
		if asJSON {
			if err := encode(t.Out, e); err != nil {
				return err
			}
			continue
		}
		e.write(t)
	}
	if found == 0 {
		return Misused("--route: no [[listen]] takes %s: %s", u.Scheme+"://"+u.Host, "name its port, or none")
	}
	return nil
}

// speaks says whether a URL may be one of the listener's: by its port, if it has one that is known.
func speaks(l *config.Listen, u *url.URL) bool {
	_, port, err := net.SplitHostPort(l.Address)
	return u.Port() == "" || l.Passed() || err == nil && u.Port() == port
}

func explain(c *config.Config, l *config.Listen, host, path, method string) explained {
	e := explained{Listener: l.Address, Path: path, To: "pool " + l.Pool, Passed: []string{}}
	routes, all, _ := c.RoutesOf(l)
	if all == nil {
		return e
	}
	taker, passed := all.Explain(host, path, method)
	for _, p := range passed {
		r := routes[p.Rule]
		e.Passed = append(e.Passed, fmt.Sprintf("%s (%s): %s", strings.Join(taken(&p.Entry), " "), named(c, r), p.Why))
	}
	switch {
	case taker != nil:
		r := routes[taker.Rule]
		_, e.Line = c.Place(r)
		e.Route, e.To = r.Name, r.Targets()
		if r.Auth != nil {
			e.Auth = r.Auth.Users
		}
		if r.Cors != nil {
			e.Cors = r.Cors.Origins
		}
		if r.AllowAddresses != nil || r.DenyAddresses != nil {
			e.From = cmp.Or(strings.Join(r.AllowAddresses, ", "), "all")
			if len(r.DenyAddresses) > 0 {
				e.From += ", but not " + strings.Join(r.DenyAddresses, ", ")
			}
		}
	case l.Strict && !all.Knows(host):
		e.To = "421, since no route names the host"
	case l.Pool == "":
		e.To = "404"
	}
	return e
}

func (e *explained) write(t *Terminal) {
	fmt.Fprintf(t.Out, "%s\n", t.Bold("at "+e.Listener))
	rows := table{indent: "  "}
	for _, p := range e.Passed {
		rows.add(cell{"passed", t.Faint}, cell{p, t.Faint})
	}
	if e.Route != "" {
		rows.add(plain("taken by", fmt.Sprintf("%s, line %d, with the path %s", e.Route, e.Line, e.Path))...)
	} else {
		rows.add(plain("taken by", "none of the routes")...)
	}
	if e.Auth != "" {
		rows.add(plain("auth", "for those in "+e.Auth+" alone, with their passwords; else 401")...)
	}
	if e.From != "" {
		rows.add(plain("from", e.From+"; else 403")...)
	}
	if len(e.Cors) > 0 {
		rows.add(plain("cors", "for pages of "+strings.Join(e.Cors, ", "))...)
	}
	rows.add(plain("answer", e.To)...)
	rows.write(t.Out)
}
