// Long-lived connections in numbers, whose clients leave in every way there is.

package listen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/protocol"
)

// guest says some things, each of which has to come back, in order, and leaves in some way. It returns what it did
// when something was wrong.
func guest(l *lines, r *rand.Rand, websocket bool, name string) (err error) {
	c, err := net.Dial("tcp", l.Address())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	says, hears := bytes.Buffer{}, bytes.Buffer{}
	if websocket {
		c = knockOn(l.t, c).Conn
	}
	for i := range 1 + r.IntN(8) {
		text := fmt.Sprintf("%s %d %s", name, i, bytes.Repeat([]byte("x"), r.IntN(2)*r.IntN(2)*r.IntN(200_000)))
		if websocket {
			says.Write(peertest.Text(text))
			hears.Write(frameOf(text))
		} else {
			says.WriteString(text + "\n")
			hears.WriteString(text + "\n")
		}
	}
	way := r.IntN(6)
	if way == 0 { // in the middle of a message, without a look at what comes
		c.Write(says.Bytes()[:r.IntN(says.Len())])
		c.(*net.TCPConn).SetLinger(r.IntN(2) - 1)
		return nil
	}
	go func() { // ends with the connection
		for b := says.Bytes(); len(b) > 0; {
			n, err := c.Write(b[:min(len(b), 1+r.IntN(100_000))])
			if b = b[n:]; err != nil {
				return
			}
		}
		if way == 1 && !websocket {
			c.(*net.TCPConn).CloseWrite()
		}
		if way == 1 && websocket {
			c.Write(peertest.Close(protocol.CloseNormal, ""))
		}
	}()
	got := make([]byte, hears.Len())
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, hears.Bytes()) {
		return fmt.Errorf("%s, way %d, WebSocket %v: %d of %d bytes came back, %.80q, %v", name, way, websocket, n,
			len(got), got, err)
	}
	switch way {
	case 1:
		rest, err := io.ReadAll(c)
		if want := frames(websocket); err != nil || !bytes.Equal(rest, want) {
			return fmt.Errorf("%s: it ended with %q, %v, and not %q", name, rest, err, want)
		}
	case 2:
		c.(*net.TCPConn).SetLinger(0)
	}
	return nil
}

// frameOf is a text as the host sends it.
func frameOf(text string) []byte {
	b := []byte{0x81, byte(len(text))}
	switch n := len(text); {
	case n >= 1<<16:
		b = []byte{0x81, 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	case n >= 126:
		b = []byte{0x81, 126, byte(n >> 8), byte(n)}
	}
	return append(b, text...)
}

// frames is what ends a connection whose client took leave.
func frames(websocket bool) []byte {
	if websocket {
		return []byte{0x88, 2, protocol.CloseNormal >> 8, protocol.CloseNormal & 0xff}
	}
	return []byte{}
}

// descriptors is how many this process has; 0 where that is not told.
func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

func TestLongLivedConnectionsThatComeAndGoInAnyWayHearWhatIsTheirsAndLeaveNothing(t *testing.T) {
	for name, websocket := range map[string]bool{"TCP": false, "WebSocket": true} {
		t.Run(name, func(t *testing.T) { comeAndGo(t, websocket) })
	}
}

func comeAndGo(t *testing.T, websocket bool) {
	most := 160
	if os.Getenv("LONG_TESTS") != "" {
		most = 6400
	}
	var opened atomic.Int64
	count := func(b *switchboard, o *Options) {
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			opened.Add(1)
			return nil, nil, nil
		}
	}
	l := startTCP(t, peer.Framing{Kind: peer.FrameLine}, count, func(_ *switchboard, o *Options) {
		if websocket {
			o.Protocol = HTTP
		}
	})
	if err := guest(l, rand.New(rand.NewPCG(0, 1)), websocket, "the first"); err != nil { // all is running then
		t.Fatal(err)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	stop := make(chan struct{})
	var all, terms sync.WaitGroup
	for one := range 16 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(one), uint64(time.Now().UnixNano())))
			for i := range most / 16 {
				if err := guest(l, r, websocket, fmt.Sprintf("%d-%d", one, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	terms.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				now := *l.Server.terms.Load()
				now.Sockets.IdleTimeout = time.Minute + time.Duration(i)*time.Second
				p, err := l.Prepare(now)
				if err != nil {
					t.Error(err)
					return
				}
				p.Apply()
			}
		}
	})
	all.Wait()
	close(stop)
	terms.Wait()
	wait := func(what string, over func() bool) {
		for until := time.Now().Add(20 * time.Second); !over(); time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%s\n%s", what, stacks[:runtime.Stack(stacks, true)])
			}
		}
	}
	wait("connections are left", func() bool { return l.Connections() == 0 && len(l.hub.List()) == 0 })
	wait("a CLOSE is missing", func() bool { return int64(len(l.board.closed)) >= opened.Load() })
	if got := int64(len(l.board.closed)); got != opened.Load() {
		t.Errorf("%d connections opened, and %d closed", opened.Load(), got)
	}
	wait("goroutines are left", func() bool { return runtime.NumGoroutine() <= goroutines })
	wait("descriptors are left", func() bool { return descriptors() <= files })
}

// A client that says nothing costs no goroutine.
func TestAnIdleConnectionHasNoGoroutine(t *testing.T) {
	var sleepers []net.Conn
	l := startTCP(t, peer.Framing{Kind: peer.FrameLine}, func(_ *switchboard, o *Options) { onLoops(t)(o) })
	before := runtime.NumGoroutine()
	for range 50 {
		c := l.dial()
		talk(t, c, "hello\n", "hello\n")
		sleepers = append(sleepers, c)
	}
	for until := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+10; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d goroutines for %d connections", runtime.NumGoroutine()-before, len(sleepers))
		}
	}
	for _, c := range sleepers {
		talk(t, c, "again\n", "again\n")
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}
