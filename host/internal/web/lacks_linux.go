// lacks_linux.go asks the kernel what it knows of a public folder without asking the disk: most requests of an
// application are for no file.

package web

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inMemory has a lookup fail that would have to ask the disk, or a lock (RESOLVE_CACHED, Linux 5.12).
const inMemory = 0x20

// lacks says whether the folder is known to have nothing of that name. What it does not know may be anything.
func (f *folder) lacks(name string) bool {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | inMemory}
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return false
	}
	// without telling Go's scheduler, whose monitor would look after each call
	fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT2, f.dir.Fd(), uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&how)), unix.SizeofOpenHow, 0, 0)
	if errno == 0 {
		unix.Close(int(fd))
	}
	return errno == unix.ENOENT
}
