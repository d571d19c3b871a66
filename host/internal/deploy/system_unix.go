//go:build unix

// What is asked of a Unix.

package deploy

import (
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// nonblocking keeps an open from waiting for the other end of a named pipe.
const nonblocking = syscall.O_NONBLOCK

// supported says why there are no deploys here; nil if there are.
func supported() error { return nil }

// Free says how many bytes this user may still write in a folder that may not be there yet.
func Free(folder string) (bytes uint64, ok bool) {
	var st unix.Statfs_t
	for unix.Statfs(folder, &st) != nil {
		if folder == filepath.Dir(folder) {
			return 0, false
		}
		folder = filepath.Dir(folder)
	}
	return uint64(max(0, int64(st.Bavail))) * uint64(st.Bsize), true
}

// sameDevice says whether two files are on one file system.
func sameDevice(a, b os.FileInfo) bool {
	one, ok := a.Sys().(*syscall.Stat_t)
	other, too := b.Sys().(*syscall.Stat_t)
	return !ok || !too || one.Dev == other.Dev
}
