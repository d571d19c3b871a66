// adopt.go turns a folder that is changed in place into the first release, while it is in use.

package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Adopt makes a release of the folder that stands where the symlink is to be: both change places in one step, so that
// each path leads to the same files at any moment, and what is open stays open. Then what is shared moves to the
// folder of that, likewise. It gives the folder of the release, and the names that are shared now. Called anew after
// it was killed, or has failed, it goes on.
func (l *Lock) Adopt(names []string) (folder string, shares []string, err error) {
	if folder, err = l.adoptFolder(names); err != nil {
		return "", nil, err
	}
	if len(names) > 0 {
		if err := l.folder(l.Shared()); err != nil {
			return folder, nil, err
		}
	}
	for _, name := range names {
		moved, err := l.adoptShared(folder, path.Clean(name))
		if err != nil {
			return folder, shares, fmt.Errorf("%s can't be moved to %s: %w", name, l.Shared(), err)
		}
		if moved {
			shares = append(shares, name)
		}
	}
	return folder, shares, nil
}

// adoptFolder has the folder and the symlink change places, unless they have.
func (l *Lock) adoptFolder(names []string) (folder string, err error) {
	info, err := os.Lstat(l.Current)
	if err != nil {
		return "", err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		folder, err := l.Live()
		if err == nil && !within(folder, l.realReleases()) {
			err = fmt.Errorf("%s is a symlink already, and leads to %s: `host deploy` makes the first release beside "+
				"it", l.Current, folder)
		}
		return folder, err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is no folder", l.Current)
	}
	for _, at := range append([]string{l.Releases()}, below(l.Current, names)...) {
		if there, err := os.Stat(at); err == nil && !sameDevice(info, there) {
			return "", fmt.Errorf("%s is on another file system, so nothing can be moved there: mount it at %s "+
				"first, and make a symlink to that in its place", at, filepath.Join(l.Shared(), filepath.Base(at)))
		}
	}
	folder = l.Place.Folder(l.next)
	target, err := filepath.Rel(filepath.Dir(l.Current), folder)
	if err != nil {
		return "", err
	}
	if err := os.Symlink(target, folder); err != nil { // it leads there once it stands in its place
		return "", err
	}
	if err := l.exchangeIn(l.Current, folder); err != nil {
		return "", errors.Join(err, os.Remove(folder))
	}
	l.next++
	return folder, errors.Join(l.note(), syncFolder(l.Releases()), syncFolder(filepath.Dir(l.Current)))
}

// realReleases is the folder of the releases, with its symlinks followed.
func (p Place) realReleases() string {
	if real, err := filepath.EvalSymlinks(p.Releases()); err == nil {
		return real
	}
	return p.Releases()
}

func below(folder string, names []string) (paths []string) {
	for _, name := range names {
		paths = append(paths, filepath.Join(folder, name))
	}
	return paths
}

// exchangeIn has two paths change places, whose folders belong to whoever deploys.
func (l *Lock) exchangeIn(a, b string) error {
	in, err := os.Open(filepath.Dir(a))
	if err != nil {
		return err
	}
	defer in.Close()
	beside, err := os.Open(filepath.Dir(b))
	if err != nil {
		return err
	}
	defer beside.Close()
	return exchange(in, filepath.Base(a), beside, filepath.Base(b))
}

// adoptShared has something of the release and a symlink change places. It says false for what is not there, or is a
// symlink. The folders that the names lie in may belong to the pool's user, who could put symlinks in the way; so
// they are opened in the release and in the folder of what is shared, which nothing leads out of.
func (l *Lock) adoptShared(folder, name string) (moved bool, err error) {
	release, err := os.OpenRoot(folder)
	if err != nil {
		return false, err
	}
	defer release.Close()
	info, err := release.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Type() == fs.ModeSymlink {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := unlinked(release, name); err != nil {
		return false, err
	}
	others, err := os.OpenRoot(l.Shared())
	if err != nil {
		return false, err
	}
	defer others.Close()
	if err := others.MkdirAll(path.Dir(name), 0o755); err != nil {
		return false, err
	}
	in, err := release.Open(path.Dir(name))
	if err != nil {
		return false, err
	}
	defer in.Close()
	beside, err := others.Open(path.Dir(name))
	if err != nil {
		return false, err
	}
	defer beside.Close()
	target := linkOf(name)
	if old, err := others.Readlink(name); err == nil && old == target { // of one that was killed
		if err := others.Remove(name); err != nil {
			return false, err
		}
	}
	if err := others.Symlink(target, name); err != nil {
		return false, err
	}
	if err := exchange(in, path.Base(name), beside, path.Base(name)); err != nil {
		return false, errors.Join(err, others.Remove(name))
	}
	return true, errors.Join(in.Sync(), beside.Sync())
}

// linkOf is where something shared leads to from a release.
func linkOf(name string) string {
	return strings.Repeat("../", 2+strings.Count(name, "/")) + path.Join(shared, name)
}
