// What two parsers might read differently never reaches a worker.

package web

import (
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestNothingAmbiguousReachesAWorker(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	const inner = "GET /smuggled HTTP/1.1\r\nHost: here\r\n\r\n"
	post := func(headers string) string { return "POST /sum HTTP/1.1\r\nHost: here\r\n" + headers + "\r\n" }
	for name, raw := range map[string]string{
		"CL and TE": post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" +
			inner,
		"TE and CL": post("Transfer-Encoding: chunked\r\nContent-Length: 44\r\n") + "0\r\n\r\n" +
			inner,
		"two lengths":           post("Content-Length: 0\r\nContent-Length: 38\r\n") + inner,
		"two equal lengths":     post("Content-Length: 0\r\nContent-Length: 0\r\n") + inner,
		"lengths in a list":     post("Content-Length: 0, 38\r\n") + inner,
		"a signed length":       post("Content-Length: +0\r\n") + inner,
		"a negative length":     post("Content-Length: -1\r\n") + inner,
		"a hexadecimal length":  post("Content-Length: 0x0\r\n") + inner,
		"an empty length":       post("Content-Length:\r\n") + inner,
		"a huge length":         post("Content-Length: 99999999999999999999\r\n") + inner,
		"a length with a space": post("Content-Length: 3 8\r\n") + inner,
		"TE twice": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") +
			"0\r\n\r\n" + inner,
		"chunked, chunked": post("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n" + inner,
		"xchunked":         post("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n" + inner,
		"gzip, chunked":    post("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n" + inner,
		"identity":         post("Transfer-Encoding: identity\r\n") + inner,
		"TE with a tab":    post("Transfer-Encoding:\x0bchunked\r\n") + "0\r\n\r\n" + inner,
		"TE in HTTP/1.0": "POST /sum HTTP/1.0\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n" +
			"0\r\n\r\n" + inner,
		"space before the colon":     post("Content-Length : 38\r\n") + inner,
		"TE, space before the colon": post("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n" + inner,
		"a folded header":            post("X-A: 1\r\n Content-Length: 38\r\n") + inner,
		"a folded TE":                post("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n" + inner,
		"a folded first line":        "POST /sum HTTP/1.1\r\n Host: here\r\nContent-Length: 0\r\n\r\n" + inner,
		"NUL in a value":             post("X-A: a\x00b\r\nContent-Length: 0\r\n") + inner,
		"NUL in a name":              post("X\x00A: a\r\nContent-Length: 0\r\n") + inner,
		"bare CR in a value":         post("X-A: a\rContent-Length: 38\r\n") + inner,
		"bare LF in the head":        post("X-A: a\nContent-Length: 38\r\n") + inner,
		"bare LF ends the head":      "POST /sum HTTP/1.1\r\nHost: here\nContent-Length: 0\n\n" + inner,
		"no colon":                   post("Content-Length\r\n") + inner,
		"an empty name":              post(": 38\r\n") + inner,
		"two Hosts": "POST /sum HTTP/1.1\r\nHost: here\r\nHost: there\r\nContent-Length: 0\r\n\r\n" +
			inner,
		"no Host":                   "POST /sum HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + inner,
		"a Host with a path":        "POST /sum HTTP/1.1\r\nHost: here/there\r\nContent-Length: 0\r\n\r\n" + inner,
		"a Host with an @":          "POST /sum HTTP/1.1\r\nHost: a@b\r\nContent-Length: 0\r\n\r\n" + inner,
		"HTTP/1.2":                  "POST /sum HTTP/1.2\r\nHost: here\r\nContent-Length: 0\r\n\r\n" + inner,
		"HTTP/2.0 in words":         "POST /sum HTTP/2.0\r\nHost: here\r\nContent-Length: 0\r\n\r\n" + inner,
		"a tab in the request line": "POST\t/sum HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n" + inner,
		"two spaces":                "POST  /sum HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n" + inner,
		"a method that is no token": "PO(ST /sum HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n" + inner,
		"a target without a slash":  "POST sum HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n" + inner,
		"a fragment":                "POST /sum#x HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n" + inner,

		"a chunk size of no digits":     post("Transfer-Encoding: chunked\r\n") + "\r\n" + inner,
		"a chunk size with 0x":          post("Transfer-Encoding: chunked\r\n") + "0x0\r\n\r\n" + inner,
		"a chunk size with a sign":      post("Transfer-Encoding: chunked\r\n") + "+0\r\n\r\n" + inner,
		"a chunk size with underscores": post("Transfer-Encoding: chunked\r\n") + "0_0\r\n\r\n" + inner,
		"a huge chunk size": post("Transfer-Encoding: chunked\r\n") +
			"fffffffffffffffff\r\nx\r\n0\r\n\r\n" + inner,
		"a chunk longer than it says": post("Transfer-Encoding: chunked\r\n") + "1\r\nxx\r\n0\r\n\r\n" + inner,
	} {
		c := h.Dial()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write([]byte(raw)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, err := c.Try("POST")
		if err != nil {
			t.Errorf("%s: instead of an answer, %v", name, err)
			continue
		}
		if a.StatusCode != 400 && a.StatusCode != 501 && a.StatusCode != 505 {
			t.Errorf("%s: %s %q", name, a.Status, a.Text)
		}
		if !c.Closed() {
			t.Errorf("%s: the connection stays open after %s", name, a.Status)
		}
	}
	// What is well-formed, and yet likes to be misread: the connection ends with the request, so that nothing can
	// follow it.
	c := h.Dial()
	c.Send(post("Transfer-Encoding: chunked\r\n") + "3;ext=\"a\"\r\nabc\r\n0\r\n\r\n" + inner)
	if a := c.Answer("POST"); a.StatusCode != 200 || !strings.HasPrefix(a.Text, "1 3 ") {
		t.Errorf("a chunked request: %s %q", a.Status, a.Text)
	}
	if !c.Closed() {
		t.Error("the connection stays open after a request with Transfer-Encoding")
	}
	if n := h.Seen("GET /smuggled"); n != 0 {
		t.Errorf("%d smuggled requests reached the worker", n)
	}
	if n := h.Begun("POST"); n != 1 {
		t.Errorf("%d malformed requests reached the worker", n-1)
	}
}
