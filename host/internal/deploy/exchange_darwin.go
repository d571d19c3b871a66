// Two names that change places in one step.

package deploy

import (
	"os"

	"golang.org/x/sys/unix"
)

// exchange has a name in one folder and a name in another one change places.
func exchange(in *os.File, a string, beside *os.File, b string) error {
	if err := unix.RenameatxNp(int(in.Fd()), a, int(beside.Fd()), b, unix.RENAME_SWAP); err != nil {
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return nil
}
