// nearby_linux.go asks the kernel what it has in memory of a public folder, and does not wait for the disk: most
// requests of an application are for no file, and most of the others for a small one that was read before.

package web

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inMemory has a lookup fail that would have to ask the disk, or a lock (RESOLVE_CACHED, Linux 5.12).
const inMemory = 0x20

// isLocal says whether the file system of a folder opens what it knows without asking anybody: a network's, or FUSE,
// may not.
func isLocal(folder *os.File) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(int(folder.Fd()), &st) != nil {
		return false
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC:
		return true
	}
	return false
}

// nearby reads the file of that name, if it is small and in memory, and may be read without more ado. known and no
// file says that there is none; otherwise there may be anything.
func (f *folder) nearby(name string, mayRead bool) (file *nearFile, known bool) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | inMemory}
	if mayRead = mayRead && f.local; mayRead {
		how.Flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC
		how.Resolve |= unix.RESOLVE_NO_XDEV
	}
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return nil, false
	}
	// without telling Go's scheduler, whose monitor would look after each call
	opened, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT2, f.dir.Fd(), uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&how)), unix.SizeofOpenHow, 0, 0)
	if errno != 0 {
		return nil, errno == unix.ENOENT
	}
	fd := int(opened)
	defer unix.Close(fd)
	var st unix.Stat_t
	if !mayRead || unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > smallAnswer {
		return nil, false
	}
	file = nearFiles.Get().(*nearFile)
	n, err := unix.Preadv2(fd, [][]byte{file.bytes[:st.Size+1]}, 0, unix.RWF_NOWAIT)
	if err != nil || int64(n) != st.Size { // it changes, or the disk has it
		file.release()
		return nil, false
	}
	file.content.Reset(file.bytes[:n])
	file.name, file.modified = filepath.Base(name), time.Unix(st.Mtim.Unix())
	return file, true
}
