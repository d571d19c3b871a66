// Static files: the public folder, before the workers are asked. What is not there, or not for everybody, is the
// workers' to answer.

package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/workerhost/workerhost/protocol"
)

// folder is an open public folder. It is closed when its last user lets go, so that a reload disturbs nobody. Terms
// are a user, as long as somebody is served under them.
type folder struct {
	root  *os.Root
	dir   *os.File     // root once more, for lookups that must not wait
	local bool         // what it has is opened without asking others
	users atomic.Int64 // plus one until close
	told  atomic.Bool  // that a symlink leads out of it

	path    string
	next    *folder // where what is absent here is looked for; nil: nowhere. It is closed with this one
	private bool    // its files are not for everybody
	tried   *folder // in place of this one for the clients that tries knows; likewise. nil: for none
	tries   func(*protocol.Request) bool
}

func openFolder(name string) (*folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("public folder: %w; create it, or change [http] public", err)
	}
	f := &folder{root: root, path: name}
	if f.dir, err = root.Open("."); err != nil {
		root.Close()
		return nil, fmt.Errorf("public folder: %w", err)
	}
	f.local = isLocal(f.dir)
	f.users.Store(1)
	return f, nil
}

func (f *folder) close() {
	if f.users.Add(-1) == 0 {
		f.root.Close()
		f.dir.Close()
		if f.next != nil {
			f.next.close()
		}
		if f.tried != nil {
			f.tried.close()
		}
	}
}

// retain says whether the folder is still open, and keeps it so until close.
func (f *folder) retain() bool {
	for {
		n := f.users.Load()
		if n == 0 {
			return false
		}
		if f.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// servePublic says whether a static file was the answer, or where one is. A request that finds none costs one open of
// its first folder. begin is called before a file is sent.
func (v *visit) servePublic(begin func()) bool {
	shelf, name := v.publicFile()
	if shelf != nil {
		defer shelf.close()
	}
	for in := shelf; in != nil; in = in.next {
		file, info, err := v.openFile(in, name)
		if err == nil {
			return v.sendOpened(in, name, file, info, begin)
		}
		if errors.Is(err, errIrregular) && v.redirectToFolder(in, name) {
			return true
		}
	}
	if name = v.fallback(); name != "" {
		if in := v.terms.folder(); in != nil {
			defer in.close()
			if file, info, err := v.openFile(in, name); err == nil {
				return v.sendOpened(in, name, file, info, begin)
			}
		}
	}
	return false
}

// sendOpened answers with a file of a folder, closes it, and says true.
func (v *visit) sendOpened(in *folder, name string, file *os.File, info os.FileInfo, begin func()) bool {
	defer file.Close()
	begin()
	v.keepPrivate(in)
	v.sendEncoded(in, name, file, info)
	return true
}

// redirectToFolder says whether the answer is that there is a slash to be added: relative links of a folder's page
// lead elsewhere without it.
func (v *visit) redirectToFolder(f *folder, name string) bool {
	file, _, err := v.openFile(f, name+"/"+indexPage)
	if err != nil {
		return false
	}
	file.Close()
	to := v.r.URL.EscapedPath() + "/"
	if v.r.URL.RawQuery != "" {
		to += "?" + v.r.URL.RawQuery
	}
	v.w.Header()["Location"] = []string{to}
	v.reply(verdict{status: http.StatusMovedPermanently, text: "It is at " + to})
	return true
}

// sendPublic answers with a static file.
func (v *visit) sendPublic(file io.ReadSeeker, info os.FileInfo) {
	v.handler.tally.static.Add(1)
	v.w.Header()["X-Content-Type-Options"] = []string{"nosniff"}
	v.sendFile(file, info, http.StatusOK, info.ModTime())
}

// asksForFile says whether a file may be the answer.
func (v *visit) asksForFile() bool {
	return v.terms.public.Load() != nil && (v.r.Method == http.MethodGet || v.r.Method == http.MethodHead)
}

// publicFile is where the static file would be that is the answer, in a folder to be closed; nil if there can be none.
func (v *visit) publicFile() (f *folder, name string) {
	if !v.asksForFile() {
		return nil, ""
	}
	name, ok := publicName(v.r, v.terms.Route.Strip)
	if !ok || v.terms.Denied != nil && v.terms.Denied("/"+name) {
		return nil, ""
	}
	return v.folderOf(), name
}

// fallback is the name of the file that is the answer where there is none, or "".
func (v *visit) fallback() string {
	if v.terms.Route.Fallback == "" || !v.asksForFile() || path.Ext(v.r.URL.Path) != "" {
		return ""
	}
	return v.terms.Route.Fallback
}

// openFile opens a file of a folder for clients.
func (v *visit) openFile(f *folder, name string) (*os.File, os.FileInfo, error) {
	where := func() string { return filepath.Join(f.path, name) }
	file, info, err := openRegular(f.root, name)
	if err != nil && strings.Contains(err.Error(), escapes) { // by a symlink
		if err = errOutside; v.terms.Linked {
			file, info, err = openUnder(v.terms.Backend.Traits().FileRoots, where())
		}
		if errors.Is(err, errOutside) && !f.told.Swap(true) {
			v.handler.log.Warn("a symlink leads out of the public folder and is not followed, nor are others",
				"file", where(), "error", err)
		}
	}
	if err == nil && v.terms.Linked {
		if err = permitted(v.terms.Backend.Traits().Owner, where(), info); err != nil {
			file.Close()
		}
	}
	return file, info, err
}

// indexPage is what a folder is answered with.
const indexPage = "index.html"

// configuration is the host's own file, which may lie in a folder that is served whole, and hold secrets.
const configuration = "host.toml"

// publicName maps a path, behind strip, to a file's name below the folder. It refuses dotfiles (but for
// /.well-known/), code, what editors leave behind, the host's configuration, and every spelling that is not plain.
func publicName(r *http.Request, strip string) (name string, ok bool) {
	p, ok := strings.CutPrefix(r.URL.Path, strip)
	if !ok {
		return "", false // it is spelled otherwise
	}
	if p == "" || p[0] != '/' || strings.ContainsAny(p, "\x00\\:") {
		return "", false
	}
	if raw := r.URL.RawPath; raw != "" && (strings.Contains(raw, "%2f") || strings.Contains(raw, "%2F")) {
		return "", false
	}
	if strings.HasSuffix(p, "/") {
		p += indexPage
	}
	if path.Clean(p) != p || strings.Contains(strings.TrimPrefix(p, "/.well-known/"), "/.") {
		return "", false
	}
	if rest, ok := strings.CutPrefix(p, "/.well-known/"); ok && rest[0] == '.' {
		return "", false
	}
	if p[len(p)-1] == '.' || p[len(p)-1] == ' ' || isCode(p) || isLeftover(path.Base(p)) ||
		strings.EqualFold(path.Base(p), configuration) {
		return "", false
	}
	return p[1:], true
}

// isCode keeps source that a server would run from being shown.
func isCode(name string) bool {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || i < strings.LastIndexByte(name, '/') {
		return false
	}
	switch ext := strings.ToLower(name[i+1:]); {
	case strings.HasPrefix(ext, "php"), ext == "phtml", ext == "pht", ext == "phar", ext == "inc":
		return true
	}
	return false
}

// isLeftover keeps copies from being shown that editors, patch and people in a hurry leave beside a file: they are
// code as often as not.
func isLeftover(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".bak", ".old", ".orig", ".rej", ".save", ".swn", ".swo", ".swp", ".tmp":
		return true
	}
	return strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}
