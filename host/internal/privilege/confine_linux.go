// confine_linux.go: Landlock, by which a process gives up all files but those below some paths, for itself and for
// what it starts.

package privilege

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	reading = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_EXECUTE
	writing = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR |
		unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	making = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK // for nobody
	// ofFile is what means something for a file that is no folder; the kernel refuses the others there.
	ofFile = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

// CanConfine returns nil if the kernel has Landlock, and otherwise why it can't be used.
func CanConfine() error {
	_, err := landlockVersion()
	return err
}

func landlockVersion() (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
		return int(version), nil
	case unix.ENOSYS:
		return 0, errors.New("this kernel has no Landlock (it came with Linux 5.13), or a container forbids it")
	case unix.EPERM, unix.EACCES:
		return 0, errors.New("Landlock is forbidden here, probably by a system call filter: allow " +
			"landlock_create_ruleset, landlock_add_rule and landlock_restrict_self (in a unit of systemd, with " +
			"SystemCallFilter=)")
	case unix.EOPNOTSUPP:
		return 0, errors.New("Landlock is switched off in this kernel: add landlock to lsm= on its command line")
	}
	return 0, fmt.Errorf("the kernel does not say whether it has Landlock: %w", errno)
}

// handled is what a version of Landlock can forbid.
func handled(version int) (files, scopes uint64) {
	files = reading | writing | making
	if version < 2 {
		files &^= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version < 3 {
		files &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version < 5 {
		files &^= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 {
		scopes = unix.LANDLOCK_SCOPE_SIGNAL // one worker can't end another
	}
	return files, scopes
}

// confine limits the calling thread, and what it executes. It can't be taken back.
func confine(rules *Rules) error {
	version, err := landlockVersion()
	if err != nil {
		return err
	}
	files, scopes := handled(version)
	attr := unix.LandlockRulesetAttr{Handled_access_fs: files, Scoped: scopes}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)),
		unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("Landlock refused the rules: %w", errno)
	}
	defer unix.Close(int(ruleset))
	for _, path := range rules.Readable {
		if err := allow(int(ruleset), path, reading&files); err != nil {
			return err
		}
	}
	for _, path := range rules.Writable {
		if err := allow(int(ruleset), path, writing&files); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("this process can't give up new privileges: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return fmt.Errorf("Landlock refused to confine the worker: %w", errno)
	}
	return nil
}

func allow(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "confine to", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "confine to", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= ofFile
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return &os.PathError{Op: "confine to", Path: path, Err: errno}
	}
	return nil
}
