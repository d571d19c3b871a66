package control

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// dialAs connects as another user: credentials are a thread's own to the kernel.
func dialAs(t *testing.T, uid int, path string) net.Conn {
	t.Helper()
	type dialed struct {
		conn net.Conn
		err  error
	}
	result := make(chan dialed)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		var d dialed
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
		conn := dialAs(t, uid, path)
		defer conn.Close()
		if _, err := conn.Write([]byte("GET /v1/status HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if _, err := bufio.NewReader(resp.Body).WriteTo(&text); err != nil {
			t.Error(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || want == http.StatusForbidden && !strings.Contains(text.String(), "user 65534 may not steer a host of user 0") {
			t.Errorf("user %d: %s %s", uid, resp.Status, text.String())
		}
	}
}
