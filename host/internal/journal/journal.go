// Package journal keeps entries of any kind in a bounded file, a line of JSON each, the oldest first. A process that
// is killed in the midst of a write costs the entry at hand and no other. It does not know what the entries are of.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

const (
	// most is how long the file may become, in bytes, before its older half is dropped.
	most = 1 << 20
	// mostPending is how many entries are kept while the file can't be written.
	mostPending = 100
)

// File is a journal that one process writes. Its methods are safe for concurrent use.
type File[T any] struct {
	path    string
	prepare func() error

	mu      sync.Mutex
	pending []T // added, and not in the file; guarded by mu
}

// New makes no file. prepare is called before each write, and makes the folder if it has to.
func New[T any](path string, prepare func() error) *File[T] {
	return &File[T]{path: path, prepare: prepare}
}

// Defer adds an entry that is no reason by itself to begin a file: where there is none yet, it is written with the
// next one that is added. The error is Add's.
func (f *File[T]) Defer(entry T) error {
	if _, err := os.Lstat(f.path); err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.keep(entry)
		return nil
	}
	return f.Add(entry)
}

// Add writes an entry, and those that are pending, to the disk. On error it stays pending, so that All still has it.
func (f *File[T]) Add(entry T) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep(entry)
	var lines []byte
	for _, e := range f.pending {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
	}
	if err := f.prepare(); err != nil {
		return err
	}
	if err := f.write(lines); err != nil {
		return err
	}
	f.pending = nil
	return nil
}

func (f *File[T]) keep(entry T) {
	f.pending = append(f.pending, entry)
	f.pending = slices.Delete(f.pending, 0, max(0, len(f.pending)-mostPending))
}

// All are the entries that the file has, and those that are pending. Without a file there are only the latter.
func (f *File[T]) All() ([]T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	written, err := Read[T](f.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return append(written, f.pending...), err
}

// Read gives the entries of a file, which nobody has to write. What is no entry, such as a line that was cut off, is
// passed over.
func Read[T any](path string) (entries []T, err error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(data) {
		var e T
		if json.Unmarshal(line, &e) == nil {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// read takes no more than a file can have that was written here, but for an entry of unlikely length.
func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, 4*most))
}

// write appends whole lines, on a line of their own though the last one was cut off.
func (f *File[T]) write(lines []byte) (err error) {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 {
		last := []byte{'\n'}
		if _, err := file.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = append([]byte{'\n'}, lines...)
		}
		if size+int64(len(lines)) > most {
			return f.rewrite(lines)
		}
	}
	if _, err := file.Write(lines); err != nil {
		return err
	}
	return file.Sync()
}

// rewrite puts the newer half of the file and the lines in its place, all at once.
func (f *File[T]) rewrite(lines []byte) error {
	data, err := read(f.path)
	if err != nil {
		return err
	}
	data = append(data, lines...)
	if len(data) > most/2 {
		data = data[len(data)-most/2:]
		data = data[bytes.IndexByte(data, '\n')+1:] // the first is cut
	}
	if !bytes.HasSuffix(data, lines) { // one entry is longer than that
		data = lines
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), ".journal-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = next.Write(data)
	if err == nil {
		err = next.Sync()
	}
	err = errors.Join(err, next.Close())
	if err == nil {
		err = os.Rename(next.Name(), f.path)
	}
	if err != nil {
		os.Remove(next.Name())
	}
	return err
}
