package control

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dialAs connects as another user: credentials are a thread's own to the kernel.
func dialAs(t *testing.T, uid int, path string, groups ...uint32) net.Conn {
	t.Helper()
	type dialed struct {
		conn net.Conn
		err  error
	}
	result := make(chan dialed)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		var d dialed
		if len(groups) > 0 {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)),
				uintptr(unsafe.Pointer(&groups[0])), 0); errno != 0 {
				d.err = errno
				result <- d
				return
			}
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			d.err = errno
		} else {
			d.conn, d.err = net.Dial("unix", path)
		}
		result <- d
	}()
	d := <-result
	if d.err != nil {
		t.Fatal(d.err)
	}
	return d.conn
}

func TestTheSocketIsForRootAndTheHostsOwnUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else; run this test as root, as CI does")
	}
	path := socketPath(t)
	defer serve(t, path, newFakeHost())()
	// The mode would keep others out by itself; somebody may have changed it.
	for file, mode := range map[string]os.FileMode{path: 0o666, filepath.Dir(path): 0o755} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	for uid, want := range map[int]int{0: http.StatusOK, 65534: http.StatusForbidden} {
		status, text := askFor(t, dialAs(t, uid, path), "close")
		if status != want || want == http.StatusForbidden &&
			!strings.Contains(text, "user 65534 may not steer a host of user 0") {
			t.Errorf("user %d: %d %s", uid, status, text)
		}
	}
}

func TestMembersOfTheSocketsGroupMayUseIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else; run this test as root, as CI does")
	}
	const group = 65533
	path := socketPath(t)
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	number := group
	claim, err := NewClaim(Socket{Path: path, Mode: 0o660, Group: &number})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 || info.Sys().(*syscall.Stat_t).Gid != group {
		t.Fatalf("%v, %v", info, err)
	}
	host := newFakeHost()
	s := NewServer(claim, host)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	many := make([]uint32, 100) // more than there is room for at first
	for i := range many {
		many[i] = uint32(70000 + i)
	}
	many[99] = group
	for name, member := range map[string][]uint32{"one group": {group}, "many": many} {
		if status, text := askFor(t, dialAs(t, 65534, path, member...), "close"); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if err := os.Chmod(path, 0o666); err != nil { // somebody has changed the mode
		t.Fatal(err)
	}
	if status, text := askFor(t, dialAs(t, 65534, path, 65532), "close"); status != http.StatusForbidden ||
		!strings.Contains(text, "a member of the group") {
		t.Errorf("who is no member: %d %s", status, text)
	}
	if r := host.records[len(host.records)-1]; !r.Stranger || r.User == "" || r.PID != os.Getpid() {
		t.Errorf("audited: %+v", r)
	}
	s.Close()
	<-served
}
