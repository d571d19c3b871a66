// What Linux says of limits on processes, of memory and of disks.

package machine

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// ProcessLimit is the number of processes that may run, and who says so.
func ProcessLimit() (n uint64, source string, ok bool) {
	var limit unix.Rlimit
	// root is exempt
	if unix.Getrlimit(unix.RLIMIT_NPROC, &limit) == nil && limit.Cur != math.MaxUint64 && os.Geteuid() != 0 {
		n, source, ok = limit.Cur, "of the user", true
	}
	if group, limited := groupValue("pids.max"); limited && (!ok || uint64(group) < n) {
		n, source, ok = uint64(group), "of the control group", true
	}
	return n, source, ok
}

// addressSpace is how much memory this process may map, if that is limited.
func addressSpace() (limit uint64, limited bool) {
	var l unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_AS, &l)
	return l.Cur, err == nil && l.Cur != math.MaxUint64
}

// DiskSpace says what is left for this user where folder is, and whether that is memory.
func DiskSpace(folder string) (free int64, inMemory, ok bool) {
	var s unix.Statfs_t
	if unix.Statfs(folder, &s) != nil {
		return 0, false, false
	}
	return int64(s.Bavail) * int64(s.Bsize), s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC, true
}
