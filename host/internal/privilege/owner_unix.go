//go:build unix

// Whom a folder belongs to.

package privilege

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// OwnerOf is the user to whom a folder belongs, with the group of the folder and the groups of the user; nil for a
// folder that is not there. The errors are those of [Find], or the system's.
func OwnerOf(folder string) (*Identity, error) {
	info, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, nil
	}
	return Find(strconv.Itoa(int(st.Uid)), strconv.Itoa(int(st.Gid)))
}
