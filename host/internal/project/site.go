// site.go finds unmodified PHP, such as WordPress, and writes the pool that serves it by php-fpm.

package project

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/php"
)

// site is a folder of scripts that expect a fresh PHP for each request.
type site struct {
	root      string // relative to the project, with slashes
	wordpress bool
	user      string   // whom PHP runs as; "" if the host is not root, or there is none for it
	deny      []string // patterns of paths
}

// webUser is whom distributions have for what the web may do.
const webUser = "www-data"

// findSite says whether `host serve` would serve the folder by php-fpm, and notes what there is to say of it.
func (p *project) findSite(dir string, has func(...string) bool) bool {
	kind, root, err := config.Resolve(dir)
	if err != nil || kind != config.FPM {
		return false
	}
	if root, err = filepath.Rel(dir, root); err != nil {
		return false
	}
	s := &site{root: filepath.ToSlash(root), wordpress: has(root, "wp-load.php"), deny: []string{"uploads/*.php"}}
	p.site, p.worker = s, ""
	p.what = "PHP pages: there is a file " + filepath.ToSlash(filepath.Join(root, "index.php"))
	if s.root == "." && has("vendor", "autoload.php") {
		s.deny = append(s.deny, "/vendor/*.php", "/composer.*")
	}
	if s.wordpress {
		p.what = "WordPress: there is a " + filepath.ToSlash(filepath.Join(root, "wp-load.php"))
		s.deny = append(s.deny, "/xmlrpc.php", "/wp-content/debug.log")
		p.lookAtWordPress(filepath.Join(dir, root))
	}
	if os.Geteuid() == 0 {
		if _, err := user.Lookup(webUser); err == nil {
			s.user = webUser
		}
	}
	if _, err := php.FindFPM(context.Background(), &config.Pool{}); err != nil {
		p.notes = append(p.notes, "It can't be served yet: "+err.Error()+".")
	}
	return true
}

// lookAtWordPress says what is missing.
func (p *project) lookAtWordPress(root string) {
	settings, err := os.ReadFile(filepath.Join(root, "wp-config.php"))
	_, above := os.Stat(filepath.Join(root, "..", "wp-config.php"))
	switch {
	case err != nil && above != nil:
		p.notes = append(p.notes, "wp-config.php is missing: WordPress asks the first visitor for its database, and "+
			"writes it, or says what it has to be.")
	case strings.Contains(string(settings), "/etc/wordpress/"):
		p.notes = append(p.notes, "Debian keeps some files of WordPress elsewhere, behind symlinks: `host help "+
			"php-fpm` has the file_roots for them.")
	}
}

// pool is the site's part of host.toml.
func (s *site) pool() string {
	var b strings.Builder
	quoted := make([]string, len(s.deny))
	for i, pattern := range s.deny {
		quoted[i] = fmt.Sprintf("%q", pattern)
	}
	fmt.Fprintf(&b, `
[pool.site]
fpm = true                # php-fpm runs it, a fresh PHP for each request: `+"`host help php-fpm`"+`
root = %q
workers = 8               # php-fpm's children, always: requests at once
# request_timeout = "60s"
`, s.root)
	if s.user != "" {
		fmt.Fprintf(&b, "user = %q         # the host is root, PHP is not\n", s.user)
	} else {
		fmt.Fprintf(&b, "# user = %q       # for a host that is root: whom PHP runs as\n", webUser)
	}
	fmt.Fprintf(&b, `
# Paths that nobody gets, whether they are scripts or files. Add every other folder that the site writes to, as
# "files/*.php": what a visitor has put there must not run.
deny = [%s]

# What new code has to answer, with a status below 400, before it goes live: a page that shows that the site works.
`, strings.Join(quoted, ", "))
	if s.wordpress {
		b.WriteString(`warmup = ["/wp-login.php"] # with the database, the theme and all plugins

php_ini = { memory_limit = "256M", upload_max_filesize = "64M", post_max_size = "64M" }
`)
	} else {
		b.WriteString(`# warmup = ["/"]

# php_ini = { memory_limit = "256M", upload_max_filesize = "64M", post_max_size = "64M" }
`)
	}
	return b.String()
}
