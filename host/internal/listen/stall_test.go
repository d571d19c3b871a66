package listen

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// writers are the ways in which bytes go to a client.
func writers(timeout func() time.Duration) map[string]func(net.Conn, []byte) error {
	return map[string]func(net.Conn, []byte) error{
		"client": func(c net.Conn, p []byte) error {
			_, err := (&client{Conn: c, timeout: timeout}).Write(p)
			return err
		},
		"sock": func(c net.Conn, p []byte) error {
			s := &sock{conn: c, raw: struct{ syscall.RawConn }{}}
			return s.write([][]byte{p}, timeout())
		},
	}
}

func TestAWriteTimesOutWhenThePeerHasTakenNothingForThatLong(t *testing.T) {
	const timeout = 30 * time.Second
	for name, write := range writers(func() time.Duration { return timeout }) {
		for _, pause := range []time.Duration{0, time.Second, timeout - time.Second} {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer ours.Close()
				defer theirs.Close()
				var last time.Time
				took := make(chan struct{})
				go func() {
					defer close(took)
					for range 5 {
						time.Sleep(pause)
						theirs.Read(make([]byte, 1))
						last = time.Now()
					}
				}()
				err := write(ours, make([]byte, 100))
				<-took
				waited := time.Since(last)
				if !errors.Is(err, os.ErrDeadlineExceeded) || waited < timeout || waited > timeout+timeout/8 {
					t.Errorf("%s, a byte each %v: %v after %v without any", name, pause, err, waited)
				}
			})
		}
	}
}

func TestAWriteTakesAsLongAsThePeerTakesSomething(t *testing.T) {
	for name, write := range writers(func() time.Duration { return 30 * time.Second }) {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			defer theirs.Close()
			go func() {
				for range 100 {
					time.Sleep(29 * time.Second)
					theirs.Read(make([]byte, 1))
				}
			}()
			if err := write(ours, make([]byte, 100)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

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
