package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestCacheReadsItsCommandLine(t *testing.T) {
	for line, want := range map[string]string{
		"":                       "status {[] [] false }",
		"status":                 "status {[] [] false }",
		"show /a":                "show {[] [/a] false }",
		"show /a* realm=shop":    "show {[] [/a*] false shop}",
		"purge /a https://b/c":   "purge {[] [/a https://b/c] false }",
		"purge tag=x tag=y":      "purge {[x y] [] false }",
		"purge all=1 realm=shop": "purge {[] [] true shop}",
		"purge":                  "purge needs URLs, --tag TAG or --all",
		"purge realm=shop":       "purge needs URLs, --tag TAG or --all",
		"purge example.org":      `"example.org" is no URL to purge`,
		"show a":                 `"a" is no URL to purge`,
		"show":                   "expected [status",
		"show /a /b":             "expected [status",
		"show /a tag=x":          "expected [status",
		"status /a":              "expected [status",
		"status realm=shop":      "expected [status",
		"all=1":                  "expected [status",
		"clear":                  "expected [status",
	} {
		var args []string
		var o control.CachePurge
		for _, word := range strings.Fields(line) {
			switch name, value, isFlag := strings.Cut(word, "="); {
			case !isFlag:
				args = append(args, word)
			case name == "tag":
				o.Tags = append(o.Tags, value)
			case name == "all":
				o.All = true
			default:
				o.Realm = value
			}
		}
		order, err := readCache(args, &o)
		got := fmt.Sprint(order, " ", o)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s", line, got)
		}
	}
}

func TestACacheAndItsAnswersAreShown(t *testing.T) {
	shown := func(show func(*Terminal)) string {
		var out bytes.Buffer
		show(&Terminal{Out: &out})
		return out.String()
	}
	st := control.CacheStatus{Answers: 2, Bytes: 3 << 10, Size: 64 << 20, Stored: 5, Validated: 1, Purged: 3,
		Requests: map[string]uint64{"hit": 17, "miss": 5, "bypass": 2},
		Routes: []control.CacheRoute{{Route: "blog", Pool: "app", Answers: 2, Bytes: 3 << 10},
			{Route: "shop", Pool: "app"}}}
	got := shown(func(t *Terminal) { t.showCache(&st) })
	for _, row := range []string{"stored 2 answers, 3.0 KiB of 64.0 MiB",
		"requests 17 hit, 0 stale, 5 miss, 0 waited, 2 bypass", "so far 5 stored, 1 validated, 3 purged",
		"ROUTE POOL ANSWERS SIZE blog app 2 3.0 KiB shop app 0 -"} {
		if !strings.Contains(strings.Join(strings.Fields(got), " "), row) {
			t.Errorf("no %q in\n%s", row, got)
		}
	}
	st.Routes[0].Realm = "a"
	if got := shown(func(t *Terminal) { t.showCache(&st) }); !strings.Contains(got, "REALM") {
		t.Error(got)
	}
	if got := shown(func(t *Terminal) { t.showCache(&control.CacheStatus{}) }); got !=
		"no route has a cache: host help cache\n" {
		t.Error(got)
	}
	got = shown(func(t *Terminal) {
		t.showCached(&control.CachedAnswers{More: 4, Answers: []control.CachedAnswer{
			{URL: "https://a/\x1b", Route: "blog", Pool: "app", Status: 200, Bytes: 12, Since: 70, Fresh: 50, Hits: 1,
				Generation: 3, Tags: []string{"x", "y"}, Vary: []string{"accept-language: de"}, Realm: "r"},
			{URL: "https://a/b", Route: "blog", Pool: "app", Status: 404, Fresh: -2.5},
			{URL: "https://a/c", Route: "blog", Pool: "app", Refused: true, Fresh: 90},
		}})
	})
	want := `https://a/·
    200, 12 bytes, fresh for 50.0s, stored 1m 10s ago, 1 hit, route blog, pool app generation 3, ` +
		`realm r, tags x y, for accept-language: de
https://a/b
    404, 0 bytes, stale since 2.5s, stored 0ms ago, 0 hits, route blog, pool app generation 0
https://a/c
    not stored, and nobody waits for it for 1m 30s, route blog, pool app
and 4 more
`
	if got != want {
		t.Errorf("%s", got)
	}
}
