//go:build !unix

// Where there are no locks, and no symlink can be replaced in one step, nothing is deployed.

package deploy

import (
	"errors"
	"os"
)

const nonblocking = 0

func supported() error {
	return errors.New("host deploy is for Linux, macOS and the BSDs, where a symlink is replaced in one step: " +
		"deploy into the folder, and use host reload")
}

// Free is not known here.
func Free(string) (bytes uint64, ok bool) { return 0, false }

func syncTree(string) error { return supported() }

func sameDevice(a, b os.FileInfo) bool { return true }
