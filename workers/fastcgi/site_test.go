package fastcgi

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestAPathLeadsToAScriptThatExistsOrToTheFrontController(t *testing.T) {
	root := siteOf(t, "admin/index.php", "admin/page.php", "uploads/evil.php", "uploads/deep/evil.php",
		"uploads/index.php", "style.css", "code.phps", "X.PHP", ".hidden/x.php", "docs/index.html", "a.php/b.php",
		".well-known/x.php", "é.php", "pİphp")
	if err := os.WriteFile(filepath.Join(filepath.Dir(root), "outside.php"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := site{root: root, index: "index.php", deny: Deny{"uploads/*.php", "/admin/page.php"}}
	front := answer{script: "/index.php"}
	denied := answer{status: 403}
	for target, want := range map[string]answer{
		"/":                            front,
		"/index.php":                   front,
		"/index.php/a/b":               {script: "/index.php", info: "/a/b"},
		"/nothing":                     front,
		"/nothing.php":                 front,
		"/admin":                       {redirect: "/admin/"},
		"/admin/":                      {script: "/admin/index.php"},
		"/admin/index.php/x.php":       {script: "/admin/index.php", info: "/x.php"},
		"/docs":                        {redirect: "/docs/"},
		"/docs/":                       front,
		"/admin//index.php":            {script: "/admin/index.php"},
		"/x/../admin/index.php":        {script: "/admin/index.php"},
		"/%61dmin/index.php":           {script: "/admin/index.php"},
		"/admin/index%2ephp":           {script: "/admin/index.php"},
		"/admin%2findex.php":           front,
		"/admin%2f..":                  front,
		"/%C3%A9.php":                  {script: "/é.php"},
		"/../outside.php":              front,
		"/%2e%2e/outside.php":          front,
		"/..%2foutside.php":            front,
		"/admin/..%2f..%2foutside.php": front,
		"/uploads/evil.php":            denied,
		"/uploads/evil.php/x":          denied,
		"/uploads/deep/evil.php":       denied,
		"/uploads/":                    denied,
		"/uploads%2fevil.php":          denied,
		"/%75ploads/evil.php":          denied,
		"//uploads/evil.php":           denied,
		"/uploads/evil%2ephp":          denied,
		"/admin/page.php":              denied,
		"/admin/x%2f..%2fpage.php":     denied,
		"/style.css":                   front,
		"/code.phps":                   front,
		"/X.PHP":                       front,
		"/.hidden/x.php":               front,
		"/.well-known/x.php":           {script: "/.well-known/x.php"},
		"/a.php/b.php":                 {script: "/a.php/b.php"},
		"/p%C4%B0php":                  front,
		"/x%00.php":                    {status: 400},
		"/x%zz":                        {status: 400},
		"*":                            {status: 404},
	} {
		canonical, _ := protocol.CanonicalPath(target)
		if got := s.find(canonical); got != want {
			t.Errorf("%s: got %+v, want %+v", target, got, want)
		}
	}
}

func TestAFrontControllerIsLookedForUntilItIsThere(t *testing.T) {
	s := site{root: siteOf(t, "admin/index.php"), index: "front.php"}
	if got := s.find("/nothing"); got.status != 404 {
		t.Errorf("without one: %+v", got)
	}
	front := s.file("/front.php")
	if err := os.WriteFile(front, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := s.find("/nothing"); got.script != "/front.php" {
		t.Errorf("with one: %+v", got)
	}
	os.Remove(front)
	if got := s.find("/nothing"); got.script != "/front.php" {
		t.Errorf("with one in php-fpm's opcache: %+v", got)
	}
}

func TestADeniedPatternMatchesWholeSegments(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"uploads/*.php", "/uploads/a.php", true},
		{"uploads/*.php", "/wp-content/uploads/2026/a.php/info", true},
		{"uploads/*.php", "/myuploads/a.php", false},
		{"uploads/*.php", "/uploads/a.phpx", false},
		{"/private", "/private", true},
		{"/private", "/private/x", true},
		{"/private", "/privateer", false},
		{"/private", "/a/private", false},
		{"*", "/anything", true},
		{"a*b*c", "/axxbxxc", true},
		{"a*b*c", "/axxcxxb", false},
		{strings.Repeat("a*", 40) + "z", "/" + strings.Repeat("a", 4000), false},
	} {
		if got := (Deny{c.pattern}).Matches(c.path); got != c.want {
			t.Errorf("%.20s on %.40s: %v", c.pattern, c.path, got)
		}
	}
}

func TestAFileToSendLiesBelowTheRootUnlessItsPathIsWhole(t *testing.T) {
	s := site{root: filepath.FromSlash("/srv/site")}
	for _, c := range []struct{ name, value, want string }{
		{"X-Accel-Redirect", "/private/a%20b.pdf?x", "/srv/site/private/a b.pdf"},
		{"X-Accel-Redirect", "/../../etc/passwd", "/srv/site/etc/passwd"},
		{"X-Accel-Redirect", "/%2e%2e/%2e%2e/etc/passwd", "/srv/site/etc/passwd"},
		{"X-Sendfile", "/var/files/a", "/var/files/a"},
		{"X-Sendfile", "a/b", "/srv/site/a/b"},
		{"X-Other", "a/b", ""},
	} {
		h := http.Header{c.name: {c.value}}
		if got := s.fileToSend(h); got != filepath.FromSlash(c.want) {
			t.Errorf("%s: %s: got %s, want %s", c.name, c.value, got, c.want)
		}
		if c.want != "" && len(h) > 0 {
			t.Errorf("the client would learn of %v", h)
		}
	}
}

// Whatever is asked for, what runs is a file below the root, and not one that is denied.
func FuzzSite(f *testing.F) {
	dir := f.TempDir()
	root := filepath.Join(dir, "root")
	for _, name := range []string{"root/index.php", "root/uploads/x.php", "root/a/index.php", "secret.php"} {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, nil, 0o644)
	}
	for _, seed := range []string{
		"/", "/a", "/uploads/x.php", "/../secret.php", "/%2e%2e%2fsecret.php", "/a/index.php/x", "//a", "/a%00", "*",
	} {
		f.Add(seed)
	}
	s := site{root: root, index: "index.php", deny: Deny{"uploads/*.php"}}
	f.Fuzz(func(t *testing.T, target string) {
		canonical, _ := protocol.CanonicalPath(target)
		got := s.find(canonical)
		if got.redirect != "" && (!strings.HasPrefix(got.redirect, "/") || strings.HasPrefix(got.redirect, "//")) {
			t.Fatalf("%q leads to %q", target, got.redirect)
		}
		if got.script == "" {
			return
		}
		path := s.file(got.script)
		if !strings.HasPrefix(path, root+string(filepath.Separator)) || strings.Contains(path, "uploads") {
			t.Fatalf("%q runs %q", target, path)
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			t.Fatalf("%q runs %q, which is no file", target, path)
		}
	})
}
