// folder.go: a pool's private folder. It holds the temporary folder of its workers, and what they are to read and
// nobody else.

package privilege

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/leftover"
)

const (
	folderPrefix = "workerhost-pool-"
	settling     = time.Second // from making a folder to its lock, at most
)

// Folder is a pool's private folder. It is made when it is first needed. Its methods are safe for concurrent use.
type Folder struct {
	mu   sync.Mutex
	path string   // guarded by mu; "" as long as there is none
	lock *os.File // held as long as the folder is ours; guarded by mu
}

// Temporary is the workers' temporary folder: mode 0700, and the owner's, who may be nil for this process's own user.
// It is the same for the same owner.
func (f *Folder) Temporary(owner *Identity) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, err := f.sub("tmp", owner)
	if err != nil {
		return "", fmt.Errorf("no temporary folder for the workers: %w; let this user write there, or name "+
			"another place with TMPDIR", err)
	}
	return path, nil
}

// Settings is a folder with one file, settings.ini, which holds text, and which only the owner may read. The same text
// gives the same folder.
func (f *Folder) Settings(owner *Identity, text string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := sha256.Sum256([]byte(text))
	path, err := f.sub("php-"+hex.EncodeToString(sum[:8]), owner)
	if err != nil {
		return "", fmt.Errorf("no folder for the workers' settings: %w; let this user write there, or name "+
			"another place with TMPDIR", err)
	}
	file := filepath.Join(path, "settings.ini")
	if _, err := os.Lstat(file); err == nil {
		return path, nil
	}
	temporary, err := os.CreateTemp(f.path, "settings-") // mode 0600, out of the owner's reach
	if err != nil {
		return "", fmt.Errorf("no file for the workers' settings: %w", err)
	}
	_, err = temporary.WriteString(text)
	if e := temporary.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = own(temporary.Name(), owner)
	}
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		os.Remove(temporary.Name())
		return "", fmt.Errorf("no file for the workers' settings: %w", err)
	}
	return path, nil
}

// Files is a folder of that name with a copy of files, which every user may read and only this process's may change.
// It is written once.
func (f *Folder) Files(name string, files fs.FS) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("no folder for what the workers read: %w; let this user write there, or name "+
			"another place with TMPDIR", err)
	}
	if err := f.ready(); err != nil {
		return fail(err)
	}
	path := filepath.Join(f.path, name)
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	temporary, err := os.MkdirTemp(f.path, name+"-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(temporary) // what was written in full has its own name by then
	if err := copyReadable(temporary, files); err != nil {
		return fail(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fail(err)
	}
	return path, nil
}

// copyReadable copies files into folder for all to read, whatever the umask. They look as old as they may need to be:
// PHP's opcache leaves alone what was changed a moment ago (opcache.file_update_protection).
func copyReadable(folder string, files fs.FS) error {
	old := time.Now().Add(-time.Hour)
	return fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := filepath.Join(folder, filepath.FromSlash(name))
		if e.IsDir() {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
			return os.Chmod(path, 0o755)
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o644); err != nil {
			return err
		}
		return os.Chtimes(path, old, old)
	})
}

// Passage is a folder of this process's own, mode 0711: others may pass through it, to what in it is theirs. The same
// name gives the same folder.
func (f *Folder) Passage(name string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, err := f.sub(name, nil)
	if err == nil {
		err = os.Chmod(path, 0o711)
	}
	if err != nil {
		return "", fmt.Errorf("%w; let this user write there, or name another place with TMPDIR", err)
	}
	return path, nil
}

// Close removes the folder and what is in it. Call it when no worker is left.
func (f *Folder) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" {
		return
	}
	f.lock.Close()
	os.RemoveAll(f.path) // what can't be removed is swept by a later host
	f.path, f.lock = "", nil
}

// sub is a folder in ours that belongs to the owner. Under mu.
func (f *Folder) sub(name string, owner *Identity) (string, error) {
	if err := f.ready(); err != nil {
		return "", err
	}
	if owner != nil {
		name = fmt.Sprintf("%s-%d-%d", name, owner.UID, owner.GID)
	}
	path := filepath.Join(f.path, name)
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return path, nil
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", err
	}
	if err := own(path, owner); err != nil {
		os.Remove(path)
		return "", err
	}
	return path, nil
}

// own gives a file to the owner.
func own(path string, owner *Identity) error {
	if owner == nil {
		return nil
	}
	if err := os.Lchown(path, owner.UID, owner.GID); err != nil {
		return fmt.Errorf("%w; %s", err, needsRoot)
	}
	return nil
}

// ready makes the folder. Others may pass through it, to what is theirs, but not look around. Under mu.
func (f *Folder) ready() error {
	if f.path != "" {
		if _, err := os.Lstat(f.path); err == nil {
			return nil
		}
		if err := os.Mkdir(f.path, 0o700); err != nil { // somebody cleaned it away, and workers know it by its path
			return err
		}
		f.lock.Close()
		lock, err := locked(f.path)
		if err != nil {
			f.path = ""
			return err
		}
		f.lock = lock
		return nil
	}
	leftover.Sweep(os.TempDir(), leftover.Kind{Prefix: folderPrefix, Young: settling})
	for try := 0; ; try++ {
		path, lock, err := makeLocked()
		if err == nil {
			f.path, f.lock = path, lock
			return nil
		}
		if try == 3 || !errors.Is(err, fs.ErrNotExist) { // another host swept it away before it was locked
			return err
		}
	}
}

// makeLocked makes a folder that is locked as long as we live: for the sweep of the next host, and for
// systemd-tmpfiles, which leaves alone what is locked.
func makeLocked() (path string, lock *os.File, err error) {
	if path, err = os.MkdirTemp("", folderPrefix); err != nil {
		return "", nil, err
	}
	lock, err = locked(path)
	return path, lock, err
}

// locked opens and locks a folder that was just made, and lets others pass through it.
func locked(path string) (*os.File, error) {
	lock, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	leftover.TryLock(lock)
	if err = os.Chmod(path, 0o711); err != nil {
		lock.Close()
		os.RemoveAll(path)
		return nil, err
	}
	return lock, nil
}
