//go:build !linux

package process

// ResidentMemory can't be known here without cgo.
func ResidentMemory(int) int64 { return 0 }
