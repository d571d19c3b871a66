//go:build !linux

package machine

func ProcessLimit() (n uint64, source string, ok bool) { return 0, "", false }

func DiskSpace(string) (free int64, inMemory, ok bool) { return 0, false, false }

func addressSpace() (limit uint64, limited bool) { return 0, false }
