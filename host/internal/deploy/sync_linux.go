// Bringing a whole tree to the disk.

package deploy

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncTree writes the file system that holds the folder.
func syncTree(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.Syncfs(int(dir.Fd()))
}
