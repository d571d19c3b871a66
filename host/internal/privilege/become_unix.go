//go:build unix

// become_unix.go carries a plan out, in the process that is to become a worker.

package privilege

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Supported says whether this system has users to change to.
const Supported = true

// Become carries the plan out and executes the command, whose first word is the path of a program. It returns only if
// something failed; by then the process may have changed already, so that it can only end.
func Become(p *Plan, command []string) error {
	if len(command) == 0 {
		return errors.New("no program was given")
	}
	debug.SetGCPercent(-1) // a collection may map memory, which address_space does not leave to this program
	// confinement and the parent-death signal are a thread's own, and the thread that executes keeps them
	runtime.LockOSThread()
	if p.Umask != nil {
		unix.Umask(*p.Umask)
	}
	// Before the change of user, since only root may raise them.
	if err := limit("nofile", unix.RLIMIT_NOFILE, wide(p.Files)); err != nil {
		return err
	}
	if err := limit("core", unix.RLIMIT_CORE, p.Core); err != nil {
		return err
	}
	if p.Identity != nil {
		if err := p.Identity.assume(); err != nil {
			return err
		}
	}
	// A change of user clears it, and the parent may have died in between.
	if err := dieWithParent(); err != nil {
		return fmt.Errorf("the end of the host would go unnoticed: %w", err)
	}
	if p.Parent != 0 && os.Getppid() != p.Parent {
		return errors.New("the host has ended")
	}
	if err := p.enter(); err != nil {
		return err
	}
	if err := unix.Access(command[0], unix.X_OK); err != nil {
		return fmt.Errorf(
			"%s can't be executed by %s: %w; let this user read and execute it, and enter the folders above it",
			command[0], p.who(), err)
	}
	if p.Rules != nil {
		if err := confine(p.Rules); err != nil {
			return err
		}
	}
	// last, since this program has a large one
	if err := limit("address_space", unix.RLIMIT_AS, p.AddressSpace); err != nil {
		return err
	}
	err := syscall.Exec(command[0], command, os.Environ())
	if p.Rules != nil && errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%s can't be executed: %w; add its folder to readable in confine", command[0], err)
	}
	return fmt.Errorf("%s can't be executed: %w", command[0], err)
}

func wide(n *int) *int64 {
	if n == nil {
		return nil
	}
	wider := int64(*n)
	return &wider
}

// limit sets a resource's soft and hard limit. The syscall package is used, not x/sys, because it has to know: at exec
// it puts back the limit on open files that it found, unless that was set.
func limit(name string, resource int, value *int64) error {
	if value == nil {
		return nil
	}
	if err := setLimit(resource, *value); err != nil {
		return fmt.Errorf("rlimits %s = %d can't be set: %w; only root may go beyond the limit that the host has "+
			"itself: lower it, or raise the host's (in a unit of systemd, LimitNOFILE and the like)", name, *value,
			err)
	}
	return nil
}

// assume changes group and user for good. What is as it should be already needs no permission.
func (i *Identity) assume() error {
	if (i.UID < 0 || i.UID == os.Getuid() && i.UID == os.Geteuid()) && i.GID == os.Getgid() && i.GID == os.Getegid() &&
		i.hasGroups() {
		return nil
	}
	if err := syscall.Setgroups(i.Groups); err != nil {
		return fmt.Errorf("the groups of %s can't be set: %w; %s", i, err, needsRoot)
	}
	if err := setGID(i.GID); err != nil {
		return fmt.Errorf("this process can't change to the group %d: %w; %s", i.GID, err, needsRoot)
	}
	if i.UID < 0 {
		return nil
	}
	if err := setUID(i.UID); err != nil {
		return fmt.Errorf("this process can't change to the user %s: %w; %s", i, err, needsRoot)
	}
	if i.UID != 0 && setUID(0) == nil {
		return fmt.Errorf("the change to the user %s could be taken back: the system keeps a way to root open", i)
	}
	return nil
}

func (i *Identity) hasGroups() bool {
	have, err := os.Getgroups()
	if err != nil {
		return false
	}
	for _, g := range have {
		if !slices.Contains(i.Groups, g) {
			return false
		}
	}
	for _, g := range i.Groups {
		if g != i.GID && !slices.Contains(have, g) {
			return false
		}
	}
	return true
}

// enter finds out whether the new user can use its folders.
func (p *Plan) enter() error {
	if p.Directory != "" {
		if err := os.Chdir(p.Directory); err != nil {
			return fmt.Errorf("the workers' directory can't be entered by %s: %w; let this user read it, and enter "+
				"the folders above it", p.who(), err)
		}
	}
	if p.Temporary != "" {
		if err := unix.Access(p.Temporary, unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf(
				"the temporary folder %s can't be used by %s: %w; give the host a TMPDIR that everybody may enter",
				p.Temporary, p.who(), err)
		}
	}
	return nil
}

func (p *Plan) who() string {
	if p.Identity != nil && p.Identity.User != "" {
		return "the user " + p.Identity.User
	}
	return "this user"
}
