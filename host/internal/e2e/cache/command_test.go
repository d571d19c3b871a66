package cache

import (
	"strings"
	"testing"
)

func TestHostCacheShowsWhatIsStoredAndPurgesIt(t *testing.T) {
	t.Parallel()
	h := twoSites(t)
	run := func(want string, args ...string) {
		t.Helper()
		out, code := h.Run("cache", args...)
		refused := strings.HasPrefix(want, "host cache: ")
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) || (code == 0) == refused {
			t.Errorf("host cache %q: exit %d, no %q in\n%s", args, code, want, out)
		}
	}
	h.Get("/a")
	h.Get("/a")
	h.Get("/other/a")
	run("1 hit, 0 stale, 2 miss, 0 waited, 0 bypass")
	run("web web 1")
	run("200, 4 bytes, fresh for", "show", "/a")
	run("1 hit, route web, pool web generation 1, realm one, tags all page/a", "show", h.URL+"/a")
	run(`"url":"`+h.URL+`/other/a"`, "show", "--json", "/other/*")
	run("nothing is stored of it", "show", "/b")
	run(`"answers":1`, "purge", "--realm", "two", "--tag", "all", "--json")
	run("1 answer purged", "purge", "/*")
	run("0 answers purged", "purge", "--all")
	run(`host cache: there is no realm "three"; there are: one, two; nothing was done`, "purge", "--all", "--realm", "three")
	run(`"purged":2`, "status", "--json")
}
