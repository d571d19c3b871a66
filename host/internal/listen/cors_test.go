package listen

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

func TestPagesOfOtherOriginsMayDoWhatTheRouteSays(t *testing.T) {
	pool := &fake{traits: protocol.Traits{Pool: "api"}, work: func(c *call) {
		c.whole(200, "worked", "Vary", "Accept", "Access-Control-Allow-Origin", "*", "X-Total", "7")
	}}
	open := site{Rule: route.Rule{Paths: []string{"/open/*"}}, Route: web.Route{Name: "open",
		Cors: &web.Cors{Origins: []string{"https://*.page.test"}, Expose: []string{"X-Total"}, Credentials: true,
			MaxAge: time.Minute},
		Auth: &web.Auth{Users: guard.NewPasswords(map[string]string{"ada": openSesame}), Realm: "Staff"}}}.to(pool)
	narrow := site{Rule: route.Rule{Paths: []string{"/narrow"}}, Route: web.Route{Name: "narrow",
		Cors: &web.Cors{Origins: []string{"*"}, Methods: []string{"GET", "PUT"},
			Headers: []string{"X-Token"}}}}.to(pool)
	everyWay(t, func(o *Options) { routed(t, &o.Terms.Terms, open, narrow) }, func(t *testing.T, h *house) {
		ask := func(method, target, origin string, more ...string) (int, string, string) {
			status, _, header := h.to("a.test", method, target, append([]string{"Origin", origin}, more...)...)
			var said []string
			for _, name := range []string{"Allow-Origin", "Allow-Credentials", "Allow-Methods", "Allow-Headers",
				"Expose-Headers", "Max-Age"} {
				if value := header.Get("Access-Control-" + name); value != "" {
					said = append(said, name+": "+value)
				}
			}
			return status, strings.Join(said, "; "), strings.Join(header.Values("Vary"), ", ")
		}
		wants := []string{"Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "x-a, x-b"}
		const varies = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
		for _, test := range []struct {
			method, target, origin string
			more                   []string
			status                 int
			said, vary             string
		}{
			{"OPTIONS", "/open/x", "https://a.page.test", wants, 204, "Allow-Origin: https://a.page.test; " +
				"Allow-Credentials: true; Allow-Methods: DELETE; Allow-Headers: x-a, x-b; Max-Age: 60", varies},
			{"OPTIONS", "/open/x", "https://page.test", wants, 403, "", varies},
			{"OPTIONS", "/narrow", "null", wants, 204,
				"Allow-Origin: null; Allow-Methods: GET, PUT; Allow-Headers: X-Token", varies},
			{"OPTIONS", "/narrow", "https://b.test", nil, 200, "Allow-Origin: https://b.test", "Origin, Accept"},
			{"GET", "/narrow", "https://b.test", nil, 200, "Allow-Origin: https://b.test", "Origin, Accept"},
			{"GET", "/open/x", "https://a.page.test", nil, 401, // the page can tell
				"Allow-Origin: https://a.page.test; Allow-Credentials: true; Expose-Headers: X-Total", "Origin"},
			{"GET", "/open/x", "https://a.page.test", []string{"Authorization", basic("ada", "open sesame")}, 200,
				"Allow-Origin: https://a.page.test; Allow-Credentials: true; Expose-Headers: X-Total",
				"Origin, Accept"},
			{"GET", "/open/x", "https://b.test", []string{"Authorization", basic("ada", "open sesame")}, 200, "",
				"Origin, Accept"}, // whatever the worker says
		} {
			status, said, vary := ask(test.method, test.target, test.origin, test.more...)
			if status != test.status || said != test.said || vary != test.vary {
				t.Errorf("%s %s of %s: %d, %q, %q", test.method, test.target, test.origin, status, said, vary)
			}
		}
	})
}

func TestARouteIsForTheAddressesThatItNames(t *testing.T) {
	here := &guard.Peers{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("::1/128")}, Unix: true}
	there := &guard.Peers{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	shut := site{Rule: route.Rule{Paths: []string{"/admin/*"}},
		Route: web.Route{Name: "shut", Addresses: &guard.Addresses{Allow: there}}}
	kept := site{Rule: route.Rule{Paths: []string{"/kept"}},
		Route: web.Route{Name: "kept", Addresses: &guard.Addresses{Deny: here}}}
	open := site{Rule: route.Rule{Paths: []string{"/open"}},
		Route: web.Route{Name: "open", Addresses: &guard.Addresses{Allow: here, Deny: there}}}
	everyWay(t, func(o *Options) { routed(t, &o.Terms.Terms, shut, kept, open) }, func(t *testing.T, h *house) {
		targets := []string{"/admin", "/%61dmin/x", "//admin", "/x/../admin", "/admin%2f..", "/x%2f..%2fadmin",
			"/x/index.php//admin/y", "/kept"}
		for _, target := range targets {
			for _, method := range []string{"GET", "POST"} {
				status, body, _ := h.to("a.test", method, target)
				if status != 403 || strings.Contains(body, "origin") {
					t.Errorf("%s %s: %d %s", method, target, status, body)
				}
			}
		}
		if got := h.Refused()["address"]; got != uint64(2*len(targets)) {
			t.Errorf("%d were counted as refused by their address", got)
		}
		for _, target := range []string{"/open", "/", "/administration"} {
			if status, body, _ := h.to("a.test", "GET", target); status != 200 {
				t.Errorf("%s: %d %s", target, status, body)
			}
		}
	})
}

func TestARouteSetsHeadersOfRequests(t *testing.T) {
	pool := &fake{traits: protocol.Traits{Pool: "api"}, work: func(c *call) {
		c.whole(200, fmt.Sprintf("%s|%s|%s", c.header("X-Tenant"), c.header("Authorization"), c.header("X-Other")))
	}}
	all := site{Route: web.Route{Name: "all", Asks: []string{"Authorization", "Bearer ours", "X-Other", "",
		"X-Tenant", "b"}}}.to(pool)
	everyWay(t, func(o *Options) { routed(t, &o.Terms.Terms, all) }, func(t *testing.T, h *house) {
		_, body, _ := h.to("a.test", "GET", "/", "X-Tenant", "a", "X-Other", "x", "Authorization", "theirs",
			"X-Tenant", "c")
		if body != "b|Bearer ours|" {
			t.Error(body)
		}
		if _, body, _ = h.to("a.test", "GET", "/"); body != "b|Bearer ours|" {
			t.Error(body)
		}
	})
}
