// Pages of a site's own for errors, and errors for programs (RFC 9457).

package web

import (
	"encoding/json"
	"net/http"
	"strings"
)

// ErrorPages are what clients see in place of the host's own words, and maybe of a worker's. They never change.
type ErrorPages struct {
	Pages     map[int]*ErrorPage // by status, or its first digit for all that begin so
	Intercept bool               // whether they stand in for what workers answer, too
}

// ErrorPage is a page.
type ErrorPage struct {
	Type string // of its content
	Body []byte
}

// of is the page for a status; nil if there is none.
func (p *ErrorPages) of(status int) *ErrorPage {
	if p == nil {
		return nil
	}
	if page := p.Pages[status]; page != nil {
		return page
	}
	return p.Pages[status/100]
}

// wantsProblem says whether the client is a program that reads JSON.
func (v *visit) wantsProblem() bool {
	accept := v.value("Accept")
	return (strings.Contains(accept, "application/json") || strings.Contains(accept, "application/problem+json")) &&
		!strings.Contains(accept, "text/html")
}

// problem is an error in JSON. detail is for developers.
func problem(with verdict, detail string) string {
	b, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
		Debug  string `json:"debug,omitempty"`
	}{"about:blank", http.StatusText(with.status), with.status, with.text, detail})
	if err != nil {
		panic(err) // of texts alone
	}
	return string(b) + "\n"
}

// intercept answers in the place of a worker with a page, if there is one for its status, and says whether it has.
// What the worker says beside its body stays.
func (x *exchange) intercept(v *visit) bool {
	m := &x.response
	pages := x.terms.ErrorPages
	if m.Status < 400 || pages == nil || !pages.Intercept || v.wantsProblem() || pages.of(m.Status) == nil {
		return false
	}
	h := v.w.Header()
	x.copyHeaders(h, m.Headers)
	for name := range h {
		if strings.HasPrefix(name, "Content-") || validates(name) || name == "Trailer" {
			delete(h, name)
		}
	}
	v.answer(verdict{status: m.Status}, "")
	return true
}
