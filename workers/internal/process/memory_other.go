//go:build !linux

// Other systems are not asked how much memory a process has.

package process

// ResidentMemory can't be known here without cgo.
func ResidentMemory(int) int64 { return 0 }

// FamilyMemory is not known here.
func FamilyMemory(int) int64 { return 0 }
