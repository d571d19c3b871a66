package listen

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/protocol"
)

func networks(all ...string) *guard.Proxies {
	p := new(guard.Proxies)
	for _, n := range all {
		p.Networks = append(p.Networks, netip.MustParsePrefix(n))
	}
	return p
}

func TestWorkersSeeTheClientBehindAProxy(t *testing.T) {
	facts := func(c *call) {
		c.whole(200, fmt.Sprint(c.request.Remote, " ", c.request.Scheme, " ", c.request.Host, " ",
			c.header("X-Forwarded-For")))
	}
	headers := []string{"X-Forwarded-For", "1.2.3.4", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "b.test"}
	h := start(t, facts, func(o *Options) { o.Proxies = networks("127.0.0.0/8") })
	if _, got := h.do("GET", "/", nil, headers...); got != "1.2.3.4:0 https b.test 1.2.3.4" {
		t.Errorf("trusted: %s", got)
	}
	if resp, _ := h.do("GET", "/", nil, append(headers, "Forwarded", "for=6.6.6.6")...); resp.StatusCode != 400 {
		t.Errorf("a conflict: %s", resp.Status)
	}
	h = start(t, facts, func(o *Options) { o.Proxies = networks("10.0.0.0/8") })
	if _, got := h.do("GET", "/", nil, headers...); !strings.HasPrefix(got, "127.0.0.1:") ||
		!strings.HasSuffix(got, " http "+h.address+" ") {
		t.Errorf("not trusted: %s", got)
	}
	h = start(t, facts)
	if _, got := h.do("GET", "/", nil, headers...); !strings.HasPrefix(got, "127.0.0.1:") ||
		!strings.HasSuffix(got, " 1.2.3.4") {
		t.Errorf("none of the host's business: %s", got)
	}
}

func TestWhoeverIsNoProxyTellsWorkersNothingOfItsClients(t *testing.T) {
	h := start(t, func(c *call) { c.whole(200, strings.Join(c.request.Headers, " ")) },
		func(o *Options) { o.Proxies = networks("10.0.0.0/8") })
	c := h.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nX-B: 2\r\nForwarded: for=1.2.3.4\r\nx-forwarded-for: 1.2.3.4\r\n"+
		"X-Forwarded-Port: 1\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 1.2.3.4\r\nX-Forwarded-Prefix: /a\r\n"+
		"Client-Cert: :a:\r\nClient-Cert-Chain: :b:\r\nX-Forwarded-Client-Cert: c\r\n"+
		"X-Forwarded: 3\r\nX-A: 1\r\nConnection: close\r\n\r\n")
	all, _ := io.ReadAll(c)
	if !strings.HasSuffix(string(all), "\r\n\r\nX-A 1 X-B 2 X-Forwarded 3") {
		t.Errorf("%q", all)
	}
}

func TestARateLimitAllowsABurstAndThenItsRate(t *testing.T) {
	// One more an hour: no test takes that long.
	h := start(t, hello, func(o *Options) { o.RateLimit = guard.NewRateLimit(time.Hour, 3) })
	c := h.dial()
	for range 3 {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	// the connection stays
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	all, _ := io.ReadAll(c)
	if got := string(all); strings.Count(got, "200 OK") != 3 || strings.Count(got, "1.1 429 ") != 2 ||
		strings.Count(got, "Retry-After: 3") != 2 {
		t.Errorf("%q", got)
	}
	if h.backend.calls.Load() != 3 {
		t.Errorf("workers got %d", h.backend.calls.Load())
	}
}

func TestARateLimitCountsTheRequestsOfEachProtocol(t *testing.T) {
	h := start(t, hello, withTLS(t), func(o *Options) { o.RateLimit = guard.NewRateLimit(time.Hour, 3) })
	for version, client := range h.clientsFor() {
		if resp, _ := fetch(t, client, "GET", h.url, nil); resp.StatusCode != 200 {
			t.Errorf("%s, one of the burst: %s", version, resp.Status)
		}
	}
	for version, client := range h.clientsFor() {
		resp, _ := fetch(t, client, "GET", h.url, nil)
		if resp.StatusCode != 429 || resp.Header["Retry-After"] == nil {
			t.Errorf("%s, one too many: %s %v", version, resp.Status, resp.Header)
		}
	}
}

func TestARateLimitIsForClientsAndNotForTheirProxy(t *testing.T) {
	h := start(t, hello, func(o *Options) {
		o.RateLimit, o.Proxies = guard.NewRateLimit(time.Hour, 1), networks("127.0.0.0/8")
	})
	for _, test := range []struct {
		client string
		status int
	}{{"1.1.1.1", 200}, {"1.1.1.1", 429}, {"1.1.1.2", 200}, {"", 200}, {"", 200}} {
		var headers []string
		if test.client != "" {
			headers = []string{"X-Forwarded-For", test.client}
		}
		if resp, _ := h.do("GET", "/", nil, headers...); resp.StatusCode != test.status {
			t.Errorf("%q: %s", test.client, resp.Status)
		}
	}
}

func TestAClientIsAnAddressOrAnIPv6Subnet(t *testing.T) {
	l := guard.NewRateLimit(time.Hour, 1)
	for _, test := range []struct {
		remote string
		limits bool
	}{
		{"1.1.1.1:1", false}, {"1.1.1.1:2", true}, {"[::ffff:1.1.1.1]:3", true}, {"1.1.1.2:1", false},
		{"[2001:db8::1]:1", false}, {"[2001:db8::ffff]:1", true}, {"[2001:db8:0:1::1]:1", false}, {"@", false},
		{"@", false},
	} {
		if wait := l.Allow(test.remote); (wait > 0) != test.limits || wait > time.Hour {
			t.Errorf("%s has to wait %v", test.remote, wait)
		}
	}
}

func TestAConnectionTooManyIsTurnedAway(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Options)
		full   bool
	}{
		{"in all", func(o *Options) { o.Crowd = guard.NewCrowd(2, 0, nil, o.Logger) }, true},
		{"of the listener", func(o *Options) { o.MaxConnections = 2 }, true},
		{"of an address", func(o *Options) { o.Crowd = guard.NewCrowd(0, 2, nil, o.Logger) }, true},
		{"of a proxy", func(o *Options) { o.Crowd = guard.NewCrowd(0, 2, networks("127.0.0.1/32"), o.Logger) }, false},
	} {
		h := start(t, hello, test.change)
		ask := func(c io.ReadWriter) string {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			b := make([]byte, 1024)
			n, _ := c.Read(b)
			return statusLine(string(b[:n]))
		}
		first, second := h.dial(), h.dial()
		if a, b := ask(first), ask(second); !strings.Contains(a+b, "200 OKHTTP") && !strings.Contains(a, "200") {
			t.Fatalf("%s: %q %q", test.name, a, b)
		}
		third := ask(h.dial())
		if full := strings.Contains(third, "503"); full != test.full {
			t.Errorf("%s: %q", test.name, third)
		}
		if a := ask(first); !strings.Contains(a, "200") {
			t.Errorf("%s: one that is in: %q", test.name, a)
		}
		second.Close()
		// the listener learns of it in its own time
		for until := time.Now().Add(5 * time.Second); test.full; time.Sleep(time.Millisecond) {
			if strings.Contains(ask(h.dial()), "200") {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%s: the place of one that left stays taken", test.name)
			}
		}
		if test.full && !strings.Contains(h.logged.String(), "connections are turned away") {
			t.Errorf("%s: the log says nothing", test.name)
		}
	}
}

func TestAUnixSocketHasNoAddressToLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	start(t, hello, func(o *Options) {
		o.Address, o.Crowd = unixPrefix+path, guard.NewCrowd(0, 1, nil, nil)
		o.RateLimit = guard.NewRateLimit(time.Hour, 1)
	})
	for range 3 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		all, _ := io.ReadAll(c)
		if !strings.Contains(string(all), "200 OK") {
			t.Errorf("%q", all)
		}
		defer c.Close()
	}
}

func TestTheAccessLogNamesTheClientBehindAProxyWhereverItIsAnswered(t *testing.T) {
	change, lines := withAccess(t, "access.log")
	public := tree(t, map[string]string{"a.txt": "file"})
	h := start(t, func(c *call) {
		c.say(func() { c.sink.Inform(&protocol.Inform{Status: 103}) })
		c.whole(200, "informed")
	}, change, func(o *Options) { o.Proxies, o.Public = networks("127.0.0.0/8"), public })
	for path, want := range map[string]string{"/a.txt": "file", "/": "informed"} {
		if _, body := h.do("GET", path, nil, "X-Forwarded-For", "1.2.3.4"); body != want {
			t.Errorf("%s: %q", path, body)
		}
	}
	h.Close()
	all := lines()
	for _, line := range all {
		if len(all) != 2 || !strings.HasPrefix(line, "1.2.3.4 ") {
			t.Errorf("%q", all)
		}
	}
}
