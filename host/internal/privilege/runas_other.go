//go:build !unix

package privilege

import "os/exec"

// RunAs does nothing: there is no identity here.
func RunAs(*exec.Cmd, *Identity) {}
