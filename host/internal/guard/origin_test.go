package guard

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPagesConnectFromAllowedOrigins(t *testing.T) {
	for _, c := range []struct {
		origin, host, allowed string
		ok                    bool
	}{
		{"", "example.org", "", true},
		{"http://example.org", "example.org", "", true},
		{"https://example.org", "example.org", "", true},
		{"https://EXAMPLE.org", "example.ORG:443", "", true},
		{"http://example.org:8080", "example.org:8080", "", true},
		{"http://example.org:8081", "example.org:8080", "", false},
		{"http://evil.test", "example.org", "", false},
		{"null", "example.org", "", false},
		{"example.org", "example.org", "", false},
		{"null", "example.org", "*", true},
		{"null", "example.org", "null", true},
		{"https://a.example.org", "other", "https://*.example.org", true},
		{"https://a.b.example.org", "other", "https://*.example.org", true},
		{"https://example.org", "other", "https://*.example.org", false},
		{"https://evilexample.org", "other", "https://*.example.org", false},
		{"http://a.example.org", "other", "https://*.example.org", false},
		{"https://a.example.org:444", "other", "https://*.example.org", false},
		{"https://a.example.org", "other", "https://b.example.org,https://a.example.org", true},
		{"http://same.test", "same.test", "https://only.test", false},
		{"http://same.test:55151", "same.test:7272", "same-host", true},
		{"http://SAME.test", "same.TEST:7272", "same-host", true},
		{"http://[::1]:55151", "[::1]:7272", "same-host", true},
		{"http://evil.test:7272", "same.test:7272", "same-host", false},
		{"null", "same.test", "same-host", false},
		{"http://same.test.evil.test", "same.test", "same-host", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		var allowed []string
		if c.allowed != "" {
			allowed = strings.Split(c.allowed, ",")
		}
		if wrong := OriginProblem(r, allowed); (wrong == "") != c.ok {
			t.Errorf("%+v: %q", c, wrong)
		}
	}
	for pattern, ok := range map[string]bool{
		"*": true, "null": true, "same-host": true, "https://example.org": true, "http://localhost:3000": true,
		"https://*.example.org": true, "http://[::1]:80": true,
		"": false, "example.org": false, "https://": false, "https://example.org/": false, "https://*": false,
		"https://a.*.org": false, "https://a b": false,
	} {
		if err := CheckOrigin(pattern); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
