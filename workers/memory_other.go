//go:build !linux

package workers

// residentMemory can't be known here without cgo.
func residentMemory(int) int64 { return 0 }
