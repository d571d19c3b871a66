//go:build !linux

package watch

func isRemote(string) bool { return false }
