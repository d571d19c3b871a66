package listen

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// refusedLine is the line of the access log of a request that was refused, as a pattern.
func refusedLine(request string, status int, fault, reason string) string {
	return fmt.Sprintf(
		`(?m)^127\.0\.0\.1 - - \[[^]]+\] "%s" %d \d+ "-" "-" in=0 took=\d+\.\d{3} (id=\w+ )?fault="%s" reason="%s"$`,
		request, status, fault, reason)
}

func TestARequestThatIsRefusedBeforeItHasAHandlerIsInBothLogs(t *testing.T) {
	long := strings.Repeat("l", 20<<10)
	for _, test := range []struct {
		name, sent, request string
		status              int
		fault, reason       string
	}{
		{"smuggling", "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
			`POST /s HTTP/1\.1`, 400, "malformed", "both Content-Length and Transfer-Encoding"},
		{"a bare LF", "GET /l HTTP/1.1\nHost: a\r\n\r\n", `GET /l HTTP/1\.1`, 400, "malformed",
			"a line ends in a bare LF"},
		{"a bad target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", `GET /a#b HTTP/1\.1`, 400, "malformed",
			"a character in the target that has to be encoded"},
		{"no host", "GET /h HTTP/1.1\r\n\r\n", `GET /h HTTP/1\.1`, 400, "malformed",
			"400 Bad Request: missing required Host header"},
		{"an unknown coding", "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: zip\r\n\r\n", `POST /c HTTP/1\.1`,
			501, "malformed", "Unsupported transfer encoding"},
		{"an unknown expectation", "GET /e HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", `GET /e HTTP/1\.1`, 417,
			"malformed", "Expectation Failed"},
		{"a large head", "GET /head HTTP/1.1\r\nHost: a\r\nX-A: " + long + "\r\n\r\n", `GET /head HTTP/1\.1`, 431,
			"too large", "a head larger than max_header"},
		{"a long target", "GET /" + long + " HTTP/1.1\r\nHost: a\r\n\r\n", `GET /l+ -`, 431, "too large",
			"a head larger than max_header"},
		{"the second of two", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", `GET /2 HTTP/1\.1`, 400,
			"malformed", "400 Bad Request: missing required Host header"},
		{"one that another may follow", "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", `- - -`, 400,
			"malformed", "400 Bad Request: missing required Host header"},
		{"a late head", "GET /late HTTP/1.1\r\nHost: ", `GET /late HTTP/1\.1`, 408, "too slow",
			"its headers did not come within header_timeout"},
		{"a chunk", "POST /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\n", `POST /k HTTP/1\.1`,
			400, "malformed", "a chunk extension without a name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			change, lines := withAccess(t, "access.log")
			h := start(t, hello, change, func(o *Options) {
				o.Limits.MaxHeader = 4 << 10
				if test.status == 408 {
					o.Limits.HeaderTimeout = 50 * time.Millisecond
				}
			})
			h.backend.traits.WholeBody = true
			h.raw(test.sent)
			h.Close()
			all := strings.Join(lines(), "\n")
			if !regexp.MustCompile(refusedLine(test.request, test.status, test.fault, test.reason)).MatchString(all) {
				t.Errorf("the access log says %s", all)
			}
			if n := strings.Count(all, "fault="); n != 1 {
				t.Errorf("%d lines: %s", n, all)
			}
			if n := h.Refused()[test.fault]; n != 1 {
				t.Errorf("%d were counted", n)
			}
			if logged := h.logged.String(); !regexp.MustCompile(`(?m)\[WARN\].*: remote=127\.0\.0\.1:\d+ status=` +
				fmt.Sprint(test.status) + ` reason="`).MatchString(logged) {
				t.Errorf("the host's log says %s", logged)
			}
		})
	}
}

func TestTheHostsLogTellsOfTheFirstOfManyRefusedRequests(t *testing.T) {
	h := start(t, hello)
	for range 20 {
		h.raw("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n")
		h.raw("GET / HTTP/1.1\r\n\r\n")
	}
	if n := strings.Count(h.logged.String(), "[WARN]"); n != 1 || h.Refused()["malformed"] != 40 {
		t.Errorf("%d warnings of %d requests", n, h.Refused()["malformed"])
	}
}

func TestWhatNetHTTPRefusesOverHTTP2IsInTheAccessLog(t *testing.T) {
	// one longer than the limit ends the connection
	large := get("x-a", strings.Repeat("l", 3<<10), "x-b", strings.Repeat("l", 3<<10))
	for _, test := range []struct {
		name, answer string
		fields       []string
		line         string // its pattern
	}{
		{"a large block", "431", large, refusedLine("- - HTTP/2.0", 431, "too large",
			"a head larger than max_header")},
		{"a field of the connection", "400", get("connection", "close"),
			refusedLine("- - HTTP/2.0", 400, "malformed",
				`request header \\x22Connection\\x22 is not valid in HTTP/2`)},
		{"a coding of the connection", "400", get("te", "gzip"),
			refusedLine("- - HTTP/2.0", 400, "malformed",
				`request header \\x22TE\\x22 may only be \\x22trailers\\x22 in HTTP/2`)},
		{"a bare CR", "RST_STREAM 1", get("x-a", "b\rc"),
			refusedLine("- - HTTP/2.0", 400, "malformed", `stream \d+ broke the rules of HTTP/2 \(PROTOCOL_ERROR\)`)},
		{"a method with a blank", "400", append([]string{":method", "G ET"}, get()[2:]...),
			refusedLine("G ET / HTTP/2.0", 400, "malformed", "a method that is no token")},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, secure func(*Options)) {
				change, lines := withAccess(t, "access.log")
				h := start(t, func(c *call) {
					c.whole(map[string]int{"/400": 400, "/431": 431}[c.request.Target], "as the worker likes")
				}, secure, change, func(o *Options) {
					o.Limits.MaxHeader = 4 << 10
				})
				c := h.dialH2() // with a table: the second answer's status may be an index
				for range 2 {
					for _, path := range []string{"/431", "/400"} {
						c.outcome(c.open(endStream, ":method", "GET", ":scheme", "https", ":authority", "a", ":path",
							path))
					}
					stream := c.open(endStream, test.fields...)
					if got := c.outcome(stream); got != test.answer && !strings.HasPrefix(got, "a block") {
						t.Error(got)
					}
					for test.answer == "400" { // the page says why
						if kind, _, of, _, err := c.read(); err != nil || kind == frameData && of == stream {
							break
						}
					}
				}
				c.Close()
				h.Close()
				all := strings.Join(lines(), "\n")
				if n := len(regexp.MustCompile(test.line).FindAllString(all, -1)); n != 2 ||
					strings.Count(all, "\n") != 5 || strings.Count(all, "fault=") != 2 {
					t.Errorf("the access log says %s", all)
				}
			})
		})
	}
}

// What was on its way when the answer came is no other request.
func TestTheRestOfABodyThatWasRefusedLeavesNoSecondLine(t *testing.T) {
	onBoth(t, func(t *testing.T, secure func(*Options)) {
		change, lines := withAccess(t, "access.log")
		h := start(t, hello, secure, change, func(o *Options) { o.Limits.MaxBody = 5 })
		c := h.dialH2(noTable...)
		stream := c.open(0, get("content-length", "9")...)
		for c.outcome(stream) != "RST_STREAM 0" { // it may stop
		}
		for range 3 {
			c.frame(frameData, 0, stream, []byte("abc"))
			if got := c.outcome(stream); got != "RST_STREAM 5" {
				t.Error(got)
			}
		}
		c.Close()
		h.Close()
		if all := lines(); len(all) != 1 || !strings.Contains(all[0], `"GET / HTTP/2.0" 413 `) {
			t.Errorf("the access log says %q", all)
		}
		if n := h.Refused()["malformed"]; n != 0 {
			t.Errorf("%d count as malformed", n)
		}
	})
}
