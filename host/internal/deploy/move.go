// move.go: how the symlink comes to lead elsewhere.

package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Move is a symlink that is about to lead elsewhere. Of Commit and Discard one is called, once.
type Move struct{ link, beside string }

// Prepare makes ready to have link lead to a folder, so that nothing is left to go wrong but one rename. Nothing
// changes by it.
func Prepare(link, folder string) (*Move, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(folder); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder", folder)
	}
	if info, err := os.Lstat(link); err == nil && info.Mode().Type() != fs.ModeSymlink {
		return nil, fmt.Errorf("%s is no symlink: `host deploy adopt` makes one of it", link)
	}
	target, err := filepath.Rel(filepath.Dir(link), folder)
	if err != nil {
		target = folder
	}
	m := &Move{link, filepath.Join(filepath.Dir(link), "."+filepath.Base(link)+".next")}
	if err := os.Remove(m.beside); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that was killed
		return nil, fmt.Errorf("%s can't be made ready to lead elsewhere: %w", link, err)
	}
	if err := os.Symlink(target, m.beside); err != nil {
		return nil, fmt.Errorf("%s can't be made ready to lead elsewhere: %w: let the host's user write in its folder",
			link, err)
	}
	return m, nil
}

// Commit has it lead there.
func (m *Move) Commit() error {
	if err := os.Rename(m.beside, m.link); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(m.link))
}

// Discard leaves it as it is.
func (m *Move) Discard() { os.Remove(m.beside) }
