// missing.go says why there is nothing at a path.

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// missing says that nothing is at path, and what to do.
func missing(what, path, remedy string) string {
	if text := dangling(path); text != "" {
		return text
	}
	return fmt.Sprintf("there is no %s%s: %s", what, path, remedy)
}

// dangling says that a symlink on the way to path leads nowhere, as `current` does after its release was removed: to
// create the path would be wrong. It is "" if that is not why nothing is there.
func dangling(path string) string {
	for at := path; ; at = filepath.Dir(at) {
		target, err := os.Readlink(at)
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			continue // it may be the folder that is missing
		}
		if _, gone := os.Stat(at); err != nil || !errors.Is(gone, fs.ErrNotExist) {
			return ""
		}
		return fmt.Sprintf("%s is a symlink to %s, which does not exist: point it at what does (ln -sfn TARGET "+
			"%[1]s), or mend the path", at, target)
	}
}

// unreadable is the error of a file that can't be read, with the remedy where there is none.
func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(missing("", path, "mend the path"))
	}
	return err
}
