package cache

import (
	"strings"
	"testing"
)

func FuzzCacheControlNeverSaysMoreThanItHas(f *testing.F) {
	for _, seed := range []string{"max-age=60", `private="a, b", x`, `a="\"`, "=,=,", `no-cache="`, "s-maxage = 5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for name := range parseDirectives([]string{line}) {
			if name != strings.ToLower(name) || strings.ContainsAny(name, ",=") || name == "" {
				t.Errorf("a name %q in %q", name, line)
			}
			if !strings.Contains(strings.ToLower(line), name) {
				t.Errorf("%q has no %q", line, name)
			}
		}
		d := parseDirectives([]string{line})
		if t1, _ := d.time("max-age"); t1 < 0 || t1 > longest {
			t.Errorf("max-age %v in %q", t1, line)
		}
		targeted([]string{line})
	})
}

func FuzzConditionsAndRangesStayWithinTheBody(f *testing.F) {
	f.Add("bytes=0-5", `"a", W/"b"`, "Sat, 01 Jan 2000 00:00:00 GMT")
	f.Add("bytes=-9999999999999999999", `*`, "Saturday, 01-Jan-00 00:00:00 GMT")
	f.Fuzz(func(t *testing.T, span, tags, date string) {
		e := &entry{status: 200, body: []byte("0123456789"), etag: `"a"`}
		from, to, part := e.part(get("/", "Range", span).request())
		if part && from >= 0 && (from >= to || to > len(e.body)) {
			t.Errorf("%q is %d to %d", span, from, to)
		}
		e.notModified(get("/", "If-None-Match", tags).request())
		parseDate(date)
	})
}
