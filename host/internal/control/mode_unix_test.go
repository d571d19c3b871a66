//go:build unix

package control

import (
	"os"
	"syscall"
	"testing"
)

func TestSocketBelongsToItsUserAloneWhateverTheUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := socketPath(t)
	c := claimed(t, path)
	defer c.Release()
	for _, file := range []string{path, path + ".lock"} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", file, info.Mode(), err)
		}
	}
}
