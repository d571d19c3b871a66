//go:build unix

package web

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestTheHostReadsNoFileForAWorkerThatItsUserMayNotRead(t *testing.T) {
	// its parents have to be open to everybody, which those of t.TempDir need not be
	base, err := os.MkdirTemp("", "p")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	dir := filepath.Join(base, "dir")
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	self, group := os.Getuid(), os.Getgid()
	stranger := &protocol.Owner{UID: self + 1000, GID: group + 1000}
	member := &protocol.Owner{UID: self + 1000, GID: group + 1000, Groups: []int{group + 1000, group}}
	for _, c := range []struct {
		base, dir, file os.FileMode
		owner           *protocol.Owner
		permitted       bool
	}{
		{0o755, 0o755, 0o644, stranger, true},
		{0o755, 0o755, 0o640, stranger, false},
		{0o755, 0o750, 0o644, stranger, false},
		{0o700, 0o755, 0o644, stranger, false},
		{0o755, 0o750, 0o640, member, true},
		{0o755, 0o755, 0o604, member, false},
		{0o700, 0o700, 0o600, nil, true},
		{0o700, 0o700, 0o600, &protocol.Owner{UID: -1, GID: group + 1000}, true},
	} {
		if err := errors.Join(os.Chmod(base, c.base), os.Chmod(dir, c.dir), os.Chmod(file, c.file)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := permitted(c.owner, file, info); (err == nil) != c.permitted {
			t.Errorf("%v %v %v for %+v: %v", c.base, c.dir, c.file, c.owner, err)
		}
	}
}
