//go:build unix

// control_unix.go asks a Unix system who may use a folder.

package config

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// systemFolder is for hosts that run as services.
const systemFolder = "/run/workerhost"

// systemState is for what outlives them.
const systemState = "/var/lib/host"

func isRoot() bool { return os.Geteuid() == 0 }

func userID() string { return strconv.Itoa(os.Getuid()) }

// usable says whether this process may put a socket into the folder, and nobody but root and its owner may replace it.
func usable(folder string) bool {
	info, err := os.Stat(folder)
	return err == nil && info.IsDir() && info.Mode().Perm()&0o002 == 0 &&
		unix.Access(folder, unix.W_OK|unix.X_OK) == nil
}

func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

func privateMode(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 == 0 }

// mayEnter says whether the members of a group, or everybody, may pass through a folder.
func mayEnter(info fs.FileInfo, group int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || info.Mode().Perm()&0o001 != 0 || int(stat.Gid) == group && info.Mode().Perm()&0o010 != 0
}
