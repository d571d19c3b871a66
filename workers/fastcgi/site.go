// Which script answers for a path: it exists below the root, or it is the front controller.

package fastcgi

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// site is the folder of an application, as it is in one generation.
type site struct {
	root  string // absolute, symlinks resolved
	index string // the script of folders, and the front controller
	deny  Deny
	found atomic.Bool // the index in root
}

// answer is what becomes of a path: a script, a redirect to another path, or a status.
type answer struct {
	script   string // its path below the root, in a URL's manner: "/wp-admin/index.php"
	info     string // what comes behind it: PATH_INFO
	redirect string // to be escaped
	status   int    // 400, 403 or 404
}

// find looks the path of a target up, which is in canonical form but for its escapes.
func (s *site) find(canonical string) answer {
	if !strings.HasPrefix(canonical, "/") {
		return answer{status: 404} // "*"
	}
	asked, err := url.PathUnescape(canonical)
	if err != nil || strings.IndexByte(asked, 0) >= 0 {
		return answer{status: 400}
	}
	if s.deny.Matches(canonical) || s.deny.Matches(asked) || s.deny.Matches(path.Clean(asked)) {
		return answer{status: 403}
	}
	found := s.resolve(canonical, asked)
	if s.deny.Matches(found.script) { // the script of a folder
		return answer{status: 403}
	}
	return found
}

// resolve is find without what is denied; asked is the path with all escapes decoded.
func (s *site) resolve(canonical, asked string) answer {
	if strings.Count(asked, "/") == strings.Count(canonical, "/") { // no file has a slash in its name
		if script, info, ok := s.split(asked); ok {
			return answer{script: script, info: info}
		}
		folder := strings.TrimSuffix(asked, "/")
		switch {
		case folder != asked && s.isFile(folder+"/"+s.index):
			return answer{script: folder + "/" + s.index}
		case folder == asked && (s.isFile(folder+"/"+s.index) || s.isFile(folder+"/index.html")):
			return answer{redirect: folder + "/"}
		}
	}
	if s.isFile("/" + s.index) {
		return answer{script: "/" + s.index}
	}
	return answer{status: 404}
}

// split finds the script in a path: up to the first .php that ends a segment, and is a file. Only these very bytes
// count: what another case or another alphabet makes of them is no script.
func (s *site) split(asked string) (script, info string, ok bool) {
	for from := 0; ; {
		i := strings.Index(asked[from:], ".php")
		if i < 0 {
			return "", "", false
		}
		from += i + len(".php")
		if from < len(asked) && asked[from] != '/' || asked[from-len(".php")-1] == '/' {
			continue
		}
		if s.isFile(asked[:from]) {
			return asked[:from], asked[from:], true
		}
	}
}

// isFile says whether there is a file at this path, symlinks followed. A segment that begins with a dot is hidden, as
// it is for what the host serves itself. The front controller is looked for until it is found: php-fpm has it in its
// opcache then, as it is, until the next reload.
func (s *site) isFile(below string) bool {
	isIndex := below[1:] == s.index
	if isIndex && s.found.Load() {
		return true
	}
	if strings.Contains(strings.TrimPrefix(below, "/.well-known/"), "/.") {
		return false
	}
	info, err := os.Stat(s.file(below))
	is := err == nil && info.Mode().IsRegular()
	if is && isIndex {
		s.found.Store(true)
	}
	return is
}

// file is where a path below the root lies.
func (s *site) file(below string) string { return filepath.Join(s.root, filepath.FromSlash(below)) }
