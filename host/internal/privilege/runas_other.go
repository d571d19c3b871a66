//go:build !unix

// There are no users to run a program as here.

package privilege

import "os/exec"

// RunAs does nothing: there is no identity here.
func RunAs(*exec.Cmd, *Identity) {}
