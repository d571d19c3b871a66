// Pipes whose size nobody can choose.

//go:build !linux

package process

import "os"

func widen(...*os.File) int64 { return 0 }

func narrow(int64) {}
