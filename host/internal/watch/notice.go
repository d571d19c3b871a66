// notice.go has the system notify about changes.

package watch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"
)

// notice sends what changes to found until ctx ends. It fails if the system can't watch all there is.
func notice(ctx context.Context, o Options, roots []string, found chan<- string) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()
	for _, root := range roots {
		if err := add(watcher, o.Filter, root, root, nil); err != nil {
			return err
		}
	}
	for _, file := range o.Files {
		if err := watcher.Add(filepath.Dir(file)); err != nil {
			return err
		}
	}
	o.Ready()
	tell := func(file string) {
		select {
		case found <- file:
		case <-ctx.Done():
		}
	}
	for {
		select {
		case e := <-watcher.Events:
			if slices.Contains(o.Files, e.Name) {
				if e.Op != fsnotify.Chmod {
					tell(e.Name)
				}
				continue
			}
			root, relative := locate(roots, e.Name)
			if root == "" || e.Op == fsnotify.Chmod {
				continue
			}
			if e.Has(fsnotify.Create) {
				if info, err := os.Lstat(e.Name); err == nil && info.IsDir() {
					if err := add(watcher, o.Filter, root, e.Name, tell); err != nil {
						o.Logger.Warn("a new folder can't be watched: changes in it need `host reload`", "folder",
							e.Name, "error", err)
					}
					continue
				}
			}
			if o.Filter.file(relative) && o.Filter.folder(filepath.Dir(relative)) {
				tell(e.Name)
			}
		case err := <-watcher.Errors:
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				tell(roots[0]) // too much at once to know what
				continue
			}
			o.Logger.Warn("watching files", "error", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// add watches a folder with all its folders. Files that are there already go to tell: they may have come before the
// watch.
func add(watcher *fsnotify.Watcher, f Filter, root, folder string, tell func(string)) error {
	return walk(f, root, folder, func(path string, e fs.DirEntry) error {
		if !e.IsDir() {
			if tell != nil {
				tell(path)
			}
			return nil
		}
		err := watcher.Add(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil // it has gone meanwhile, or it is none of ours
		}
		return err
	})
}

// walk calls each with the folders and files that count, a folder before what it holds.
func walk(f Filter, root, folder string, each func(path string, e fs.DirEntry) error) error {
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // what can't be read, or has gone, is not watched
		}
		relative, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case e.IsDir() && !f.folder(relative):
			return filepath.SkipDir
		case e.IsDir() || f.file(relative):
			return each(path, e)
		}
		return nil
	})
}

// locate finds the root that a path lies in.
func locate(roots []string, path string) (root, relative string) {
	for _, root := range roots {
		if relative, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(relative) {
			return root, relative
		}
	}
	return "", ""
}
