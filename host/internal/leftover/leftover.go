// Package leftover removes what hosts that were killed left in a folder that others may write to, such as the
// temporary one. This process may be root, so it opens nothing that another user put there, and follows no symlink.
package leftover

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Kind says what is left over. A living host holds the lock of each of its folders.
type Kind struct {
	Prefix string        // of the folders' names
	Lock   string        // the file in a folder that is locked; "" is the folder itself
	Young  time.Duration // folders that changed since are left alone: they may be about to be locked
}

// Sweep removes the folders in parent that are of this kind, belong to this user and are locked by nobody. What can't
// be removed stays. It can be called at any time, by several processes at once.
func Sweep(parent string, k Kind) {
	root, err := os.OpenRoot(parent)
	if err != nil {
		return // whoever makes something there hears why
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if strings.HasPrefix(name, k.Prefix) {
			k.remove(root, name)
		}
	}
}

func (k Kind) remove(root *os.Root, name string) {
	folder, err := root.Lstat(name)
	if err != nil || !folder.IsDir() || !isOurs(folder) || time.Since(folder.ModTime()) < k.Young {
		return
	}
	// Of a folder of ours nobody else can change what is in it.
	locked, err := root.Lstat(path.Join(name, k.Lock))
	if err != nil || !isOurs(locked) || k.Lock != "" && !locked.Mode().IsRegular() {
		return // one that is being made
	}
	lock, err := root.OpenFile(path.Join(name, k.Lock), openFlags(locked), 0)
	if err != nil {
		return
	}
	defer lock.Close()
	if opened, err := lock.Stat(); err != nil || !os.SameFile(opened, locked) || !TryLock(lock) {
		return
	}
	_ = root.RemoveAll(name)
}

// openFlags are for a lock: it is opened for writing where it can be, since some file systems ask for that.
func openFlags(info fs.FileInfo) int {
	if info.IsDir() {
		return os.O_RDONLY | nonblocking
	}
	return os.O_RDWR | nonblocking
}
