//go:build unix

// permitted_unix.go keeps the host, which may be root, from reading for a worker what the worker's user may not.

package web

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/workerhost/workerhost/protocol"
)

var errNotTheirs = errors.New(
	"the pool's user can't read it: change the owner or the mode of it, or of a folder above it")

// permitted says whether the owner may read the open file that info is of, and may come to its path. Without an owner,
// or if that is root, all is permitted. It goes by owner, groups and mode; access lists do not count.
func permitted(owner *protocol.Owner, path string, info fs.FileInfo) error {
	if owner == nil || owner.UID <= 0 {
		return nil
	}
	if !grants(owner, info, 4) {
		return errNotTheirs
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !grants(owner, info, 1) {
			return errNotTheirs
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// grants says whether the mode grants the owner the permission, which is 4 to read and 1 to pass.
func grants(owner *protocol.Owner, info fs.FileInfo, permission fs.FileMode) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	mode := info.Mode().Perm()
	switch {
	case int(stat.Uid) == owner.UID:
		mode >>= 6
	case int(stat.Gid) == owner.GID || slices.Contains(owner.Groups, int(stat.Gid)):
		mode >>= 3
	}
	return mode&permission != 0
}
