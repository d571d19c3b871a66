// Package spool is where bodies and messages wait that clients or workers have yet to take: in memory that is lent,
// under a budget, and on disk, in a private folder, under a quota. All listeners of a host share one.
package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/leftover"
	"github.com/workerhost/workerhost/host/internal/quiet"
)

// Spool is the disk that waiting bodies may take together. Its methods are safe for concurrent use.
type Spool struct {
	parent string
	quota  int64
	spare  atomic.Int64 // memory that may still be lent
	log    hclog.Logger
	used   atomic.Int64

	noDisk, NoMemory quiet.Throttle // of those that got none
	whole            wholeLoans

	space   func(folder string) (total, free int64, ok bool)
	looked  atomic.Int64 // when the disk was last looked at, in Unix nanoseconds
	since   atomic.Int64 // bytes reserved since then
	crowded atomic.Bool  // it had too little room

	mu     sync.Mutex
	folder string   // guarded by mu; made when it is first needed, and again if somebody cleaned it away
	lock   *os.File // held as long as the folder is ours; guarded by mu
}

// New takes the folder to work in ("" is the temporary directory) and the quota in bytes. It touches no disk.
func New(parent string, quota int64, log hclog.Logger) *Spool {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	s := &Spool{parent: spoolDirectory(parent), quota: quota, log: log, space: space}
	s.spare.Store(MemoryBudget)
	return s
}

// Used is how many bytes wait on disk now.
func (s *Spool) Used() int64 { return s.used.Load() }

// Quota is how many bytes may wait on disk together.
func (s *Spool) Quota() int64 { return s.quota }

// Close removes the folder and what is in it. Call it when no listener uses the spool any more.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folder == "" {
		return nil
	}
	err := os.RemoveAll(s.folder)
	s.lock.Close()
	s.folder, s.lock = "", nil
	return err
}

// ErrQuota says that the disk space for waiting bodies is used up.
var ErrQuota = errors.New("the spool's quota is used up")

// Reserve takes n bytes of the quota, if the disk has room for them.
func (s *Spool) Reserve(n int64) error {
	if s.used.Add(n) > s.quota {
		s.used.Add(-n)
		if s.noDisk.Pass() {
			s.log.Warn("disk space for waiting bodies is used up: raise spool_quota, or lower max_body", "spool_quota",
				s.quota)
		}
		return ErrQuota
	}
	if s.isCrowded(n) {
		s.used.Add(-n)
		return ErrQuota
	}
	return nil
}

// A disk that is full harms more than our clients, so some of it stays free: a twentieth, or a gibibyte of a large
// one.
const (
	keepFree     = 1 << 30
	keepFreePart = 20
	lookEvery    = 250 * time.Millisecond
	lookAfter    = 16 << 20 // bytes
)

// isCrowded says whether the disk has too little room. It looks again after a while, or after many bytes.
func (s *Spool) isCrowded(n int64) bool {
	now, last := time.Now().UnixNano(), s.looked.Load()
	if s.since.Add(n) < lookAfter && now-last < int64(lookEvery) || !s.looked.CompareAndSwap(last, now) {
		return s.crowded.Load()
	}
	s.since.Store(0)
	total, free, ok := s.space(s.parent)
	crowded := ok && free < min(keepFree, total/keepFreePart)
	s.crowded.Store(crowded)
	if crowded && s.noDisk.Pass() {
		s.log.Warn("the disk for waiting bodies is nearly full: free some of it, or choose another spool_directory",
			"spool_directory", s.parent, "free", free, "of", total)
	}
	return crowded
}

// CantStore logs that what can't go to disk, and why.
func (s *Spool) CantStore(what string, err error) {
	s.log.Error(what+" can't go to disk", "error", err)
}

// Release gives n bytes back that reserve took.
func (s *Spool) Release(n int64) { s.used.Add(-n) }

const (
	folderPrefix = "workerhost-spool-"
	lockName     = "lock"
)

// Folder is the private folder where bodies and uploads wait. It is made if it is not there yet.
func (s *Spool) Folder() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folder != "" {
		if _, err := os.Lstat(filepath.Join(s.folder, lockName)); err == nil {
			return s.folder, nil
		}
		s.lock.Close()
		s.folder, s.lock = "", nil
	}
	s.Sweep()
	folder, lock, err := s.make()
	for try := 0; err == nil && try < 3; try++ {
		if _, gone := os.Lstat(filepath.Join(folder, lockName)); gone == nil {
			break
		}
		lock.Close() // another host swept it away before it was locked
		folder, lock, err = s.make()
	}
	if err != nil {
		return "", fmt.Errorf("no private folder for waiting bodies (see spool_directory): %w", err)
	}
	s.folder, s.lock = folder, lock
	return folder, nil
}

// make makes a folder with a lock of ours.
func (s *Spool) make() (folder string, lock *os.File, err error) {
	if folder, err = os.MkdirTemp(s.parent, folderPrefix); err != nil {
		return "", nil, err
	}
	lock, err = os.OpenFile(filepath.Join(folder, lockName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		os.RemoveAll(folder)
		return "", nil, err
	}
	leftover.TryLock(lock)
	if err := os.Chmod(folder, 0o711); err != nil { // workers of other users pass through it to their uploads
		lock.Close()
		os.RemoveAll(folder)
		return "", nil, err
	}
	return folder, lock, nil
}

// Sweep removes what hosts that were killed left behind. It is done as well when the spool is first needed.
func (s *Spool) Sweep() {
	leftover.Sweep(s.parent, leftover.Kind{Prefix: folderPrefix, Lock: lockName})
}

// File is a temporary file without a name where the system can do that. Bytes count against the quota until close. It
// has one writer; ReadAt of what was written is safe beside it.
type File struct {
	spool *Spool
	file  *os.File
	named bool // it could not be unlinked while open
	Size  int64
}

// Create makes a temporary file.
func (s *Spool) Create() (*File, error) {
	folder, err := s.Folder()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(folder, "body-")
	if err != nil {
		return nil, err
	}
	return &File{spool: s, file: f, named: os.Remove(f.Name()) != nil}, nil
}

// Write appends p, all of it or nothing.
func (f *File) Write(p []byte) (int, error) {
	if err := f.spool.Reserve(int64(len(p))); err != nil {
		return 0, err
	}
	if _, err := f.file.WriteAt(p, f.Size); err != nil {
		f.spool.Release(int64(len(p)))
		return 0, err
	}
	f.Size += int64(len(p))
	return len(p), nil
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// Rewind forgets what was written.
func (f *File) Rewind() error {
	f.spool.Release(f.Size)
	f.Size = 0
	return f.file.Truncate(0)
}

// Close removes the file.
func (f *File) Close() {
	f.spool.Release(f.Size)
	f.file.Close()
	if f.named {
		os.Remove(f.file.Name())
	}
}

// spoolDirectory is where bodies wait if nobody says otherwise.
func spoolDirectory(path string) string {
	if path == "" {
		return os.TempDir()
	}
	return path
}
