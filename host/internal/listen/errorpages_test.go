package listen

import (
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

func TestMaintenanceAnswersBeforeAnyWorker(t *testing.T) {
	pool := &fake{traits: protocol.Traits{Pool: "app", RetryAfter: 7 * time.Second}, work: func(c *call) {
		c.whole(200, "worked")
	}}
	page := &web.ErrorPage{Type: "text/html", Body: []byte("<p>the site's own")}
	all := site{Route: web.Route{Name: "all", Cors: &web.Cors{Origins: []string{"*"}}}, change: func(t *web.Terms) {
		t.Backend, t.ErrorPages = pool, &web.ErrorPages{Pages: map[int]*web.ErrorPage{503: page}}
	}}
	everyWay(t, func(o *Options) {
		routed(t, &o.Terms.Terms, all)
		o.Shut = func(route, target, remote string) (string, time.Duration, bool) {
			switch target {
			case "/open":
				return "", 0, false
			case "/words":
				return "Back at nine.", 90 * time.Second, true
			}
			return "", 0, route == "all"
		}
	}, func(t *testing.T, h *house) {
		for _, test := range []struct {
			target, accept, want, again string
			status                      int
		}{
			{"/open", "", "worked", "", 200}, {"/x", "", "<p>the site's own", "7", 503},
			{"/words", "", "503 Service Unavailable\nBack at nine.\n", "90", 503},
			{"/x", "application/json", `"detail":"Somebody is working on this site.`, "7", 503},
		} {
			for _, method := range []string{"GET", "POST"} {
				status, body, header := h.to("a.test", method, test.target, "Accept", test.accept, "Origin",
					"https://b.test")
				if status != test.status || !strings.Contains(body, test.want) ||
					header.Get("Retry-After") != test.again ||
					header.Get("Access-Control-Allow-Origin") == "" {
					t.Errorf("%s %s: %d %s %s", method, test.target, status, header, body)
				}
			}
		}
		if got := h.Refused()["maintenance"]; got != 6 {
			t.Errorf("%d are counted", got)
		}
	})
}

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
