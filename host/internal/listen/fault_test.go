package listen

import (
	"strings"
	"testing"
)

func TestOnlyBrowsersThatAskForAPageAreShownTheFault(t *testing.T) {
	fault := ""
	h := start(t, hello, func(o *Options) { o.Fault = func() string { return fault } })
	const html = "text/html,*/*"
	for _, c := range []struct {
		name, fault, method string
		headers             []string
		shown               bool
	}{
		{"sound code", "", "GET", []string{"Accept", html}, false},
		{"a page", "<b> & co", "GET", []string{"Accept", html}, true},
		{"a page of a browser", "<b> & co", "GET", []string{"Accept", html, "Sec-Fetch-Dest", "document"}, true},
		{"a script of a page", "<b> & co", "GET", []string{"Accept", html, "Sec-Fetch-Dest", "empty"}, false},
		{"a program", "<b> & co", "GET", []string{"Accept", "application/json"}, false},
		{"a form", "<b> & co", "POST", []string{"Accept", html}, false},
	} {
		fault = c.fault
		resp, body := h.do(c.method, "/", nil, c.headers...)
		if c.shown && (resp.StatusCode != 500 || !strings.Contains(body, "&lt;b&gt; &amp; co") ||
			resp.Header.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: %s %s", c.name, resp.Status, body)
		}
		if !c.shown && body != "Hello, World!" {
			t.Errorf("%s: %s %s", c.name, resp.Status, body)
		}
	}
}
