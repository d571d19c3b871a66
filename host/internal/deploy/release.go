// release.go: a release from its mark to its end.

package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/leftover"
)

// Release is one that is being made.
type Release struct {
	Place
	Number int
	Folder string
	began  time.Time
}

// New marks a release with the next number, and makes its folder, empty.
func (l *Lock) New() (*Release, error) {
	r := &Release{Place: l.Place, Number: l.next, began: time.Now()}
	l.next++
	r.Folder = l.Place.Folder(r.Number)
	if err := errors.Join(l.note(), l.mark(r.Folder)); err != nil { // no folder is there without its mark
		return nil, fmt.Errorf("no release can be made: %w", err)
	}
	if err := os.Mkdir(r.Folder, 0o755); err != nil {
		return nil, fmt.Errorf("no release can be made: %w", err)
	}
	return r, os.Chmod(r.Folder, 0o755)
}

func last(numbers []int) int {
	if len(numbers) == 0 {
		return 0
	}
	return numbers[len(numbers)-1]
}

// Persist has all of the release be on the disk. Call it when the release is whole, before anything leads to it.
func (r *Release) Persist() error {
	if err := syncTree(r.Folder); err != nil {
		return fmt.Errorf("the release can't be brought to the disk: %w", err)
	}
	return nil
}

// Finish takes the mark away: the release is live, or was.
func (r *Release) Finish() error { return unmark(r.Folder) }

func (p Place) mark(folder string) error {
	if err := os.WriteFile(folder+mark, nil, 0o600); err != nil {
		return err
	}
	return syncFolder(p.Releases())
}

func unmark(folder string) error {
	if err := os.Remove(folder + mark); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(filepath.Dir(folder))
}

// Claim is for whoever puts the release in a folder live: as long as it is open, no deploy takes the release for one
// that was given up. One that is whole needs none, and gives nil.
func Claim(folder string) (*os.File, error) {
	file, err := os.OpenFile(folder+mark, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !leftover.TryLock(file) {
		file.Close()
		return nil, fmt.Errorf("release %s %w", filepath.Base(folder), ErrClaimed)
	}
	return file, err
}

// ErrClaimed says that a release with a mark is somebody's at this moment.
var ErrClaimed = errors.New("is being put live")

// Mend makes good what a deploy has left that was killed, and removes releases that were given up. lives says whether
// workers run what is in a folder. It gives the folders that it has removed, and those that it has kept, since they
// are live. The error is an [ErrClaimed] if somebody puts one live at this moment: then try again.
func (l *Lock) Mend(lives func(folder string) bool) (removed, kept []string, err error) {
	_, marked, err := l.numbers()
	if err != nil {
		return nil, nil, err
	}
	if info, err := os.Lstat(l.Place.Folder(l.next)); err == nil && info.Mode().Type() == fs.ModeSymlink {
		if err := os.Remove(l.Place.Folder(l.next)); err != nil { // an Adopt that was killed
			return nil, nil, err
		}
	}
	live, err := l.Live()
	if err != nil {
		return nil, nil, err
	}
	for _, n := range marked {
		folder := l.Place.Folder(n)
		claim, err := Claim(folder)
		switch {
		case err != nil:
			return removed, kept, err
		case claim == nil:
			continue
		}
		// asked anew with the lock: whoever had it may have moved the symlink
		if live, err = l.Live(); err == nil {
			if within(live, folder) || lives(folder) {
				kept, err = append(kept, folder), unmark(folder)
			} else {
				removed, err = append(removed, folder), errors.Join(remove(folder), unmark(folder))
			}
		}
		claim.Close()
		if err != nil {
			return removed, kept, err
		}
	}
	return removed, kept, nil
}

// Prune removes the oldest releases beyond so many. Those that the symlink leads to, or that lives says are used, are
// kept whatever their age.
func (l *Lock) Prune(keep int, lives func(folder string) bool) (removed []string, err error) {
	whole, err := l.Whole()
	if err != nil {
		return nil, err
	}
	live, err := l.Live()
	if err != nil {
		return nil, err
	}
	for _, n := range whole[:max(0, len(whole)-keep)] {
		folder := l.Place.Folder(n)
		if within(live, folder) || lives(folder) {
			continue
		}
		// with a mark first, so that a release that is half removed is no whole one
		err := l.mark(folder)
		if err == nil {
			err = errors.Join(remove(folder), unmark(folder))
		}
		if err != nil {
			return removed, fmt.Errorf("the old release %d can't be removed: %w", n, err)
		}
		removed = append(removed, folder)
	}
	return removed, nil
}

// Find gives the folder of a whole release by its number.
func (p Place) Find(n int) (string, error) {
	whole, err := p.Whole()
	if err != nil {
		return "", err
	}
	if !slices.Contains(whole, n) {
		var known []string
		for _, n := range whole {
			known = append(known, fmt.Sprint(n))
		}
		return "", fmt.Errorf("there is no release %d that is whole; there are %s", n,
			strings.Join(append(known, "no others"), ", "))
	}
	return p.Folder(n), nil
}

// remove removes a folder of a release. What is in it may belong to others, who might put symlinks in its way, so
// nothing outside of the folder of the releases can be reached.
func remove(folder string) error {
	root, err := os.OpenRoot(filepath.Dir(folder))
	if err != nil {
		return err
	}
	defer root.Close()
	return root.RemoveAll(filepath.Base(folder))
}

// within says whether a path is a folder, or lies below it.
func within(path, folder string) bool {
	below, err := filepath.Rel(folder, path)
	return path != "" && err == nil && filepath.IsLocal(below)
}

// Within says whether a path, with its symlinks followed, lies in the folder of a release.
func Within(path, folder string) bool {
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	return within(path, folder)
}
