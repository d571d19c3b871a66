// Two names that change places in one step.

package deploy

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// exchange has a name in one folder and a name in another one change places.
func exchange(in *os.File, a string, beside *os.File, b string) error {
	err := unix.Renameat2(int(in.Fd()), a, int(beside.Fd()), b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("the file system can't have %s and %s change places in one step: %w", a, b, err)
	}
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return nil
}
