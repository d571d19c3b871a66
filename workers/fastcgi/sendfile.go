// Files that the application has the host send: X-Accel-Redirect, nginx's word, and X-Sendfile, Apache's.

package fastcgi

import (
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// fileToSend takes the word out of a response's header, and gives the file's path; "" if there is none. Whether the
// host may send it, file_roots says. X-Accel-Redirect names a path of URLs, which lies below the root; X-Sendfile
// names a file, below the root if it is relative.
func (s *site) fileToSend(header http.Header) string {
	accel, sendfile := header.Get("X-Accel-Redirect"), header.Get("X-Sendfile")
	delete(header, "X-Accel-Redirect")
	delete(header, "X-Sendfile")
	switch {
	case accel != "":
		target, _, _ := strings.Cut(accel, "?")
		if plain, err := url.PathUnescape(target); err == nil {
			target = plain
		}
		return s.file(path.Clean("/" + target))
	case sendfile == "":
		return ""
	case filepath.IsAbs(sendfile):
		return filepath.Clean(sendfile)
	}
	return filepath.Join(s.root, sendfile)
}
