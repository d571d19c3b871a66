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

// CanConfine returns nil if the kernel has Landlock, and otherwise why it can't be used. lacks is what a confined
// process may do all the same, since the kernel is too old to forbid it; "" is nothing. ports says that there are
// rules for these.
func CanConfine(ports bool) (lacks string, err error) {
	version, err := landlockVersion()
	switch {
	case err != nil:
		return "", err
	case version < leastForPorts && ports:
		return "", errors.New("this kernel can't keep processes from TCP ports (that came with Linux 6.7)")
	case version < leastForScopes:
		return "signal other processes, and use abstract sockets (Linux 6.12 and later can forbid it)", nil
	}
	return "", nil
}

// The versions of Landlock that can forbid ports, and what is not a file.
const (
	leastForPorts  = 4
	leastForScopes = 6
)

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
	if version >= leastForScopes { // one worker can't end another, nor talk to what has an abstract socket
		scopes = unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
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
	ports := []struct {
		access uint64
		to     *[]int
	}{{unix.LANDLOCK_ACCESS_NET_BIND_TCP, rules.Bind}, {unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, rules.Connect}}
	for _, p := range ports {
		if p.to != nil {
			attr.Handled_access_net |= p.access
		}
	}
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
	for _, p := range ports {
		if p.to == nil {
			continue
		}
		for _, port := range *p.to {
			if err := allowPort(int(ruleset), port, p.access); err != nil {
				return err
			}
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

func allowPort(ruleset, port int, access uint64) error {
	rule := struct{ allowed, port uint64 }{access, uint64(port)} // struct landlock_net_port_attr
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), ruleForPort,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("Landlock refused the rule for port %d: %w", port, errno)
	}
	return nil
}

// ruleForPort is LANDLOCK_RULE_NET_PORT, which package unix does not have.
const ruleForPort = 2

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
