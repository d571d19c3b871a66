//go:build linux || darwin

// How full the disk of the spool is.

package spool

import "golang.org/x/sys/unix"

// space says how many bytes the disk under a folder has, and how many of them are free for us.
func space(folder string) (total, free int64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return 0, 0, false
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), true
}
