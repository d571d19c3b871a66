//go:build unix

// How a program that ends in a moment runs as another user.

package privilege

import (
	"os/exec"
	"syscall"
)

// RunAs has cmd run as identity, without a plan: for a program that ends in a moment. nil is this process's own user.
func RunAs(cmd *exec.Cmd, identity *Identity) {
	if identity == nil {
		return
	}
	who := &syscall.Credential{Uid: uint32(syscall.Getuid()), Gid: uint32(identity.GID)}
	if identity.UID >= 0 {
		who.Uid = uint32(identity.UID)
	}
	for _, g := range identity.Groups {
		who.Groups = append(who.Groups, uint32(g))
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Credential = who
}
