package protocol

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestAPathHasOneSpelling(t *testing.T) {
	for target, want := range map[string]string{
		"/":                   "/",
		"/?a=/../b":           "/",
		"/admin":              "/admin",
		"/%61dmin":            "/admin",
		"//admin":             "/admin",
		"/x/../admin":         "/admin",
		"/x/%2e%2E/admin":     "/admin",
		"/./admin//":          "/admin/",
		"/admin/.":            "/admin/",
		"/admin/x/..":         "/admin/",
		"/admin%2f..":         "/admin%2f..", // %2F is no slash
		"/admin%2F..":         "/admin%2F..",
		"/a%20b%3f":           "/a%20b%3f",
		"/Admin":              "/Admin",
		"/.well-known/x":      "/.well-known/x",
		"/...":                "/...",
		"/%7euser":            "/~user",
		"/%2561":              "/%2561", // decoded once
		"/%C3%A9/caf\xc3\xa9": "/%C3%A9/caf\xc3\xa9",
	} {
		if got, ok := CanonicalPath(target); got != want || !ok {
			t.Errorf("%s: %q, %v; want %q", target, got, ok, want)
		}
	}
	for _, target := range []string{"", "*", "admin", "http://x/", "/%", "/%4", "/%zz", "/a%6", "/..", "/../x",
		"/x/../../x", "/%2e%2e/x", "/x//../.."} {
		if got, ok := CanonicalPath(target); ok {
			t.Errorf("%q has no canonical form, and became %q", target, got)
		}
	}
}

func TestACanonicalPathCostsNothing(t *testing.T) {
	for _, target := range []string{"/", "/api/v1/users?x=%61", "/a%20b/%2F"} {
		if n := testing.AllocsPerRun(100, func() { CanonicalPath(target) }); n > 0 {
			t.Errorf("%s: %v allocations", target, n)
		}
	}
}

func FuzzCanonicalPath(f *testing.F) {
	for _, target := range []string{"/%61dmin", "//admin", "/x/../admin", "/admin%2f..", "/%2e%2e", "*", "/a/./b/?c",
		"/%", "/.%2e/", "/%252e"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, ok := CanonicalPath(target)
		if !ok {
			return
		}
		if again, ok := CanonicalPath(got); !ok || again != got {
			t.Errorf("%q became %q, and that %q, %v", target, got, again, ok)
		}
		if got[0] != '/' || strings.Contains(got, "//") || strings.Contains(got+"/", "/../") ||
			strings.Contains(got+"/", "/./") {
			t.Errorf("%q became %q", target, got)
		}
		asked, _, _ := strings.Cut(target, "?")
		one, err := url.PathUnescape(asked)
		other, wrong := url.PathUnescape(got)
		if err != nil || wrong != nil {
			t.Fatalf("%q became %q, which do not decode alike: %v, %v", target, got, err, wrong)
		}
		if path.Clean(one) != path.Clean(other) && !strings.Contains(strings.ToLower(asked), "%2f") {
			t.Errorf("%q became %q: %q and %q", target, got, one, other)
		}
	})
}
