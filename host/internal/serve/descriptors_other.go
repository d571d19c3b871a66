//go:build !linux

// Only Linux can mark all descriptors at once.

package serve

// closeOnExec is for Linux alone.
func closeOnExec() {}
