// tree.go fills the folder of a release. Whatever it is given comes to lie in that folder, or is an error.

package deploy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Limits bound what may come into a release.
type Limits struct {
	Bytes int64 // of all files together
	Files int   // of files, folders and links
}

// typicalName is how many bytes all names of a release may have, divided by the number of files that it may have.
const typicalName = 256

// DefaultLimits are more than programs have.
var DefaultLimits = Limits{Bytes: 8 << 30, Files: 500_000}

// tree is a release that is being filled, in a folder that was empty and that nobody else writes to.
type tree struct {
	root  *os.Root
	left  Limits
	names int                    // bytes that names may still have, which are all kept
	made  map[string]fs.FileMode // the type of each name that there is
	skip  func(name string) bool // what is not to be taken over
}

// fill has a release filled.
func (r *Release) fill(limits Limits, skip func(string) bool, by func(*tree) error) error {
	root, err := os.OpenRoot(r.Folder)
	if err != nil {
		return err
	}
	defer root.Close()
	return by(&tree{root: root, left: limits, names: longestName + typicalName*limits.Files, skip: skip,
		made: map[string]fs.FileMode{".": fs.ModeDir}})
}

// admit judges a name, makes the folders above it, and counts it. It says false for what is passed over.
func (t *tree) admit(given string) (name string, ok bool, err error) {
	if name, err = judge(given); err != nil {
		return "", false, err
	}
	// a repository is none of the release, and its settings name programs
	if name == ".git" || strings.HasPrefix(name, ".git/") || t.skip != nil && t.skip(name) {
		return "", false, nil
	}
	for i, r := range name {
		if r != '/' {
			continue
		}
		if err := t.put(name[:i], 0o755); err != nil {
			return "", false, err
		}
	}
	return name, true, t.count(name)
}

func (t *tree) count(name string) error {
	if t.left.Files--; t.left.Files < 0 {
		return fmt.Errorf("it %w: it has too many files", errTooMuch)
	}
	if t.names -= len(name); t.names < 0 {
		return fmt.Errorf("it %w: the names of its files are too long", errTooMuch)
	}
	return nil
}

// put makes a folder, unless there is one. What else has its name is an error.
func (t *tree) put(name string, mode fs.FileMode) error {
	if kind, there := t.made[name]; there {
		if kind != fs.ModeDir {
			return fmt.Errorf("%q is a folder, and something else before", name)
		}
		return nil
	}
	if err := t.count(name); err != nil {
		return err
	}
	if err := t.root.Mkdir(name, 0o700); err != nil {
		return err
	}
	return t.done(name, fs.ModeDir, permissions(mode)|0o700)
}

// done notes what was made, and gives it its mode.
func (t *tree) done(name string, kind, mode fs.FileMode) error {
	t.made[name] = kind
	if kind == fs.ModeSymlink {
		return nil
	}
	return t.root.Chmod(name, mode)
}

// permissions are what is taken over of a mode: nobody but the owner writes, and nothing runs as somebody else.
func permissions(mode fs.FileMode) fs.FileMode { return mode.Perm() &^ 0o022 }

// fresh fails for a name that is taken.
func (t *tree) fresh(name string) error {
	if _, there := t.made[name]; there || name == "." {
		return fmt.Errorf("%q is there twice", name)
	}
	return nil
}

// folder takes a folder in.
func (t *tree) folder(given string, mode fs.FileMode) error {
	name, ok, err := t.admit(given)
	if err != nil || !ok || name == "." {
		return err
	}
	return t.put(name, mode)
}

// file takes a file in, which has to be as long as it says.
func (t *tree) file(given string, mode fs.FileMode, size int64, changed time.Time, from io.Reader) error {
	name, ok, err := t.admit(given)
	if err != nil || !ok {
		return err
	}
	if err := t.fresh(name); err != nil {
		return err
	}
	if size < 0 || size > t.left.Bytes {
		return fmt.Errorf("it %w: %q has %d bytes more", errTooMuch, name, size)
	}
	t.left.Bytes -= size
	out, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	written, err := io.Copy(out, io.LimitReader(from, size+1))
	if err == nil && written != size {
		err = fmt.Errorf("%q has not the length that it says", name)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if !changed.IsZero() {
		if err := t.root.Chtimes(name, changed, changed); err != nil {
			return err
		}
	}
	return t.done(name, 0, permissions(mode)|0o600)
}

// link takes a symlink in.
func (t *tree) link(given, target string) error {
	name, ok, err := t.admit(given)
	if err != nil || !ok {
		return err
	}
	if err := errors.Join(t.fresh(name), judgeLink(name, target)); err != nil {
		return err
	}
	if err := t.root.Symlink(target, name); err != nil {
		return err
	}
	return t.done(name, fs.ModeSymlink, 0)
}

// hardLink takes another name of a file in that came before.
func (t *tree) hardLink(given, target string) error {
	name, ok, err := t.admit(given)
	if err != nil || !ok {
		return err
	}
	to, err := judge(target)
	if err := errors.Join(err, t.fresh(name)); err != nil {
		return err
	}
	if kind, there := t.made[to]; !there || kind != 0 {
		return fmt.Errorf("%q is another name of %q, which is no file that came before", name, path.Clean(target))
	}
	if err := t.root.Link(to, name); err != nil {
		return err
	}
	t.made[name] = 0
	return nil
}

// refused is for what is neither file, folder nor link.
func refused(name, what string) error {
	return fmt.Errorf("%.100q is %s, which no release may have", name, what)
}
