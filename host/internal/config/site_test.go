package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestASiteOfUnmodifiedPHPNeedsItsFolderAlone(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	if err := os.MkdirAll("site", 0o755); err != nil {
		t.Fatal(err)
	}
	uploads := []string{"uploads/*.php"}
	for text, want := range map[string]Pool{
		"fpm = true\nroot = 'site'": {Kind: FPM,
			Site: Site{Index: "index.php", Deny: uploads}},
		"fpm = true\nroot = 'site'\ndeny = []\nindex = 'app.php'": {Kind: FPM, Site: Site{Index: "app.php"}},
		"fastcgi = 'unix:/run/x.sock'\nroot = 'site'": {
			Kind: FastCGI, Site: Site{FastCGI: "unix:/run/x.sock", Index: "index.php", Deny: uploads},
		},
	} {
		c, err := Parse("host.toml", []byte("[pool.web]\n"+text), os.LookupEnv)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		p, root := c.Pools[0], filepath.Join(folder, "site")
		if p.Kind != want.Kind || p.Root != root || p.Directory != root || p.Index != want.Index ||
			p.FastCGI != want.FastCGI || !slices.Equal(p.Deny, want.Deny) {
			t.Errorf("%s: %+v", text, p)
		}
	}
}

func TestAFolderWithAnIndexIsServedByItself(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("index.php", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Default()
	if err == nil {
		err = c.Apply(Overrides{Worker: ".", Control: "c"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Pools[0]; p.Kind != FPM || p.Root == "" || p.Root != p.Directory || !slices.Equal(p.Deny, denyUploads) {
		t.Errorf("%+v", p)
	}
	if err := os.WriteFile("worker.php", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if kind, _, err := Resolve("."); kind != PHPFile || err != nil {
		t.Errorf("beside worker.php it is a %v, %v", kind, err)
	}
}

func TestAProjectIsServedFromTheFolderThatHasItsIndex(t *testing.T) {
	for _, name := range []string{"public", "web", "webroot"} {
		dir := t.TempDir()
		root := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(root, 0o755), os.WriteFile(filepath.Join(root, "index.php"), nil, 0o644),
			os.WriteFile(filepath.Join(dir, "lib.php"), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		if kind, path, err := Resolve(dir); kind != FPM || path != root || err != nil {
			t.Errorf("it is a %v at %s, %v", kind, path, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "index.php"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if kind, path, err := Resolve(dir); kind != FPM || path != dir || err != nil {
			t.Errorf("with an index of its own it is a %v at %s, %v", kind, path, err)
		}
	}
}

func TestWhatASiteCanNotHaveIsRefused(t *testing.T) {
	const site = "[pool.web]\nfpm = true\nroot = 'public'\n"
	checkMistakes(t, []mistake{
		{"[pool.web]\nfpm = true",
			`host.toml:1: [pool.web] root: the folder of the site is missing: write root = "/srv/site"`},
		{"[pool.web]\nfpm = true\nroot = 'none'",
			`host.toml:3: [pool.web] root: there is no folder SITE/none: create it, or mend the path`},
		{site + "worker = 'worker.php'",
			`host.toml:4: [pool.web] worker: has no effect with fpm or fastcgi: keep one of them`},
		{site + "max_memory = '1GiB'",
			`host.toml:4: [pool.web] max_memory: has no effect with fpm or fastcgi: write php_ini = { memory_limit = "128M" }, or max_requests`},
		{site + "fastcgi = ':9000'",
			`host.toml:4: [pool.web] fastcgi: fpm is given as well: keep fpm for a php-fpm of the host's own, or fastcgi for one that runs already`},
		{site + "index = '../x.php'",
			`host.toml:4: [pool.web] index: expected the name of a .php file, such as "index.php", found "../x.php"`},
		{site + "deny = ['a', '']",
			`host.toml:4: [pool.web] deny.1: expected a pattern of paths, such as "uploads/*.php", found ""`},
		{site + "unchecked = ['/']",
			`host.toml:4: [pool.web] unchecked.0: expected a pattern of paths, such as "uploads/*.php", found "/"`},
		{"[pool.web]\nfastcgi = ':9000'\nroot = 'public'\nunchecked = ['*']",
			`host.toml:4: [pool.web] unchecked: has no effect on what is no PHP: remove it`},
		{"[pool.web]\nfastcgi = 'nowhere'\nroot = 'public'",
			`host.toml:2: [pool.web] fastcgi: expected "host:port", ":port" or "unix:/path", found "nowhere": write "nowhere:8080"`},
		{"[pool.web]\nfastcgi = ':9000'\nroot = 'public'\nphp_ini = {}",
			`host.toml:4: [pool.web] php_ini: has no effect with fastcgi, since that server has settings of its own: remove it`},
		{good + "root = 'public'",
			`host.toml:3: [pool.web] root: has no effect without fpm = true or fastcgi: write one of them, or remove it`},
	})
}
