package listen

import (
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

func TestErrorsHaveTheSitesOwnPages(t *testing.T) {
	pool := &fake{traits: protocol.Traits{Pool: "app"}, work: func(c *call) {
		switch c.request.Target {
		case "/dies":
			c.fail(protocol.FailedDied)
		case "/500":
			c.whole(500, "a trace", "Content-Type", "text/plain", "Etag", `"x"`, "Set-Cookie", "a=b")
		case "/502":
			c.whole(502, "the worker's own", "Content-Encoding", "x-own")
		default:
			c.whole(404, "not found, says the worker")
		}
	}}
	page := func(text string) *web.ErrorPage { return &web.ErrorPage{Type: "text/html", Body: []byte(text)} }
	pages := &web.ErrorPages{Pages: map[int]*web.ErrorPage{5: page("<p>five"), 502: page("<p>bad gateway")}}
	over := &web.ErrorPages{Pages: map[int]*web.ErrorPage{404: page("<p>lost")}, Intercept: true}
	route404 := site{Rule: route.Rule{Paths: []string{"/gone"}}, Route: web.Route{Name: "gone", Status: 404},
		change: func(t *web.Terms) { t.ErrorPages = over }}
	taken := site{Rule: route.Rule{Paths: []string{"/taken/*"}}, Route: web.Route{Name: "taken"},
		change: func(t *web.Terms) {
			t.ErrorPages = &web.ErrorPages{Pages: map[int]*web.ErrorPage{4: page("<p>four"), 5: page("<p>five")},
				Intercept: true}
			t.Route.Strip = "/taken"
		}}
	everyWay(t, func(o *Options) {
		o.Terms.Terms.Backend, o.Terms.Terms.ErrorPages = pool, pages
		routed(t, &o.Terms.Terms, route404, taken)
	}, func(t *testing.T, h *house) {
		for _, test := range []struct {
			target, accept, want, kind string
			status                     int
		}{
			{"/dies", "", "<p>bad gateway", "text/html", 502},
			{"/dies", "application/json", `"status":502,"detail":"The application failed to answer."`,
				"application/problem+json", 502},
			{"/dies", "text/html, application/json", "<p>bad gateway", "text/html", 502},
			{"/500", "", "a trace", "text/plain", 500},
			{"/502", "", "the worker's own", "", 502},
			{"/x", "", "not found, says the worker", "", 404},
			{"/gone", "", "<p>lost", "text/html", 404},
			{"/gone", "application/problem+json", `"title":"Not Found"`, "application/problem+json", 404},
			{"/taken/500", "", "<p>five", "text/html", 500},
			{"/taken/502", "", "<p>five", "text/html", 502},
			{"/taken/502", "application/json", "the worker's own", "", 502},
			{"/taken/x", "", "<p>four", "text/html", 404},
		} {
			status, body, header := h.to("a.test", "GET", test.target, "Accept", test.accept)
			if status != test.status || !strings.Contains(body, test.want) || header.Get("Content-Type") != test.kind {
				t.Errorf("%s for %q: %d %s %s", test.target, test.accept, status, header, body)
			}
			if test.target == "/taken/500" && (header.Get("Etag") != "" || header.Get("Set-Cookie") != "a=b") {
				t.Errorf("what a page is in the place of: %s", header)
			}
		}
		if status, body, header := h.to("a.test", "HEAD", "/taken/500"); status != 500 || body != "" ||
			header.Get("Content-Length") != "7" {
			t.Errorf("HEAD: %d %s %s", status, header, body)
		}
		for range 3 { // on one connection
			if status, body, _ := h.to("a.test", "POST", "/taken/500"); status != 500 || body != "<p>five" {
				t.Errorf("%d %s", status, body)
			}
		}
	})
}
