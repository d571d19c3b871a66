package cache

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestOnlyWhatSaysSoIsStoredForAsLongAsItSays(t *testing.T) {
	for _, test := range []struct {
		headers string // of the answer, one a line
		fresh   time.Duration
	}{
		{"", 0},
		{"Cache-Control: max-age=60", time.Minute},
		{"Cache-Control: public", 0},
		{"Cache-Control: max-age=60, s-maxage=120", 2 * time.Minute},
		{"Cache-Control: max-age=60\nAge: 20", 40 * time.Second},
		{"Cache-Control: MAX-AGE=60", time.Minute},
		{"Cache-Control: max-age='60'", 0},
		{"Cache-Control: max-age=60.5", 0},
		{"Cache-Control: max-age=60, no-store", 0},
		{"Cache-Control: max-age=60, private", 0},
		{"Cache-Control: max-age=60, no-cache", 0},
		{"Cache-Control: x=\"max-age=600\", max-age=60", time.Minute},
		{"Cache-Control: max-age=600, max-age=60", time.Minute},
		{"Cache-Control: max-age=60\nVary: *", 0},
		{"Cache-Control: max-age=60\nVary: Accept,*", 0},
		{"Cache-Control: max-age=60\nSet-Cookie: a=b", 0},
		{"Cache-Control: public, max-age=60\nSet-Cookie: a=b", 0},
		{"Cache-Control: max-age=60, no-cache=\"set-cookie\"\nSet-Cookie: a=b", time.Minute},
		{"Cache-Control: private\nCDN-Cache-Control: max-age=60", time.Minute},
		{"Cache-Control: max-age=60\nCDN-Cache-Control: no-store", 0},
		{"Cache-Control: max-age=60\nCDN-Cache-Control: max-age=\"5\"", time.Minute},
		{"Cache-Control: max-age=60\nCDN-Cache-Control: max-age=5, &&", time.Minute},
		{"Expires: Sat, 01 Jan 2000 00:01:00 GMT\nDate: Sat, 01 Jan 2000 00:00:00 GMT", time.Minute},
		{"Expires: 0", 0},
		{"Expires: Sat, 01 Jan 2000  00:01:00 GMT", 0},
		{"Cache-Control: no-store, must-understand, max-age=60", time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) { // it begins in 2000
			var headers []string
			for line := range strings.Lines(test.headers) {
				field, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				headers = append(headers, field, value)
			}
			p := &pool{answer: always(200, "page", headers...)}
			r := newRoom(t, p, Settings{})
			ask1(r, "/")
			if test.fresh > 0 {
				time.Sleep(test.fresh - time.Second)
				if c := ask1(r, "/"); p.asked() != 1 || string(c.body) != "page" {
					t.Errorf("%q: asked %d times before its time is over: %s", test.headers, p.asked(), c.said())
				}
				time.Sleep(time.Second)
			}
			if before := p.asked(); ask1(r, "/") == nil || p.asked() != before+1 {
				t.Errorf("%q: it is used after its time", test.headers)
			}
			synctest.Wait()
		})
	}
}

func TestAnswersOfOneClientReachNoOther(t *testing.T) {
	private := always(200, "yours", "Cache-Control", "max-age=60")
	for name, test := range map[string]struct {
		settings Settings
		first    []string
		answer   func(*call)
		stored   bool
	}{
		"Authorization": {first: []string{"Authorization", "Basic x"}, answer: private},
		"Authorization, public": {first: []string{"Authorization", "Basic x"},
			answer: always(200, "all's", "Cache-Control", "max-age=60, public"), stored: true},
		"a cookie, by default_ttl": {settings: Settings{DefaultTTL: time.Minute},
			first: []string{"Cookie", "session=1"}, answer: always(200, "yours")},
		"a cookie behind a harmless one": {settings: Settings{DefaultTTL: time.Minute,
			HarmlessCookies: []string{"_ga*"}}, first: []string{"Cookie", "_ga=1; session=1"},
			answer: always(200, "yours")},
		"a harmless cookie": {settings: Settings{DefaultTTL: time.Minute, HarmlessCookies: []string{"_ga*"}},
			first: []string{"Cookie", "_ga_x=1"}, answer: always(200, "all's"), stored: true},
		"nothing, by default_ttl": {settings: Settings{DefaultTTL: time.Minute}, answer: always(200, "all's"),
			stored: true},
		"Set-Cookie, by default_ttl": {settings: Settings{DefaultTTL: time.Minute},
			answer: always(200, "yours", "Set-Cookie", "session=1")},
		"a word of its own, by default_ttl": {settings: Settings{DefaultTTL: time.Minute},
			answer: always(200, "yours", "Cache-Control", "must-revalidate")},
		"a status that says little": {settings: Settings{DefaultTTL: time.Minute}, answer: always(500, "broken")},
	} {
		p := &pool{answer: test.answer}
		r := newRoom(t, p, test.settings)
		ask1(r, "/", test.first...)
		if ask1(r, "/"); (p.asked() == 1) != test.stored {
			t.Errorf("%s: the pool was asked %d times", name, p.asked())
		}
	}
}

func TestWhoIsKnownGetsNothingThatWasStoredForStrangers(t *testing.T) {
	p := &pool{answer: always(200, "strangers'")}
	r := newRoom(t, p, Settings{DefaultTTL: time.Minute})
	ask1(r, "/")
	for _, header := range []string{"Cookie", "Authorization"} {
		before := p.asked()
		if c := ask1(r, "/", header, "a=b"); p.asked() != before+1 {
			t.Errorf("with %s: %s", header, c.said())
		}
	}
	if c := ask1(r, "/"); !strings.Contains(c.said(), "; hit") {
		t.Errorf("what is stored is gone: %s", c.said())
	}
}

func TestEachVariantIsStored(t *testing.T) {
	p := &pool{answer: func(c *call) {
		c.respond(200, value(c.request.Headers, "Accept-Language"), "Cache-Control", "max-age=60", "Vary",
			"Accept-Language, Cookie")
	}}
	r := newRoom(t, p, Settings{})
	for range 2 {
		for _, language := range []string{"de", "en, fr", ""} {
			c := get("/", "Accept-Language", language).from(r).wait()
			if string(c.body) != language {
				t.Errorf("%q got %q", language, c.body)
			}
		}
	}
	if ask1(r, "/", "Accept-Language", "fr,en"); p.asked() != 3 {
		t.Errorf("asked %d times", p.asked())
	}
	if c := ask1(r, "/"); string(c.body) != "" || p.asked() != 4 {
		t.Errorf("without the field it got %q", c.body)
	}
}

func TestAStaleAnswerIsValidated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{answer: always(200, "page", "Cache-Control", "max-age=10", "Etag", `"1"`, "X-A", "1", "X-B", "1")}
		r := newRoom(t, p, Settings{})
		ask1(r, "/")
		time.Sleep(11 * time.Second)
		p.answer = func(c *call) {
			if value(c.request.Headers, "If-None-Match") != `"1"` || value(c.request.Headers, "Range") != "" {
				t.Errorf("asked with %q", c.request.Headers)
			}
			c.x.Sink.Begin(c)
			c.x.Sink.Respond(&protocol.Response{Status: 304, Flags: protocol.FlagEnd,
				Headers: []string{"Cache-Control", "max-age=100", "X-A", "2", "Content-Length", "0"}})
			c.x.Sink.Finished()
		}
		c := ask1(r, "/", "Range", "bytes=1-2")
		if c.status != 206 || string(c.body) != "ag" || value(c.headers, "X-A") != "2" ||
			value(c.headers, "X-B") != "1" || value(c.headers, "Content-Length") != "2" {
			t.Errorf("%d %q %q", c.status, c.body, c.headers)
		}
		time.Sleep(50 * time.Second)
		if c := ask1(r, "/"); p.asked() != 2 || value(c.headers, "Age") != "50" {
			t.Errorf("asked %d times, age %q", p.asked(), value(c.headers, "Age"))
		}
		synctest.Wait()
	})
}

func TestTheHostAnswersConditionsHeadAndRangesOfWhatItHas(t *testing.T) {
	modified := "Sat, 01 Jan 2000 00:00:00 GMT"
	p := &pool{answer: always(200, "0123456789", "Cache-Control", "max-age=60", "Etag", `W/"a"`, "Last-Modified",
		modified, "Content-Type", "text/plain")}
	r := newRoom(t, p, Settings{})
	ask1(r, "/")
	for _, test := range []struct {
		line    string
		headers []string
		status  int
		body    string
		has     []string
	}{
		{"/", nil, 200, "0123456789", []string{"Content-Length", "10", "Content-Type", "text/plain"}},
		{"HEAD /", nil, 200, "", []string{"Content-Length", "10"}},
		{"/", []string{"If-None-Match", `"x", "a"`}, 304, "", []string{"Etag", `W/"a"`, "Content-Type", ""}},
		{"/", []string{"If-None-Match", `"x"`, "If-Modified-Since", modified}, 200, "0123456789", nil},
		{"/", []string{"If-Modified-Since", modified}, 304, "", nil},
		{"/", []string{"If-Modified-Since", "Fri, 31 Dec 1999 00:00:00 GMT"}, 200, "0123456789", nil},
		{"/", []string{"Range", "bytes=2-4"}, 206, "234", []string{"Content-Range", "bytes 2-4/10"}},
		{"/", []string{"Range", "bytes=8-"}, 206, "89", nil},
		{"/", []string{"Range", "bytes=-3"}, 206, "789", nil},
		{"/", []string{"Range", "bytes=10-"}, 416, "", []string{"Content-Range", "bytes */10"}},
		{"/", []string{"Range", "bytes=0-1,3-4"}, 200, "0123456789", nil},
		{"/", []string{"Range", "bytes=1-2", "If-Range", `W/"a"`}, 200, "0123456789", nil},
		{"/", []string{"Range", "bytes=1-2", "If-Range", modified}, 206, "12", nil},
	} {
		c := ask1(r, test.line, test.headers...)
		if c.status != test.status || string(c.body) != test.body || !c.ended {
			t.Errorf("%s %q: %d %q", test.line, test.headers, c.status, c.body)
		}
		for i := 0; i < len(test.has); i += 2 {
			if got := value(c.headers, test.has[i]); got != test.has[i+1] {
				t.Errorf("%s %q: %s is %q", test.line, test.headers, test.has[i], got)
			}
		}
	}
	if p.asked() != 1 {
		t.Errorf("the pool was asked %d times", p.asked())
	}
}

func TestWhatMayHaveChangedIsForgotten(t *testing.T) {
	for _, test := range []struct {
		status  int
		headers []string
		target  string // that is asked for after a POST to /a
		gone    bool
	}{
		{200, nil, "/a", true},
		{303, []string{"Location", "/b?x=1"}, "/b?x=1", true},
		{201, []string{"Content-Location", "https://example.org/b"}, "/b", true},
		{201, []string{"Location", "https://example.com/b"}, "/b", false},
		{201, []string{"Location", "//example.com/b"}, "/b", false},
		{500, nil, "/a", false},
		{200, nil, "/b", false},
	} {
		p := &pool{answer: always(200, "page", "Cache-Control", "max-age=60")}
		r := newRoom(t, p, Settings{})
		ask1(r, test.target)
		p.answer = always(test.status, "", test.headers...)
		ask1(r, "POST /a")
		p.answer = always(200, "new", "Cache-Control", "max-age=60")
		if ask1(r, test.target); (p.asked() == 3) != test.gone {
			t.Errorf("%+v: the pool was asked %d times", test, p.asked())
		}
	}
}

func TestAnAnswerThatComesWhileItsPageChangesIsNotStored(t *testing.T) {
	p := &pool{}
	r := newRoom(t, p, Settings{})
	first := get("/").from(r)
	old := p.last()
	p.answer = always(200, "")
	ask1(r, "POST /")
	p.answer = nil
	old.respond(200, "old", "Cache-Control", "max-age=60")
	if first.wait(); string(first.body) != "old" {
		t.Errorf("the one who had asked got %q", first.body)
	}
	second := get("/").from(r)
	p.last().respond(200, "new")
	if second.wait(); string(second.body) != "new" {
		t.Errorf("who asks after the change gets %q", second.body)
	}
}

func TestASlowClientTakesAStoredAnswerAtItsPace(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 40<<10)
	p := &pool{answer: func(c *call) {
		c.head(200, "", "Cache-Control", "max-age=60")
		for rest := long; rest != ""; rest = rest[min(len(rest), protocol.MaxData):] {
			c.data(rest[:min(len(rest), protocol.MaxData)], len(rest) <= protocol.MaxData)
		}
		c.x.Sink.Finished()
	}}
	r := newRoom(t, p, Settings{})
	if ask1(r, "/"); p.last().given != len(long) {
		t.Errorf("the worker got %d bytes of its window back", p.last().given)
	}
	slow := get("/")
	slow.slow = true
	slow.from(r)
	for i := 0; slow.waits(); i++ {
		if len(slow.body) > (i+1)*window+protocol.MaxData {
			t.Fatalf("it has %d bytes after %d takes", len(slow.body), i)
		}
		slow.take()
	}
	if string(slow.body) != long || p.asked() != 1 {
		t.Errorf("it got %d bytes", len(slow.body))
	}
	gone := get("/")
	gone.slow = true
	gone.from(r)
	gone.ticket.Cancel(protocol.ResetCancelled)
	if gone.wait(); gone.failure == nil {
		t.Error("a client that has left is told of the end")
	}
}
