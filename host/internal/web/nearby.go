// Files that are at hand: small ones that are answered with, or known not to be there, without asking the disk.

package web

import (
	"bytes"
	"io/fs"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/compress"
)

// nearFile is one that was read whole, up to smallAnswer. It describes itself.
type nearFile struct {
	content  bytes.Reader
	name     string
	modified time.Time
	bytes    [smallAnswer + 1]byte // more than there may be
}

var nearFiles = sync.Pool{New: func() any { return new(nearFile) }}

// release gives it back. Nobody may use it any more.
func (f *nearFile) release() { nearFiles.Put(f) }

// nearby is the file of that name, or what lies beside it in a coding, if that is small and in memory, and nothing has
// to be compressed. known and no file says that there is none; otherwise there may be anything.
func (v *visit) nearby(in *folder, name string) (file *nearFile, c compress.Coding, known bool) {
	file, known = in.nearby(name, !v.terms.Linked)
	if file == nil {
		return nil, compress.Identity, known
	}
	beside, made := v.fileCodings(name)
	for _, c := range beside {
		if c == compress.Identity {
			break
		}
		if other, known := in.nearby(name+c.Extension(), !v.terms.Linked); other != nil || !known {
			file.release()
			return other, c, known
		}
	}
	if made[0] != compress.Identity && v.terms.Compression.Worth(file.Size()) {
		file.release()
		return nil, compress.Identity, false
	}
	return file, compress.Identity, true
}

// sendNearby answers with what nearby has found.
func (v *visit) sendNearby(name string, file *nearFile, c compress.Coding) {
	if c != compress.Identity {
		v.sendBeside(name, &file.content, file, c)
		return
	}
	v.sendPublic(&file.content, file)
}

// Name implements fs.FileInfo.
func (f *nearFile) Name() string { return f.name }

// Size implements fs.FileInfo.
func (f *nearFile) Size() int64 { return f.content.Size() }

// Mode implements fs.FileInfo: it is a regular file, whoever may read it.
func (f *nearFile) Mode() fs.FileMode { return 0 }

// ModTime implements fs.FileInfo.
func (f *nearFile) ModTime() time.Time { return f.modified }

// IsDir implements fs.FileInfo.
func (f *nearFile) IsDir() bool { return false }

// Sys implements fs.FileInfo.
func (f *nearFile) Sys() any { return nil }
