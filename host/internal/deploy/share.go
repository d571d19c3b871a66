// share.go links what releases have in common.

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

// CheckShared says whether a name can be that of something shared: "storage", ".env", "var/uploads/". One that ends
// in a slash is a folder that is made if there is none.
func CheckShared(name string) error {
	clean, err := judge(name)
	switch {
	case err != nil:
		return err
	case clean == "." || name == "":
		return errors.New("it is the whole release")
	case clean == ".git" || strings.HasPrefix(clean, ".git/"):
		return errors.New("it is no part of a release")
	}
	return nil
}

// Keeps says which names of an archive or a folder are not taken over, since they are shared and there already.
func (p Place) Keeps(names []string) func(name string) bool {
	var there []string
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(p.Shared(), name)); err == nil {
			there = append(there, path.Clean(name))
		}
	}
	return func(name string) bool {
		for _, taken := range there {
			if name == taken || strings.HasPrefix(name, taken+"/") {
				return true
			}
		}
		return false
	}
}

// Share links the names of the release to what is shared, and gives the release to its owner: nobody else has written
// there until then. What is not shared yet begins with what the release brings.
func (r *Release) Share(names []string) error {
	if len(names) == 0 {
		return r.hand()
	}
	if err := r.folder(r.Shared()); err != nil {
		return err
	}
	base, err := os.OpenRoot(filepath.Dir(r.Current))
	if err != nil {
		return err
	}
	defer base.Close()
	for _, name := range names {
		if err := r.share(base, path.Clean(name), strings.HasSuffix(name, "/")); err != nil {
			return fmt.Errorf("%s can't be shared: %w", name, err)
		}
	}
	return r.hand()
}

// hand gives the release to its owner.
func (r *Release) hand() error {
	root, err := os.OpenRoot(r.Folder)
	if err != nil {
		return err
	}
	defer root.Close()
	return r.Owner.giveAll(root, ".")
}

func (r *Release) share(base *os.Root, name string, isFolder bool) error {
	inside, outside := path.Join(releases, filepath.Base(r.Folder), name), path.Join(shared, name)
	if err := unlinked(base, inside); err != nil {
		return err
	}
	if err := errors.Join(r.above(base, outside, r.Owner), r.above(base, inside, nil)); err != nil {
		return err
	}
	if old, err := base.Readlink(outside); err == nil && old == linkOf(name) { // an Adopt that was killed
		if err := base.Remove(outside); err != nil {
			return err
		}
	}
	_, err := base.Lstat(outside)
	if errors.Is(err, fs.ErrNotExist) {
		err = r.found(base, inside, outside, isFolder)
	}
	if err != nil {
		return err
	}
	if err := base.RemoveAll(inside); err != nil {
		return err
	}
	return base.Symlink(linkOf(name), inside)
}

// found makes what is shared for the first time.
func (r *Release) found(base *os.Root, inside, outside string, isFolder bool) error {
	info, err := base.Lstat(inside)
	switch {
	case err == nil && info.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("the release has a symlink there: make %s/%s first", filepath.Dir(r.Current), outside)
	case err == nil:
		if err := r.Owner.giveAll(base, inside); err != nil {
			return err
		}
		return base.Rename(inside, outside)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case !isFolder:
		return fmt.Errorf("there is no %s/%s, and the release brings none: make it; a folder that may be made is "+
			"written with a slash at its end", filepath.Dir(r.Current), outside)
	}
	if err := base.Mkdir(outside, 0o755); err != nil {
		return err
	}
	return r.Owner.giveIn(base, outside)
}

// unlinked fails if a symlink stands above a name: what is shared would be put, and what the release brings removed,
// where that leads.
func unlinked(base *os.Root, name string) error {
	for i, c := range name {
		if c != '/' {
			continue
		}
		info, err := base.Lstat(name[:i])
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && info.Mode().Type() == fs.ModeSymlink {
			err = fmt.Errorf("it lies behind %s, which is a symlink: share what that leads to, or have a "+
				"folder there", name[:i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// above makes the folders that a name lies in, of an owner.
func (r *Release) above(base *os.Root, name string, owner *Owner) error {
	for i, c := range name {
		if c != '/' {
			continue
		}
		err := base.Mkdir(name[:i], 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err := errors.Join(err, owner.giveIn(base, name[:i])); err != nil {
			return err
		}
	}
	return nil
}
