//go:build unix

package listen

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestTheFileOfAUnixSocketIsWhoseItShouldBeAlsoAfterAReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = 12345
	}
	h := start(t, hello, func(o *Options) {
		o.Address, o.Socket = "unix:"+path, SocketFile{Mode: 0o620, UID: -1, GID: group}
	})
	has := func(mode os.FileMode) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		stat := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm() != mode || int(stat.Gid) != group || int(stat.Uid) != os.Getuid() {
			t.Errorf("mode %04o, user %d, group %d; want %04o, %d, %d", info.Mode().Perm(), stat.Uid, stat.Gid, mode,
				os.Getuid(), group)
		}
	}
	has(0o620)
	terms := *h.terms.Load()
	terms.Socket.Mode = 0o666
	prepared, err := h.Prepare(terms)
	if err != nil {
		t.Fatal(err)
	}
	prepared.Apply()
	has(0o666)
}
