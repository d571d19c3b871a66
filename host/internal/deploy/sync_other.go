//go:build unix && !linux

// Bringing a whole tree to the disk.

package deploy

import "golang.org/x/sys/unix"

// syncTree has all file systems written, since one alone can't be.
func syncTree(string) error {
	unix.Sync()
	return nil
}
