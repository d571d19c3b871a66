//go:build !unix

// There are no users to change to here.

package privilege

import "errors"

// Supported says whether this system has users to change to.
const Supported = false

// Become fails: there are no users to change to here. The configuration refuses to ask for it.
func Become(*Plan, []string) error {
	return errors.New("this system can't change a process's user, umask or limits before it starts")
}
