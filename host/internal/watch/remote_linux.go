// File systems whose changes the kernel does not tell of are looked at from time to time instead.

package watch

import "golang.org/x/sys/unix"

// remotes are file systems that others can write to behind this kernel's back: network mounts, and folders that a
// virtual machine shares.
var remotes = map[uint32]bool{
	unix.NFS_SUPER_MAGIC: true, unix.SMB_SUPER_MAGIC: true, unix.SMB2_SUPER_MAGIC: true, unix.CIFS_SUPER_MAGIC: true,
	unix.V9FS_MAGIC: true, unix.FUSE_SUPER_MAGIC: true, unix.CEPH_SUPER_MAGIC: true, unix.AFS_SUPER_MAGIC: true,
	0x786f4256: true, // vboxsf
}

func isRemote(folder string) bool {
	var s unix.Statfs_t
	return unix.Statfs(folder, &s) == nil && remotes[uint32(s.Type)]
}
