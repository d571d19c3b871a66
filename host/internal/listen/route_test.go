package listen

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

// site is a route of a test.
type site struct {
	route.Rule
	web.Route
	change func(*web.Terms)
}

// routed gives terms routes, with the rest of the terms as it is.
func routed(t testing.TB, terms *web.Terms, sites ...site) {
	t.Helper()
	made := &web.Routes{}
	var rules []route.Rule
	for _, s := range sites {
		of := *terms
		of.Route, of.Routes = s.Route, nil
		if s.change != nil {
			s.change(&of)
		}
		made.Terms, rules = append(made.Terms, of), append(rules, s.Rule)
	}
	var err error
	if made.Table, err = route.Compile(rules); err != nil {
		t.Fatal(err)
	}
	terms.Routes = made
}

func (s site) to(pool *fake) site {
	s.change = func(t *web.Terms) { t.Backend = pool }
	return s
}

// named is a pool whose workers answer with its name and what they were asked for.
func named(name string) *fake {
	return &fake{traits: protocol.Traits{Pool: name}, work: func(c *call) {
		c.whole(200, fmt.Sprint(name, " ", c.request.Method, " ", c.request.Target, " ",
			c.header("X-Forwarded-Prefix"), len(c.readAll())), "X-Frame-Options", "worker")
	}}
}

func onHost(name string, paths ...string) site {
	return site{Rule: route.Rule{Hosts: []string{name}, Paths: paths},
		Route: web.Route{Name: name + strings.Join(paths, "")}}
}

// serving has a server serve on event loops, or not.
func serving(t *testing.T, lane bool) func(*Options) {
	if lane {
		return onLoops(t)
	}
	return func(o *Options) { o.Loops = nil }
}

// everyWay runs a test over the lane, over net/http and over HTTP/2.
func everyWay(t *testing.T, change func(*Options), test func(t *testing.T, h *house)) {
	for _, way := range []string{"lane", "net/http", "HTTP/2"} {
		t.Run(way, func(t *testing.T) {
			h := start(t, named("own").work, serving(t, way == "lane"), change)
			h.client = h.clientsFor()["HTTP/1.1"]
			if way == "HTTP/2" {
				h.client = h.clientsFor()["HTTP/2"]
			}
			h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			test(t, h)
		})
	}
}

// to asks a host of that name. The target goes as it is.
func (h *house) to(host, method, target string, headers ...string) (status int, body string, header http.Header) {
	h.t.Helper()
	r, err := http.NewRequest(method, h.url, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if method == "POST" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("12345")), 5
	}
	r.URL.Opaque, r.Host = target, host
	if strings.HasPrefix(target, "//") {
		r.URL.Opaque = "http://" + host + target
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := h.client.Do(r)
	if err != nil {
		h.t.Fatalf("%s %s: %v", host, target, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestEachRouteHasItsPool(t *testing.T) {
	shop, api := named("shop"), named("api")
	stripping := onHost("api.test", "/v1/*").to(api)
	stripping.Strip = "/v1"
	everyWay(t, func(o *Options) {
		routed(t, &o.Terms.Terms, onHost("shop.test").to(shop), onHost("shop.test", "/api/*").to(api), stripping)
	}, func(t *testing.T, h *house) {
		for request, want := range map[string]string{
			"GET shop.test /":                      "shop GET / 0",
			"GET SHOP.test:99 /x?y":                "shop GET /x?y 0",
			"GET shop.test /api/x":                 "api GET /api/x 0",
			"GET shop.test /%61pi/x":               "api GET /%61pi/x 0", // the worker gets it as it came
			"GET shop.test //api/x":                "api GET //api/x 0",
			"GET shop.test /y/../api/x":            "api GET /y/../api/x 0",
			"GET shop.test /api%2fx":               "shop GET /api%2fx 0",
			"POST shop.test /api":                  "api POST /api 5",
			"GET other.test /api":                  "own GET /api 0",
			"GET api.test /v1":                     "api GET / /v10",
			"GET api.test /v1?q=1":                 "api GET /?q=1 /v10",
			"GET api.test /v1/users?q=/v1/":        "api GET /users?q=/v1/ /v10",
			"POST api.test /v1/users":              "api POST /users /v15",
			"GET api.test /%76%31/a%2Fb?q":         "api GET /a%2Fb?q /v10", // in canonical form
			"GET api.test //v1//users/%7E":         "api GET /users/~ /v10",
			"GET api.test /v10":                    "own GET /v10 0",
			"OPTIONS shop.test *":                  "shop OPTIONS * 0",
			"GET shop.test /../x":                  "400 Bad Request\nThe request is malformed.\n",
			"GET shop.test /%2e%2e/x?/../../../..": "400 Bad Request\nThe request is malformed.\n",
		} {
			part := strings.Fields(request)
			if _, got, _ := h.to(part[1], part[0], part[2]); got != want {
				t.Errorf("%s: %q, and not %q", request, got, want)
			}
		}
	})
	shop.busy.Wait()
	api.busy.Wait()
}

func TestARouteAnswersByItself(t *testing.T) {
	moved := onHost("old.test")
	moved.Status, moved.Location = 308, "https://{host}/new{target}"
	gone := onHost("gone.test")
	gone.Status, gone.Headers = 410, []string{"Strict-Transport-Security", "max-age=1"}
	empty := onHost("empty.test")
	empty.Status = 204
	prefix := onHost("old.test", "/blog/*")
	prefix.Status, prefix.Location, prefix.Strip = 301, "/news{target}", "/blog"
	change := func(o *Options) { routed(t, &o.Terms.Terms, moved, gone, empty, prefix) }
	everyWay(t, change, func(t *testing.T, h *house) {
		for request, want := range map[string]string{
			"GET old.test:80 /a?b=c":     "308 https://old.test/new/a?b=c ",
			"POST old.test /":            "308 https://old.test/new/ ",
			"GET old.test /blog/x?q":     "301 /news/x?q ",
			"GET old.test /blog//e.test": "301 /news/e.test ",
			"GET gone.test /":            "410  max-age=1",
			"POST gone.test /":           "410  max-age=1",
			"HEAD gone.test /":           "410  max-age=1",
			"GET empty.test /":           "204  ",
		} {
			part := strings.Fields(request)
			status, body, header := h.to(part[1], part[0], part[2])
			got := fmt.Sprint(status, " ", header.Get("Location"), " ", header.Get("Strict-Transport-Security"))
			if got != want || (body == "") != (status == 204 || part[0] == "HEAD") {
				t.Errorf("%s: %q, and not %q: %q", request, got, want, body)
			}
		}
		if h.backend.calls.Load() > 0 {
			t.Error("a worker was asked")
		}
		got := ""
		for name, n := range h.Routed() {
			got += fmt.Sprint(name, " ", n, " ")
		}
		if got != "empty.test 1 gone.test 3 old.test/blog/* 2 old.test 2 " {
			t.Error(got)
		}
	})
}

func TestHeadersOfARouteWinOverItsWorkers(t *testing.T) {
	s := onHost("a.test").to(named("a"))
	s.Headers = []string{"X-Frame-Options", "DENY"}
	everyWay(t, func(o *Options) { routed(t, &o.Terms.Terms, s) }, func(t *testing.T, h *house) {
		if _, _, header := h.to("a.test", "GET", "/"); fmt.Sprint(header["X-Frame-Options"]) != "[DENY]" {
			t.Error(header)
		}
		if _, _, header := h.to("b.test", "GET", "/"); fmt.Sprint(header["X-Frame-Options"]) != "[worker]" {
			t.Error(header)
		}
	})
}

func TestHostsThatNoRouteNamesAreMisdirected(t *testing.T) {
	everyWay(t, func(o *Options) {
		routed(t, &o.Terms.Terms, onHost("a.test", "/x").to(named("a")))
		o.Routes.Strict = true
	}, func(t *testing.T, h *house) {
		for request, want := range map[string]int{"a.test /x": 200, "a.test /y": 200, "b.test /x": 421} {
			host, path, _ := strings.Cut(request, " ")
			if status, body, _ := h.to(host, "GET", path); status != want {
				t.Errorf("%s: %d %s", request, status, body)
			}
		}
		if h.Refused()["no route"] != 1 {
			t.Error(h.Refused())
		}
		terms := *h.Server.terms.Load()
		routes := *terms.Routes
		terms.Routes = &routes
		routes.Only, routes.Strict = true, false
		h.change(terms)
		if status, _, _ := h.to("a.test", "GET", "/y"); status != 404 {
			t.Error(status)
		}
	})
}

func TestFilesOfARoute(t *testing.T) {
	dir := tree(t, map[string]string{"app/index.html": "app", "app/a.js": "script", "app/docs/index.html": "docs",
		"shop/a.js": "shop's"})
	app := onHost("app.test")
	app.Status, app.Fallback = 404, "index.html"
	app.change = func(o *web.Terms) { o.Public = filepath.Join(dir, "app") }
	under := onHost("shop.test", "/assets/*")
	under.Strip, under.Headers = "/assets", []string{"Cache-Control", "max-age=9"}
	pool := named("shop")
	under.change = func(o *web.Terms) { o.Public, o.Backend = filepath.Join(dir, "shop"), pool }
	everyWay(t, func(o *Options) { routed(t, &o.Terms.Terms, app, under) }, func(t *testing.T, h *house) {
		for request, want := range map[string]string{
			"GET app.test /":                    "200 app",
			"GET app.test /a.js":                "200 script",
			"GET app.test /docs/":               "200 docs",
			"GET app.test /users/7":             "200 app",
			"GET app.test /b.js":                "404 404 Not Found\nThere is nothing here.\n",
			"POST app.test /users/7":            "404 404 Not Found\nThere is nothing here.\n",
			"GET shop.test /assets/a.js":        "200 shop's",
			"GET shop.test /assets/b.js":        "200 shop GET /b.js /assets0",
			"GET shop.test /assets/../assets/x": "200 shop GET /x /assets0",
			"GET other.test /a.js":              "200 own GET /a.js 0",
		} {
			part := strings.Fields(request)
			status, body, header := h.to(part[1], part[0], part[2])
			if got := fmt.Sprint(status, " ", body); got != want {
				t.Errorf("%s: %q, and not %q", request, got, want)
			}
			if part[1] == "shop.test" && header.Get("Cache-Control") != "max-age=9" {
				t.Error(request, header)
			}
		}
	})
	pool.busy.Wait()
}

func TestLimitsAndLogsOfARoute(t *testing.T) {
	logs := t.TempDir()
	open := func(name string) *accesslog.Log {
		a, err := accesslog.Open(filepath.Join(logs, name), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, lane := range []bool{true, false} {
		own, others := open("own.log"), open("others.log")
		strict, quiet := onHost("strict.test"), onHost("quiet.test")
		strict.change = func(o *web.Terms) {
			o.Limits.MaxBody, o.RateLimit, o.Access = 4, guard.NewRateLimit(time.Hour, 2), own
		}
		quiet.change = func(o *web.Terms) { o.Access = nil }
		h := start(t, named("own").work, serving(t, lane), func(o *Options) {
			o.Access = others
			routed(t, &o.Terms.Terms, strict, quiet)
		})
		if status, _, _ := h.to("strict.test", "POST", "/"); status != 413 {
			t.Error("max_body:", status)
		}
		if status, _, _ := h.to("other.test", "POST", "/"); status != 200 {
			t.Error("max_body of others:", status)
		}
		h.to("strict.test", "GET", "/")
		if status, _, _ := h.to("strict.test", "GET", "/"); status != 429 {
			t.Error("rate limit:", status)
		}
		for range 5 {
			if status, _, _ := h.to("quiet.test", "GET", "/"); status != 200 {
				t.Error("rate limit of others:", status)
			}
		}
		h.Close()
		own.Close()
		others.Close()
		for name, want := range map[string]string{"own.log": "413 200 429 ", "others.log": "200 "} {
			all, err := os.ReadFile(filepath.Join(logs, name))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for line := range strings.Lines(string(all)) {
				got += strings.Fields(line)[8] + " "
				if strings.Contains(line, `route="strict.test"`) != (name == "own.log") {
					t.Error(line)
				}
			}
			if got != want {
				t.Errorf("lane %v, %s: %s", lane, name, got)
			}
			os.Remove(filepath.Join(logs, name))
		}
	}
}

func TestAChangeOfRoutesUnderLoadFailsNoRequest(t *testing.T) {
	everyWay(t, func(o *Options) {
		routed(t, &o.Terms.Terms, onHost("a.test"))
		o.Public = t.TempDir()
	}, func(t *testing.T, h *house) {
		one, two := named("one"), named("two")
		stop := make(chan struct{})
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					r, _ := http.NewRequest("GET", h.url+"/x", nil)
					r.Host = "a.test"
					resp, err := h.client.Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					body, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || resp.StatusCode != 200 {
						t.Errorf("%d %s, %v", resp.StatusCode, body, err)
						return
					}
				}
			})
		}
		for i := range 30 {
			terms := *h.Server.terms.Load()
			pool := one
			if i%2 > 0 {
				pool = two
			}
			routed(t, &terms.Terms, onHost("a.test").to(pool))
			p, err := h.Prepare(terms)
			if err != nil {
				t.Fatal(err)
			}
			before := pool.calls.Load()
			for <-p.Apply(); pool.calls.Load() == before && !t.Failed(); {
				time.Sleep(time.Millisecond) // until somebody is served under it
			}
		}
		close(stop)
		all.Wait()
		one.busy.Wait()
		two.busy.Wait()
	})
}

func TestConnectionsFollowTheirRoute(t *testing.T) {
	boards := map[string]*switchboard{}
	var l *lines
	board := func(name string) *switchboard {
		b := &switchboard{closed: make(chan protocol.Close, 10), hub: l.hub}
		b.traits = protocol.Traits{Pool: name, Events: protocol.Events{Open: true, Message: true, Close: true}}
		b.message = func(_ string, data []byte, binary bool) []protocol.Act {
			return []protocol.Act{say([]byte(name+" "+string(data)), binary)}
		}
		boards[name] = b
		t.Cleanup(b.busy.Wait)
		return b
	}
	l = startLines(t)
	lead := func(sites ...site) {
		terms := *l.Server.terms.Load()
		terms.Routes = nil
		routed(t, &terms.Terms, sites...)
		l.change(terms)
	}
	to := func(host, pool string) site {
		s := onHost(host)
		s.change = func(o *web.Terms) { o.Backend = boards[pool] }
		return s
	}
	board("one")
	board("two")
	gone := onHost("gone.test")
	gone.Status = 404
	lead(to("one.test", "one"), to("moves.test", "one"), to("ends.test", "two"), gone)
	callers := map[string]*caller{}
	for _, host := range []string{"one.test", "moves.test", "ends.test", "own.test"} {
		if callers[host] = l.knock("Host", host); callers[host].head.StatusCode != 101 {
			t.Fatal(host, callers[host].head.Status)
		}
	}
	if c := l.knock("Host", "gone.test"); c.head.StatusCode != 404 {
		t.Error(c.head.Status)
	}
	hears := func(want map[string]string) {
		t.Helper()
		for host, pool := range want {
			callers[host].send(peertest.Text("hi"))
			callers[host].expect(0x81, []byte(strings.TrimSpace(pool+" hi")))
		}
	}
	hears(map[string]string{"one.test": "one", "moves.test": "one", "ends.test": "two", "own.test": ""})
	// a route that is gone leaves its connections to the one that leads to their pool
	lead(to("one.test", "one"), to("moves.test", "two"))
	hears(map[string]string{"one.test": "one", "moves.test": "two", "ends.test": "two", "own.test": ""})
	lead(to("one.test", "two"))
	hears(map[string]string{"one.test": "two", "moves.test": "two", "ends.test": "two", "own.test": ""})
}

// TestConnectionsStayInTheirRealm when what they came by leads to a pool of another one.
func TestConnectionsStayInTheirRealm(t *testing.T) {
	l := startLines(t)
	far := &switchboard{closed: make(chan protocol.Close, 10), hub: hub.New(l.log, l.hub)}
	far.traits = l.board.traits
	far.message = func(string, []byte, bool) []protocol.Act { return []protocol.Act{say([]byte("far"), false)} }
	t.Cleanup(far.busy.Wait)
	lead := func(board *switchboard) {
		terms := *l.Server.terms.Load()
		s := onHost("a.test")
		s.change = func(o *web.Terms) { o.Backend, o.Hub = board, board.hub }
		routed(t, &terms.Terms, s)
		terms.Backend, terms.Hub = far, far.hub
		l.change(terms)
	}
	lead(l.board)
	before := l.knock("Host", "a.test")
	lead(far)
	before.send(peertest.Text("near"))
	before.expect(0x81, []byte("near"))
	after := l.knock("Host", "a.test")
	after.send(peertest.Text("near"))
	after.expect(0x81, []byte("far"))
	if near, far := l.hub.List(), far.hub.List(); len(near) != 1 || len(far) != 1 || near[0].ID == far[0].ID {
		t.Errorf("%+v and %+v", near, far)
	}
	go l.Shutdown(t.Context()) // both hear of it
	for _, c := range []*caller{before, after} {
		c.expect(0x88, append([]byte{0x03, 0xe9}, "the server is going away"...))
		c.Close()
	}
}

func TestAResponseIsHeldOverARoute(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			var s site
			l, k := startHeld(t, over(t, version), func(k *keeper, o *Options) {
				s = site{Rule: route.Rule{Paths: []string{"/news/*"}}, Route: web.Route{Name: "news", Strip: "/news"}}
				s.Headers = []string{"X-Site", "news"}
				s.change = func(o *web.Terms) { o.Backend = k }
				routed(t, &o.Terms.Terms, s)
				o.Backend = named("own")
			})
			asked := make(chan string, 1)
			answer := k.answer
			k.answer = func(r *protocol.Request) (*protocol.Response, []protocol.Act) {
				asked <- r.Target
				return answer(r)
			}
			r := l.listen(l.clientsFor()[version])
			r.expect("retry: 1000\n\n")
			if got := <-asked; got != "/" || r.resp.Header.Get("X-Site") != "news" {
				t.Errorf("the worker was asked for %s; the head is %v", got, r.resp.Header)
			}
			l.held(1)
			terms := *l.Server.terms.Load()
			terms.Routes = nil
			s.Headers = nil
			routed(t, &terms.Terms, s, onHost("other.test"))
			p, err := l.Prepare(terms) // over HTTP/2 its request goes on
			if err != nil {
				t.Fatal(err)
			}
			p.Apply()
			l.toNews("one")
			r.expect("data: one\n\n")
			l.hangup(1000)
			r.expectEnd()
			if m := l.left(); m.Code != 1000 {
				t.Errorf("%+v", m)
			}
		})
	}
}

// TestAClientsConnectionTakesAwayItsOwnFieldsAlone, and before anybody goes by them (RFC 9110 §7.6.1).
func TestAClientsConnectionTakesAwayItsOwnFieldsAlone(t *testing.T) {
	stripping := onHost("api.test", "/v1/*").to(named("api"))
	stripping.Strip = "/v1"
	guarded := onHost("guarded.test")
	guarded.Auth = &web.Auth{Users: guard.NewPasswords(map[string]string{"ada": openSesame}), Realm: "Staff"}
	everyWay(t, func(o *Options) { routed(t, &o.Terms.Terms, stripping, guarded) }, func(t *testing.T, h *house) {
		if strings.HasSuffix(t.Name(), "HTTP/2") {
			t.Skip("it has no such field")
		}
		const named = "X-Forwarded-Prefix, authorization;x=y, X-Own"
		if _, got, _ := h.to("api.test", "GET", "/v1/x", "Connection", named); got != "api GET /x /v10" {
			t.Errorf("a field of the host's: %q", got)
		}
		if _, got, _ := h.to("b.test", "GET", "/", "Connection", named, "X-Forwarded-Prefix", "/y"); got !=
			"own GET / 0" {
			t.Errorf("a field of the client's: %q", got)
		}
		good := basic("ada", "open sesame")
		for connection, want := range map[string]int{named: 401, "close": 200} {
			if status, _, _ := h.to("guarded.test", "GET", "/", "Authorization", good, "Connection",
				connection); status != want {
				t.Errorf("a password, with Connection: %s: %d", connection, status)
			}
		}
	})
}
