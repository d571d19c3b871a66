// Forms: multipart/form-data (RFC 7578) taken apart for the worker, files spooled to a private folder until the worker
// is done.

package web

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

// maxFieldBytes is how much all fields of a form may hold together, names included: they travel in one frame.
const maxFieldBytes = 1 << 20

// form is a parsed body's files on disk.
type form struct {
	spool  *spool.Spool
	owner  *protocol.Owner // nil is this program's own user
	folder string          // "" as long as no file came
	size   int64           // counted against the quota
}

// close removes the files that the worker has not moved away.
func (f *form) close() {
	if f.folder != "" {
		os.RemoveAll(f.folder)
	}
	f.spool.Release(f.size)
}

// create makes a file for one upload.
func (f *form) create() (*os.File, error) {
	if f.folder == "" {
		parent, err := f.spool.Folder()
		if err != nil {
			return nil, err
		}
		if f.folder, err = os.MkdirTemp(parent, "form-"); err != nil {
			return nil, err
		}
	}
	return os.CreateTemp(f.folder, "upload-")
}

// handOver gives the files to the worker's user, who may move them away. Nothing is written to the folder afterwards:
// what is in it then is the user's doing.
func (f *form) handOver(files []protocol.FormFile) error {
	if f.owner == nil || f.folder == "" {
		return nil
	}
	for i := range files {
		if files[i].Path == "" {
			continue
		}
		if err := os.Lchown(files[i].Path, f.owner.UID, f.owner.GID); err != nil {
			return err
		}
	}
	return os.Lchown(f.folder, f.owner.UID, f.owner.GID)
}

func tooLarge(format string, args ...any) error {
	return &badBody{http.StatusRequestEntityTooLarge, fmt.Errorf(format, args...)}
}

// takeForm reads the body as a form. Its errors are *badBody. What PHP takes is taken: parts that name nothing, and a
// form that ends too soon.
func (x *exchange) takeForm(in *intake, boundary string) error {
	x.form = &form{spool: x.handler.spool, owner: x.terms.Backend.Traits().Owner}
	out := new(protocol.Form)
	limits := &x.terms.Limits
	reader := multipart.NewReader(in, boundary)
	text, nameless := 0, 0
	var buffer []byte
parts:
	for begun := false; ; begun = true {
		part, err := reader.NextRawPart()
		if err == io.EOF || begun && endsEarly(err) {
			break
		}
		if err != nil {
			return malformed(err)
		}
		header, ok := part.Header["Content-Disposition"]
		if !ok {
			continue // it is no part of the form's
		}
		field, filename, isNamed, isFile := disposition(header[0])
		switch {
		case !isNamed && !isFile:
			const what = "a form ends at a part without a name, and what follows it was dropped"
			x.handler.log.Warn(what, x.about("disposition", header[0])...)
			break parts
		case !isNamed:
			field = strconv.Itoa(nameless)
			nameless++
		}
		if buffer == nil {
			buffer = make([]byte, 32<<10)
		}
		if !isFile {
			if len(out.Fields)/2 >= limits.MaxFormFields {
				return tooLarge("more than %d fields in a form (max_form_fields)", limits.MaxFormFields)
			}
			value, err := readField(part, maxFieldBytes-text-len(field))
			if err != nil {
				return err
			}
			text += len(field) + len(value)
			out.Fields = append(out.Fields, field, value)
			continue
		}
		if len(out.Files) >= limits.MaxFormFiles {
			return tooLarge("more than %d files in a form (max_form_files)", limits.MaxFormFiles)
		}
		if text += len(field) + len(filename); text > maxFieldBytes {
			return tooLarge("the names in a form are longer than %d bytes", maxFieldBytes)
		}
		kind, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
		file := protocol.FormFile{Field: field, Name: filename, MIME: strings.TrimSpace(kind)}
		if filename == "" {
			file.Error, file.MIME = protocol.FormNoFile, ""
			n, err := part.Read(buffer[:1])
			if n > 0 || err != io.EOF && err != nil {
				if err = drain(part, buffer); err != nil {
					return malformed(err)
				}
			}
		} else if err := x.form.save(part, &file, limits.MaxFormFileSize, buffer); err != nil {
			return err
		}
		out.Files = append(out.Files, file)
	}
	if err := drain(in, buffer); err != nil { // what follows the last boundary
		return malformed(err)
	}
	if err := x.form.handOver(out.Files); err != nil {
		x.handler.log.Error("an upload can't be given to the worker's user", "error", err)
		return &badBody{http.StatusServiceUnavailable, err}
	}
	m := &x.request
	m.Form, m.Flags, m.Length = out, protocol.FlagEnd, 0
	if x.form.folder != "" {
		x.Repeatable, x.Keyed = false, false // a worker that began may have moved a file away
	}
	return nil
}

// save spools one file.
func (f *form) save(part io.Reader, file *protocol.FormFile, limit int64, buffer []byte) error {
	to, err := f.create()
	if err != nil {
		f.spool.CantStore("a form's file", err)
		return &badBody{http.StatusServiceUnavailable, err}
	}
	defer to.Close()
	file.Path = to.Name()
	for {
		n, err := part.Read(buffer)
		if n > 0 {
			if file.Size += int64(n); file.Size > limit {
				return tooLarge("a file of a form is larger than %d bytes (max_form_file_size)", limit)
			}
			if e := f.spool.Reserve(int64(n)); e != nil {
				return &badBody{http.StatusServiceUnavailable, e}
			}
			f.size += int64(n)
			if _, e := to.Write(buffer[:n]); e != nil {
				f.spool.CantStore("a form's file", e)
				return &badBody{http.StatusServiceUnavailable, e}
			}
		}
		if err == io.EOF {
			return nil
		}
		if endsEarly(err) {
			file.Error, file.MIME, file.Size, file.Path = protocol.FormPartial, "", 0, ""
			to.Close()
			os.Remove(to.Name()) // or else it goes with its folder
			return nil
		}
		if err != nil {
			return malformed(err)
		}
	}
}

func readField(part io.Reader, room int) (string, error) {
	value, err := io.ReadAll(io.LimitReader(part, int64(max(room, 0))+1))
	if err != nil && !endsEarly(err) {
		return "", malformed(err)
	}
	if len(value) > room {
		return "", tooLarge("the fields of a form are larger than %d bytes together", maxFieldBytes)
	}
	return string(value), nil
}

func drain(r io.Reader, buffer []byte) error {
	if buffer == nil {
		buffer = make([]byte, 4<<10)
	}
	for {
		if _, err := r.Read(buffer); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// malformed keeps the body's own error, if it is one; all others mean that the form is none.
func malformed(err error) error {
	var bad *badBody
	if errors.As(err, &bad) {
		return bad
	}
	return &badBody{http.StatusBadRequest, fmt.Errorf("malformed form: %w", err)}
}

// endsEarly says whether the body was whole, but had no last boundary. An error of the body itself is not that.
func endsEarly(err error) bool {
	var bad *badBody
	return (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) && !errors.As(err, &bad)
}

// disposition reads a part's field and file name, whatever it calls itself.
func disposition(header string) (field, filename string, isNamed, isFile bool) {
	params := parameters(header)
	field, isNamed = params["name"]
	filename, isFile = params["filename"]
	return field, filename, isNamed, isFile
}
