package project

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/config"
)

// placed is a folder with these files.
func placed(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("<?php"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUnmodifiedPHPIsServedByPHPFPM(t *testing.T) {
	for name, c := range map[string]struct {
		files  []string
		what   string
		root   string
		deny   []string
		warmup string
		note   string
	}{
		"WordPress": {[]string{"index.php", "wp-load.php", "wp-config.php"}, "WordPress: there is a wp-load.php", ".",
			[]string{"uploads/*.php", "/xmlrpc.php", "/wp-content/debug.log"}, "/wp-login.php", ""},
		"WordPress, not set up": {[]string{"index.php", "wp-load.php"}, "WordPress", ".",
			[]string{"uploads/*.php", "/xmlrpc.php", "/wp-content/debug.log"}, "/wp-login.php",
			"wp-config.php is missing"},
		"pages": {[]string{"index.php", "contact.php"}, "PHP pages: there is a file index.php", ".",
			[]string{"uploads/*.php"}, "", ""},
		"pages with Composer": {[]string{"index.php", "vendor/autoload.php"}, "PHP pages", ".",
			[]string{"uploads/*.php", "/vendor/*.php", "/composer.*"}, "", ""},
		"a public folder": {[]string{"public/index.php", "lib.php", "vendor/autoload.php"}, "public/index.php",
			"public", []string{"uploads/*.php"}, "", ""},
		"Drupal's folder": {[]string{"web/index.php"}, "web/index.php", "web", []string{"uploads/*.php"}, "", ""},
	} {
		dir := placed(t, c.files...)
		p, err := inspectProject(dir)
		if err != nil || p.site == nil || p.worker != "" || !strings.Contains(p.what, c.what) {
			t.Errorf("%s: found %+v, %v", name, p, err)
			continue
		}
		if notes := strings.Join(p.notes, "\n"); !strings.Contains(notes, c.note) || c.note == "" && len(notes) > 0 &&
			!strings.Contains(notes, "php-fpm") {
			t.Errorf("%s: it says %q, and not %q", name, notes, c.note)
		}
		text := p.hostFile()
		if os.Geteuid() != 0 { // a user is for a host that is root
			text = strings.ReplaceAll(text, "\nuser", "\n# user")
		}
		read, err := config.Parse(filepath.Join(dir, config.FileName), []byte(text), os.LookupEnv)
		if err != nil {
			t.Errorf("%s: %v in\n%s", name, err, text)
			continue
		}
		pool := read.Pool("site")
		warmup := ""
		if len(pool.Warmup) > 0 {
			warmup = pool.Warmup[0].Path
		}
		if !pool.FPM || pool.Root != filepath.Join(dir, c.root) || !slices.Equal(pool.Deny, c.deny) ||
			warmup != c.warmup {
			t.Errorf("%s: fpm %v, root %s, deny %q, warmup %q", name, pool.FPM, pool.Root, pool.Deny, warmup)
		}
	}
}

func TestAFolderOfScriptsWithoutAnIndexIsNoSite(t *testing.T) {
	p, err := inspectProject(placed(t, "import.php", "start.php"))
	if err != nil || p.site != nil || p.worker != workerFile {
		t.Errorf("found %+v, %v", p, err)
	}
	if notes := strings.Join(p.notes, ""); !strings.Contains(notes, "fpm = true") {
		t.Errorf("it says %q", notes)
	}
	for _, files := range [][]string{
		{"index.php", "worker.php"}, {"index.php", "artisan"}, {"public/index.php", "bin/console"},
	} {
		if p, err := inspectProject(placed(t, files...)); err != nil || p.site != nil {
			t.Errorf("%q is a site: %+v, %v", files, p, err)
		}
	}
}
