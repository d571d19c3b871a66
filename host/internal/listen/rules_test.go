package listen

import (
	"strings"
	"testing"
)

func TestHTTP2IsHeldToTheRulesOfHTTP1(t *testing.T) {
	from := func(more ...string) []string { return append([]string{":scheme", "https"}, more...) }
	for _, test := range []struct {
		name, expect string
		flags        byte
		fields       []string
	}{
		{"a good request", "200", endStream, get()},
		{"host beside the same :authority", "200", endStream, get("host", "A.test")},
		{"host alone", "200", endStream, from(":method", "GET", ":path", "/", "host", "a.test")},
		{"host beside another :authority", "400", endStream, get("host", "evil.test")},
		{"a host that is two", "400", endStream, get("host", "a.test, evil.test")},
		{"a host with a tag", "400", endStream, get("host", `evil"><script>`)},
		{"two hosts", "400", endStream, get("host", "a.test", "host", "a.test")},
		{"two hosts alone", "400", endStream,
			from(":method", "GET", ":path", "/", "host", "a.test", "host", "a.test")},
		{"no authority at all", "400", endStream, from(":method", "GET", ":path", "/")},
		{"an empty :authority", "400", endStream, from(":method", "GET", ":path", "/", ":authority", "")},
		{"an empty host", "400", endStream, from(":method", "GET", ":path", "/", "host", "")},
		{"an :authority with a path", "400", endStream, from(":method", "GET", ":path", "/", ":authority", "a/b")},
		{"an :authority with credentials", "RST_STREAM 1", endStream,
			from(":method", "GET", ":path", "/", ":authority", "u@a")},
		{"a method in brackets", "400", endStream, from(":method", "G(T", ":path", "/", ":authority", "a")},
		{"a method with a blank", "400", endStream, from(":method", "GET /evil", ":path", "/", ":authority", "a")},
		{"an absolute :path", "400", endStream,
			from(":method", "GET", ":path", "http://evil.test/", ":authority", "a")},
		{"an absolute https :path", "400", endStream,
			from(":method", "GET", ":path", "https://a/b", ":authority", "a")},
		{"a :path that is no path", "RST_STREAM 1", endStream,
			from(":method", "GET", ":path", "a", ":authority", "a")},
		{"a fragment in the :path", "400", endStream, from(":method", "GET", ":path", "/a#b", ":authority", "a")},
		{"a blank in the :path", "400", endStream, from(":method", "GET", ":path", "/a b", ":authority", "a")},
		{"a star for GET", "400", endStream, from(":method", "GET", ":path", "*", ":authority", "a")},
		{"a star for OPTIONS", "200", endStream, from(":method", "OPTIONS", ":path", "*", ":authority", "a")},
		{"CONNECT", "501", 0, []string{":method", "CONNECT", ":authority", "a:443"}},
		{"an upgrade by CONNECT", "RST_STREAM 1", 0, get(":protocol", "websocket")},
		{"two Content-Lengths", "400", 0, get("content-length", "5", "content-length", "6")},
		{"the same Content-Length twice", "400", 0, get("content-length", "5", "content-length", "5")},
		{"a list of Content-Lengths", "400", 0, get("content-length", "5, 5")},
		{"a signed Content-Length", "400", 0, get("content-length", "+5")},
		{"an empty Content-Length", "400", 0, get("content-length", "")},
		{"a Content-Length without a body", "400", endStream, get("content-length", "5")},
		{"a Content-Length of no body", "200", endStream, get("content-length", "0")},
		{"a value that begins with a blank", "400", endStream, get("x-a", " b")},
		{"a value that ends with a tab", "400", endStream, get("x-a", "b\t")},
		{"a blank inside a value", "200", endStream, get("x-a", "b c")},
		{"an empty value", "200", endStream, get("x-a", "")},
		{"an unknown expectation", "417", endStream, get("expect", "the unexpected")},
		{"Transfer-Encoding", "400", 0, get("transfer-encoding", "chunked")},
		{"Connection", "400", endStream, get("connection", "close")},
		{"a bare CR in a value", "RST_STREAM 1", endStream, get("x-a", "b\rc")},
		{"NUL in a value", "RST_STREAM 1", endStream, get("x-a", "b\x00c")},
		{"a name with capitals", "RST_STREAM 1", endStream, get("X-A", "b")},
		{"a name with a blank", "RST_STREAM 1", endStream, get("x a", "b")},
	} {
		for _, secure := range []bool{false, true} {
			h := start(t, func(c *call) {
				if test.expect != "200" {
					t.Errorf("%s: a worker got %s %s", test.name, c.request.Method, c.request.Target)
				}
				if got := c.header("Host"); got != "" ||
					!strings.EqualFold(c.request.Host, "a.test") && c.request.Host != "a" {
					t.Errorf("%s: a worker got the host %q, and %q among the headers", test.name, c.request.Host, got)
				}
				if (c.request.Scheme == "https") != secure || (c.request.TLS != nil) != secure {
					t.Errorf("%s: a worker got the scheme %s, TLS %+v; TLS is %v", test.name, c.request.Scheme,
						c.request.TLS, secure)
				}
				hello(c)
			}, func(o *Options) {
				if secure {
					withTLS(t)(o)
				}
			})
			c := h.dialH2(noTable...)
			if got := c.ask(test.flags, test.fields...); got != test.expect {
				t.Errorf("%s, TLS %v: %s, expected %s", test.name, secure, got, test.expect)
			}
			c.Close()
		}
	}
}

func TestTheSchemeOfARequestIsThatOfItsConnection(t *testing.T) {
	h := start(t, func(c *call) {
		if c.request.Scheme != "https" || c.request.TLS == nil {
			t.Errorf("a worker got %s, TLS %+v", c.request.Scheme, c.request.TLS)
		}
		hello(c)
	}, withTLS(t))
	if got := h.dialH2(noTable...).ask(endStream, ":scheme", "http", ":method", "GET", ":path", "/", ":authority",
		"a"); got != "200" {
		t.Error(got)
	}
	if got := h.dialH2(noTable...).ask(endStream, ":scheme", "ftp", ":method", "GET", ":path", "/", ":authority",
		"a"); got != "RST_STREAM 1" {
		t.Error(got)
	}
}
