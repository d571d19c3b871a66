package web

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// A connection of a server that is not ours has no time-out of its own.
func TestAClientThatTakesNothingOfATunnelIsGivenUp(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	late := time.AfterFunc(5*time.Second, func() { theirs.Close() })
	defer late.Stop()
	k := &tunnel{conn: ours, writeTime: 10 * time.Millisecond}
	if err := k.write([]byte("\x81\x02hi")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
