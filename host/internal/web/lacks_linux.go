// lacks_linux.go asks the kernel what it knows of a public folder without asking the disk: most requests of an
// application are for no file.

package web

import "golang.org/x/sys/unix"

// inMemory has a lookup fail that would have to ask the disk, or a lock (RESOLVE_CACHED, Linux 5.12).
const inMemory = 0x20

// lacks says whether the folder is known to have nothing of that name. What it does not know may be anything.
func (f *folder) lacks(name string) bool {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | inMemory}
	fd, err := unix.Openat2(int(f.dir.Fd()), name, &how)
	if err == nil {
		unix.Close(fd)
	}
	return err == unix.ENOENT
}
