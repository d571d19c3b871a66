// Files that are at hand: small ones that are answered with, or known not to be there, without asking the disk.

package web

import (
	"bytes"
	"io/fs"
	"sync"
	"time"
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
