package listen

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer/peertest"
)

func TestAChangedWriteTimeoutCountsForConnectionsThatAreOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go theirs.Read(make([]byte, 1))
		timeout := time.Hour
		c := &client{Conn: ours, timeout: func() time.Duration { return timeout }}
		if _, err := c.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		timeout = time.Second
		began := time.Now()
		if _, err := c.Write([]byte{2}); err == nil || time.Since(began) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func write(c net.Conn, p []byte, timeout time.Duration) error {
	_, err := (&client{Conn: c, timeout: func() time.Duration { return timeout }}).Write(p)
	return err
}

func TestAWriteTimesOutWhenThePeerHasTakenNothingForThatLong(t *testing.T) {
	peertest.WriteTimesOut(t, write)
}

func TestAWriteTakesAsLongAsThePeerTakesSomething(t *testing.T) { peertest.WriteGoesOn(t, write) }
