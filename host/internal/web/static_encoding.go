// Static files in a coding: as they lie beside the file (app.js.br), or compressed on their way.

package web

import (
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"

	"github.com/workerhost/workerhost/host/internal/compress"
)

// fileCodings are those that a static file may go out in, the best first, of what lies beside it and of what is made.
// A part that is asked for is one of the file as it is.
func (v *visit) fileCodings(name string) (beside, made compress.Ranking) {
	p := v.terms.Compression
	if p == nil || !p.Fits(typeOf(name)) || hasToken(v.w.Header()["Cache-Control"], "no-transform") {
		return beside, made
	}
	vary(v.w.Header())
	if v.r.Method == http.MethodGet && v.value("Range") != "" {
		return beside, made
	}
	accept := v.appendValues(nil, acceptEncoding)
	return p.RankFiles(accept), p.Rank(accept)
}

// openBeside opens the file that lies beside one of a folder in the best of codings.
func (v *visit) openBeside(in *folder, name string, codings compress.Ranking) (f *os.File, info os.FileInfo,
	c compress.Coding) {
	for _, c := range codings {
		if c == compress.Identity {
			break
		}
		if f, info, err := v.openFile(in, name+c.Extension()); err == nil {
			return f, info, c
		}
	}
	return nil, nil, compress.Identity
}

// sendEncoded sends a static file: if it lies there in a coding as it lies there, and else, as one that is made.
func (v *visit) sendEncoded(in *folder, name string, file io.ReadSeeker, info fs.FileInfo) {
	beside, made := v.fileCodings(name)
	if f, i, c := v.openBeside(in, name, beside); f != nil {
		defer f.Close()
		v.sendBeside(name, f, i, c)
		return
	}
	if made[0] == compress.Identity || !v.terms.Compression.Worth(info.Size()) {
		v.sendPublic(file, info)
		return
	}
	v.w.Header()["Etag"] = []string{"W/" + etag(info)}
	v.w = &encodedFile{ResponseWriter: v.deadlined(), visit: v, made: made[0]}
	v.sendPublic(file, info)
}

// sendBeside sends a file that lies there in a coding, for the file of that name.
func (v *visit) sendBeside(name string, file io.ReadSeeker, info fs.FileInfo, c compress.Coding) {
	h, tag := v.w.Header(), etag(info)
	h["Etag"] = []string{tag[:len(tag)-1] + "-" + c.String() + `"`} // no other file's, whatever its size and time
	h["Content-Type"] = []string{typeOf(path.Base(name))}
	v.w = &encodedFile{ResponseWriter: v.deadlined(), visit: v, lies: c}
	v.sendPublic(file, info)
}

// encodedFile is the client of a file that goes out in a coding. What [http.ServeContent] says of the file as it is
// becomes what is true of that, as soon as it is known to be the answer.
type encodedFile struct {
	http.ResponseWriter
	visit *visit
	lies  compress.Coding // of the file; or Identity
	made  compress.Coding // that it is to be given
	waits bool            // the head does, for the body
}

// WriteHeader implements http.ResponseWriter.
func (f *encodedFile) WriteHeader(status int) {
	h := f.Header()
	switch {
	case status != http.StatusOK:
	case f.lies != compress.Identity:
		h["Content-Encoding"] = []string{f.lies.String()}
		delete(h, "Accept-Ranges") // a part is one of the file as it is
	case f.visit.r.Method == http.MethodGet:
		f.waits = true
		return
	default:
		encode(h, f.made)
	}
	f.ResponseWriter.WriteHeader(status)
}

// ReadFrom implements io.ReaderFrom.
func (f *encodedFile) ReadFrom(r io.Reader) (n int64, err error) {
	from, ok := r.(*io.LimitedReader)
	if !f.waits || !ok {
		if to, ok := f.ResponseWriter.(io.ReaderFrom); ok {
			return to.ReadFrom(r)
		}
		return io.Copy(writerOnly{f.ResponseWriter}, r)
	}
	f.waits = false
	l := lents.Get().(*lent)
	defer l.release()
	most := from.N
	if most > smallAnswer {
		return f.stream(l, from)
	}
	if l.bytes, n, err = appendFrom(l.bytes[:0], from); err != nil || n < most {
		panic(http.ErrAbortHandler) // it has changed
	}
	made := f.visit.encodeWhole(f.made, l.bytes)
	defer made.release()
	f.ResponseWriter.WriteHeader(http.StatusOK)
	_, err = f.ResponseWriter.Write(made.bytes)
	return n, err
}

// stream compresses a file that is not small, for which the client is waited for.
func (f *encodedFile) stream(l *lent, from *io.LimitedReader) (n int64, err error) {
	encode(f.Header(), f.made)
	f.ResponseWriter.WriteHeader(http.StatusOK)
	s := newEncodedStream(f.ResponseWriter, f.visit.terms.Compression, f.made)
	defer s.stream.Drop()
	for from.N > 0 {
		piece := &io.LimitedReader{R: from, N: min(from.N, smallAnswer)}
		want := piece.N
		k := int64(0)
		if l.bytes, k, err = appendFrom(l.bytes[:0], piece); err != nil || k < want {
			panic(http.ErrAbortHandler) // it has changed
		}
		if _, err := s.Write(l.bytes); err != nil {
			panic(http.ErrAbortHandler)
		}
		n += k
	}
	if s.end() != nil {
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

// Unwrap is what http.ResponseController looks for.
func (f *encodedFile) Unwrap() http.ResponseWriter { return f.ResponseWriter }
