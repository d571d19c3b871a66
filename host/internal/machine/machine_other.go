//go:build !linux

// Other systems are not asked about processes, memory and disks.

package machine

// ProcessLimit is not known here.
func ProcessLimit() (n uint64, source string, ok bool) { return 0, "", false }

// DiskSpace is not known here.
func DiskSpace(string) (free int64, inMemory, ok bool) { return 0, false, false }

func addressSpace() (limit uint64, limited bool) { return 0, false }
