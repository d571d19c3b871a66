// Pages of other origins (the Fetch standard's CORS protocol).

package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
)

// Cors says which pages of other origins may use a route, and how. Methods and Headers that are empty stand for
// whatever a page asks for.
type Cors struct {
	Origins     []string // as [guard.CheckOrigin] has them
	Methods     []string
	Headers     []string // that a page may send
	Expose      []string // of the answer, that a page may read
	Credentials bool     // with cookies and passwords
	MaxAge      time.Duration
}

const (
	allowOrigin = "Access-Control-Allow-Origin"
	asksMethod  = "Access-Control-Request-Method"
	asksHeaders = "Access-Control-Request-Headers"
)

// crossOrigin puts what the route says of other origins' pages into the answer's header. It says true if the request
// was a preflight, which it has answered: no worker hears of those, and no password is asked for.
func (v *visit) crossOrigin() bool {
	c := v.terms.Route.Cors
	if c == nil {
		return false
	}
	h := v.w.Header()
	origin, n := v.first("Origin")
	method, asks := v.first(asksMethod)
	preflight := v.r.Method == http.MethodOptions && n > 0 && asks > 0
	if preflight {
		h["Vary"] = append(h["Vary"], "Origin, "+asksMethod+", "+asksHeaders)
	} else {
		h["Vary"] = append(h["Vary"], "Origin") // an answer without Origin must not be kept for those with one
	}
	if n == 0 {
		return false
	}
	v.header()
	if guard.OriginProblem(v.r, c.Origins) != "" {
		if preflight {
			v.turnedAway(RefusedOrigin)
			v.reply(verdict{status: http.StatusForbidden, text: "Pages of this origin may not use this."})
		}
		return preflight
	}
	h[allowOrigin] = []string{origin}
	if c.Credentials {
		h["Access-Control-Allow-Credentials"] = []string{"true"}
	}
	if !preflight {
		if len(c.Expose) > 0 {
			h["Access-Control-Expose-Headers"] = []string{strings.Join(c.Expose, ", ")}
		}
		return false
	}
	methods, headers := strings.Join(c.Methods, ", "), strings.Join(c.Headers, ", ")
	if methods == "" {
		methods = method
	}
	if headers == "" {
		headers = strings.Join(v.appendValues(nil, asksHeaders), ", ")
	}
	h["Access-Control-Allow-Methods"] = []string{methods}
	if headers != "" {
		h["Access-Control-Allow-Headers"] = []string{headers}
	}
	if c.MaxAge > 0 {
		h["Access-Control-Max-Age"] = []string{strconv.Itoa(int(c.MaxAge / time.Second))}
	}
	v.reply(verdict{status: http.StatusNoContent})
	return true
}

// ofCors says whether a header, by its canonical name, is for the route's Cors to set.
func ofCors(name string) bool {
	return strings.HasPrefix(name, "Access-Control-") && !strings.HasPrefix(name, "Access-Control-Request-")
}
