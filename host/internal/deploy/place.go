// place.go: the folders of a place, its numbers, and its lock.

package deploy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/leftover"
)

// Place is where the releases of one site are. It is a value, and safe for concurrent use.
type Place struct {
	Current string // the symlink, by its absolute path
	Owner   *Owner // to whom releases are given; nil leaves them to this process's user
}

const (
	releases = "releases"
	shared   = "shared"
	mark     = ".unfinished"
)

var number = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

// Releases is the folder of all releases.
func (p Place) Releases() string { return filepath.Join(filepath.Dir(p.Current), releases) }

// Shared is the folder of what they share.
func (p Place) Shared() string { return filepath.Join(filepath.Dir(p.Current), shared) }

// Folder is that of the release with this number.
func (p Place) Folder(n int) string { return filepath.Join(p.Releases(), strconv.Itoa(n)) }

// Live is the folder that the symlink leads to; "" if there is none yet. A folder in its place is an error.
func (p Place) Live() (string, error) {
	info, err := os.Lstat(p.Current)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case info.Mode().Type() != fs.ModeSymlink:
		return "", fmt.Errorf("%s is no symlink, so its code is changed in place: `host deploy adopt` makes a "+
			"release of it", p.Current)
	}
	live, err := filepath.EvalSymlinks(p.Current)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // what it led to has gone
	}
	return live, err
}

// Whole are the numbers of the releases that are whole, in order.
func (p Place) Whole() ([]int, error) {
	all, marked, err := p.numbers()
	return slices.DeleteFunc(all, func(n int) bool { return slices.Contains(marked, n) }), err
}

// numbers are those of all releases, and of the marks, in order.
func (p Place) numbers() (all, marked []int, err error) {
	entries, err := os.ReadDir(p.Releases())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	for _, e := range entries {
		name, isMark := strings.CutSuffix(e.Name(), mark)
		if !number.MatchString(name) {
			continue
		}
		n, err := strconv.Atoi(name)
		switch {
		case err != nil:
		case isMark:
			marked = append(marked, n)
		case e.IsDir():
			all = append(all, n)
		}
	}
	slices.Sort(all)
	slices.Sort(marked)
	return all, marked, err
}

// Lock is a place that nobody else deploys to.
type Lock struct {
	Place
	file *os.File
	next int // number: what is removed meanwhile leaves none to be used again
}

// ErrBusy says that another deploy is under way.
var ErrBusy = errors.New("another deploy is under way")

// Lock makes the folder of the releases if there is none, and locks the place until Close, or the end of this process.
// The error is an [ErrBusy] if another process has it.
func (p Place) Lock() (*Lock, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	if err := p.folder(p.Releases()); err != nil {
		return nil, fmt.Errorf("no folder for the releases: %w: let this user write there, or name another place "+
			"with [deploy] current", err)
	}
	file, err := os.OpenFile(filepath.Join(p.Releases(), ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the releases can't be locked: %w: run this as the user to whom they belong, or as "+
			"root", err)
	}
	var pid, used int // without a number in it they are zero
	text, _ := io.ReadAll(io.LimitReader(file, 64))
	fmt.Sscan(string(text), &pid, &used)
	if !leftover.TryLock(file) {
		defer file.Close()
		return nil, fmt.Errorf("%w, by process %d: wait for its end", ErrBusy, pid)
	}
	all, marked, err := p.numbers()
	l := &Lock{Place: p, file: file, next: max(used, last(all), last(marked)) + 1}
	if err = errors.Join(err, l.note()); err != nil {
		file.Close()
		return nil, err
	}
	return l, nil
}

// note writes who has the lock, and the last number that was used, in as many bytes each time: a release that was
// removed is not to have a namesake, whose files somebody could still know by their paths.
func (l *Lock) note() error {
	_, err := l.file.WriteAt(fmt.Appendf(nil, "%-10d %-19d\n", os.Getpid(), l.next-1), 0)
	return err
}

// Close lets others deploy.
func (l *Lock) Close() { l.file.Close() }

// folder makes a folder of the place, if there is none.
func (p Place) folder(path string) error {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = os.Chmod(path, 0o755)
	}
	return err
}

// syncFolder has the names in a folder be on the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
