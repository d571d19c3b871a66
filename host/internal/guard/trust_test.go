package guard

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestOnlyATrustedProxySaysWhoTheClientIs(t *testing.T) {
	trusted := &Proxies{Peers{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("fd00::/8")}}}
	trusted.Unix = true
	for _, test := range []struct {
		peer, headers string // "Name: value" by lines
		want          string // remote, scheme, host
	}{
		{"10.0.0.1:5", "X-Forwarded-For: 1.2.3.4", "1.2.3.4:0  a"},
		// what the client made up comes first
		{"10.0.0.1:5", "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.9.9.9", "1.2.3.4:0  a"},
		{"10.0.0.1:5", "X-Forwarded-For: 6.6.6.6\nX-Forwarded-For: 1.2.3.4", "1.2.3.4:0  a"},
		{"10.0.0.1:5", "X-Forwarded-For: 10.2.2.2, 10.3.3.3", "10.2.2.2:0  a"},
		{"10.0.0.1:5", "X-Forwarded-For: 1.2.3.4, rubbish", "10.0.0.1:5  a"},
		{"10.0.0.1:5", "X-Forwarded-For: 1.2.3.4, rubbish, 10.3.3.3", "10.3.3.3:0  a"},
		{"10.0.0.1:5", "X-Forwarded-For: 2001:db8::1", "[2001:db8::1]:0  a"},
		{"10.0.0.1:5", "X-Forwarded-For: [2001:db8::1]:99", "[2001:db8::1]:99  a"},
		{"[::ffff:10.0.0.1]:5", "X-Forwarded-For: ::ffff:1.2.3.4", "1.2.3.4:0  a"},
		{"@", "X-Forwarded-For: 1.2.3.4:80\nX-Forwarded-Proto: https\nX-Forwarded-Host: b.test",
			"1.2.3.4:80 https b.test"},
		{"10.0.0.1:5", "X-Forwarded-Proto: evil\nX-Forwarded-Host: x, b.test", "10.0.0.1:5  b.test"},
		{"10.0.0.1:5", "X-Forwarded-For: 1.2.3.4, 10.2.2.2\nX-Forwarded-Proto: https, http\n" +
			"X-Forwarded-Host: b.test, a.in", "1.2.3.4:0 https b.test"},
		// what the client made up comes first, and what only the outermost proxy says is alone
		{"10.0.0.1:5", "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.2.2.2\nX-Forwarded-Proto: ftp, https, http\n" +
			"X-Forwarded-Host: x.test, b.test, a.in", "1.2.3.4:0 https b.test"},
		{"10.0.0.1:5", "X-Forwarded-For: 1.2.3.4, 10.2.2.2\nX-Forwarded-Proto: https\nX-Forwarded-Host: b.test",
			"1.2.3.4:0 https b.test"},
		{"10.0.0.1:5", "X-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: http, https", "1.2.3.4:0 https a"},
		{"10.0.0.1:5",
			`Forwarded: for=6.6.6.6;proto=https, For="[2001:db8::1]:7";proto=http;host="c.test", for=10.1.1.1`,
			"[2001:db8::1]:7 http c.test"},
		{"10.0.0.1:5", "Forwarded: for=unknown;proto=https", "10.0.0.1:5  a"},
		{"10.0.0.1:5", "Forwarded: for=1.2.3.4\nX-Forwarded-For: 1.2.3.4", "1.2.3.4:0  a"},
		{"10.0.0.1:5", "Forwarded: for=6.6.6.6\nX-Forwarded-For: 1.2.3.4", errConflict.Error()},
		{"10.0.0.1:5", "Forwarded: for=\"\nX-Forwarded-For: 1.2.3.4", errConflict.Error()},
	} {
		r := &http.Request{RemoteAddr: test.peer, Host: "a", Header: http.Header{}}
		for line := range strings.SplitSeq(test.headers, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Add(name, value)
		}
		scheme, err := trusted.Believe(r)
		got := fmt.Sprint(r.RemoteAddr, " ", scheme, " ", r.Host)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s %q: %s, expected %s", test.peer, test.headers, got, test.want)
		}
	}
}
