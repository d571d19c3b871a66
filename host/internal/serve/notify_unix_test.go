//go:build unix

package serve

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestSystemdIsToldAgainAndAgainThatAReloadGoesOn(t *testing.T) {
	dir, err := os.MkdirTemp("", "h") // short, as the path of a socket has to be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	n := newNotifier(hclog.NewNullLogger())
	n.serving("")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); n.prolong(ctx, time.Millisecond) }()
	buffer := make([]byte, 256)
	for heard := 0; heard < 3; {
		length, err := socket.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		if string(buffer[:length]) == prolonged {
			heard++
		}
	}
	cancel()
	for { // what is told and not read would hold it up
		select {
		case <-done:
			return
		default:
			socket.SetReadDeadline(time.Now().Add(time.Millisecond))
			socket.Read(buffer)
		}
	}
}
