// Files that a worker answers with (RESPONSE's file, SPEC.md §5.3): under the pool's roots only, with ranges and
// validators, by sendfile.

package web

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// deliverFile serves the response's file. One that can't be served makes it no valid response: 502, as with any other,
// and the log says why.
func (x *exchange) deliverFile(v *visit) {
	m := &x.response
	traits := x.terms.Backend.Traits()
	f, info, err := openUnder(traits.FileRoots, m.File)
	if err == nil {
		if err = permitted(traits.Owner, m.File, info); err != nil {
			f.Close()
		}
	}
	if err != nil {
		x.handler.log.Error("a worker's file can't be served", x.about("file", m.File, "error", err)...)
		v.blame("file not served")
		v.answer(verdict{status: http.StatusBadGateway}, err.Error())
		return
	}
	defer f.Close()
	h := v.w.Header()
	x.copyHeaders(h, m.Headers)
	delete(h, "Content-Length")
	modified := info.ModTime()
	if given, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		modified = given
	}
	spell(h, v.r, m.Headers, true)
	v.sendFile(f, info, m.Status, modified)
}

// sendFile writes a file with what is set in the header already. Only a 200 can become a 206, 304, 412 or 416.
func (v *visit) sendFile(f io.ReadSeeker, info fs.FileInfo, status int, modified time.Time) {
	h := v.w.Header()
	v.parting()
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = []string{typeOf(info.Name())}
	}
	if status == http.StatusOK && (v.r.Method == http.MethodGet || v.r.Method == http.MethodHead) {
		if _, ok := h["Etag"]; !ok {
			h["Etag"] = []string{etag(info)}
		}
		heedRange(v.r.Method, v.header(), info.Size())
		http.ServeContent(v.deadlined(), v.r, "", modified, f)
		return
	}
	h["Content-Length"] = []string{strconv.FormatInt(info.Size(), 10)}
	v.w.WriteHeader(status)
	if v.r.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		return
	}
	if n, err := io.CopyN(v.deadlined(), f, info.Size()); err != nil || n != info.Size() {
		panic(http.ErrAbortHandler)
	}
}

// deadlined renews the write deadline of an HTTP/2 stream with each write; HTTP/1's writer it leaves alone, for
// sendfile.
func (v *visit) deadlined() http.ResponseWriter {
	if _, does := v.w.(*encodedFile); v.r.ProtoMajor == 1 || does {
		return v.w
	}
	return &patient{v.w, v}
}

type patient struct {
	http.ResponseWriter
	visit *visit
}

// Write implements io.Writer.
func (p *patient) Write(b []byte) (int, error) {
	p.visit.moreTime()
	return p.ResponseWriter.Write(b)
}

// Unwrap is what http.ResponseController looks for, where the visit's client is an encodedFile around this one.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// etag tells versions of a file apart by size and time of change; it is strong, since that time is in nanoseconds.
func etag(info fs.FileInfo) string {
	b := make([]byte, 0, 32)
	b = append(b, '"')
	b = strconv.AppendInt(b, info.Size(), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, info.ModTime().UnixNano(), 36)
	return string(append(b, '"'))
}

// openUnder opens a regular file below one of the roots. Symlinks are followed as long as they stay below it.
func openUnder(roots []string, path string) (*os.File, fs.FileInfo, error) {
	if !filepath.IsAbs(path) || strings.IndexByte(path, 0) >= 0 {
		return nil, nil, errors.New("its path is not absolute: give the whole path")
	}
	path = filepath.Clean(path)
	f, info, err := tryRoots(roots, path)
	if err == nil || !errors.Is(err, errOutside) {
		return f, info, err
	}
	// The worker may know the folder by another name, through a symlink.
	real, e := filepath.EvalSymlinks(path)
	if e != nil {
		return nil, nil, err
	}
	plain := make([]string, 0, len(roots))
	for _, root := range roots {
		if p, e := filepath.EvalSymlinks(root); e == nil {
			plain = append(plain, p)
		}
	}
	if f, info, e = tryRoots(plain, real); e == nil {
		return f, info, nil
	}
	return nil, nil, err
}

var errOutside = errors.New("it lies outside the pool's file_roots: add its folder there, or move the file")

func tryRoots(roots []string, path string) (*os.File, fs.FileInfo, error) {
	last := errOutside
	for _, root := range roots {
		rel, err := filepath.Rel(root, path)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		dir, err := os.OpenRoot(root)
		if err != nil {
			last = fmt.Errorf("its root can't be opened: %w", err)
			continue
		}
		f, info, err := openRegular(dir, rel)
		dir.Close()
		if err == nil {
			return f, info, nil
		}
		if last = err; strings.Contains(err.Error(), escapes) {
			last = errOutside
		}
	}
	return nil, nil, last
}

// escapes is package os's word for a path that leads out of its root.
const escapes = "escapes"

var errIrregular = errors.New("it is no regular file")

// openRegular opens without waiting for the other end of a named pipe.
func openRegular(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|nonblocking, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errIrregular
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
