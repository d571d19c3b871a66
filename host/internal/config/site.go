// site.go looks at pools of PHP that knows nothing of the host: a folder of scripts, under a php-fpm of the pool's
// own or a FastCGI server that runs already.

package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Site says where the scripts of such a pool are, and who runs them.
type Site struct {
	FPM     bool     `key:"fpm" absent:"false" means:"serve unmodified PHP, a fresh one for each request: the host runs php-fpm, with workers as its children; needs root"`
	FastCGI string   `key:"fastcgi" holds:"address" absent:"off" means:"instead of fpm, a FastCGI server that runs already, unix:/path or host:port, which takes workers requests at once; needs root"`
	Root    string   `key:"root" holds:"path" absent:"required with fpm and fastcgi" means:"with fpm or fastcgi, the folder of the site, whose scripts run and whose other files the host serves as those of public; symlinks in it are followed anew at each reload"`
	Index   string   `key:"index" default:"index.php" means:"with fpm or fastcgi, the script that answers for a folder, and, in root, for all that is no file"`
	Deny    []string `key:"deny" holds:"array of patterns" absent:"[\"uploads/*.php\"]" means:"with fpm or fastcgi, paths that are answered 403, where * is any characters, slashes too; one without a slash at its beginning may begin at any folder"`
}

// serves says that the pool is one of a site.
func (s *Site) serves() bool { return s.FPM || s.FastCGI != "" }

// denyUploads is what folders of uploads are called as often as not: what a visitor has put there is never to run.
var denyUploads = []string{"uploads/*.php"}

// vain are keys without an effect on pools of sites, and what to do instead, and outside those that have none with
// fastcgi alone.
var vain, outside = map[string]string{
	"command": "keep one of them", "worker": "keep one of them", "directory": "write root",
	"min_workers": "write workers", "max_workers": "write workers", "idle_timeout": "write workers",
	"max_pool_memory": "write workers",
	"max_memory":      `write php_ini = { memory_limit = "128M" }, or max_requests`,
	"max_memory_hard": `write php_ini = { memory_limit = "128M" }, or max_requests`,
	"concurrency":     "write workers", "surge": "remove it", "delivery": "remove it", "wire": "remove it",
}, []string{"php", "php_ini", "env", "inherit_env", "user", "group", "umask", "rlimits", "confine", "max_requests",
	"slow_trace"}

// checkSite completes a pool of a site: its directory is the root.
func (p *Pool) checkSite(c *Config, fail fail) {
	for _, key := range slices.Sorted(maps.Keys(vain)) {
		if c.has(p.at + "." + key) {
			fail(p.at+"."+key, "has no effect with fpm or fastcgi: %s", vain[key])
		}
	}
	if p.FPM && p.FastCGI != "" {
		fail(p.at+".fastcgi", "fpm is given as well: keep fpm for a php-fpm of the host's own, or "+
			"fastcgi for one that runs already")
	}
	if p.FastCGI != "" {
		p.Kind = FastCGI
		for _, key := range outside {
			if c.has(p.at + "." + key) {
				fail(p.at+"."+key, "has no effect with fastcgi, since that server has settings of its own: remove it")
			}
		}
		if address, err := parseAddress(p.FastCGI, c.Folder); err != nil {
			fail(p.at+".fastcgi", "%v", err)
		} else {
			p.FastCGI = address
		}
	} else {
		p.Kind = FPM
	}
	if p.Root == "" {
		fail(p.at+".root", "the folder of the site is missing: write root = \"/srv/site\"")
	} else if c.folder(&p.Root, p.at+".root", fail) {
		p.serve(p.Root)
	}
	if strings.ContainsAny(p.Index, `/\`) || strings.HasPrefix(p.Index, ".") || !strings.HasSuffix(p.Index, ".php") {
		fail(p.at+".index", "expected the name of a .php file, such as \"index.php\", found %s", describe(p.Index))
	}
	if !c.has(p.at + ".deny") {
		p.Deny = slices.Clone(denyUploads)
	}
	p.checkPatterns("deny", p.Deny, fail)
}

// checkPatterns refuses what is no pattern of paths.
func (p *Pool) checkPatterns(key string, patterns []string, fail fail) {
	for i, pattern := range patterns {
		if strings.Trim(pattern, "/") == "" || strings.ContainsAny(pattern, "?#") || strings.Contains(pattern, "//") {
			fail(fmt.Sprintf("%s.%s.%d", p.at, key, i), `expected a pattern of paths, such as "uploads/*.php", found %s`,
				describe(pattern))
		}
	}
}

// serve makes folder, which is absolute, the pool's root.
func (p *Pool) serve(folder string) { p.Root, p.Directory = folder, folder }

// checkNoSite refuses the settings of a site where there is none.
func (p *Pool) checkNoSite(c *Config, fail fail) {
	for _, key := range []string{"root", "index", "deny"} {
		if c.has(p.at + "." + key) {
			fail(p.at+"."+key, "has no effect without fpm = true or fastcgi: write one of them, or remove it")
		}
	}
}
