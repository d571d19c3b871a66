// folder.go fills a release from a folder.

package deploy

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FromFolder copies a folder into the release, but for .git and what skip says.
func (r *Release) FromFolder(ctx context.Context, folder string, limits Limits, skip func(string) bool) error {
	if Within(r.Folder, folder) {
		return fmt.Errorf("%s has the releases in it: name the folder that has the code alone", folder)
	}
	from, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer from.Close()
	err = r.fill(limits, skip, func(t *tree) error {
		return fs.WalkDir(from.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case name == ".git", skip != nil && skip(name):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			return t.copy(ctx, from, name, d)
		})
	})
	if err != nil {
		return fmt.Errorf("%s can't be copied: %w", folder, err)
	}
	return nil
}

func (t *tree) copy(ctx context.Context, from *os.Root, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch kind := info.Mode().Type(); kind {
	case fs.ModeDir:
		return t.folder(name, info.Mode())
	case fs.ModeSymlink:
		target, err := from.Readlink(name)
		if err != nil {
			return err
		}
		return t.link(name, target)
	case 0:
		in, err := from.OpenFile(name, os.O_RDONLY|nonblocking, 0)
		if err != nil {
			return err
		}
		defer in.Close()
		if info, err = in.Stat(); err != nil {
			return err
		} else if !info.Mode().IsRegular() { // it has taken the file's place
			return refused(name, "no file any more")
		}
		return t.file(name, info.Mode(), info.Size(), info.ModTime(), &heeding{ctx, in})
	default:
		return refused(name, "neither file, folder nor symlink")
	}
}

// Size is how many bytes the files of a folder have; what can't be read has none.
func Size(folder string) (bytes int64) {
	filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
