//go:build linux

// Clients that mean no good, by the thousand: memory stays bounded, and those who mean well are served.

package connections

import (
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// startHostile has a listener for WebSockets and one for TCP, and an admin listener, all with tight limits.
func startHostile(t *testing.T) (k *harness.Talk, admin string) {
	t.Helper()
	addr, tcp, admin := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	k = harness.StartTalkOn(t, addr, fmt.Sprintf("[admin]\nlisten = %q\n[[listen]]\naddress = %q\nhandshake_timeout "+
		"= \"2s\"\n[[listen]]\naddress = %q\nprotocol = \"tcp\"\nmax_message = \"64KiB\"\nidle_timeout = \"5s\"\n"+
		"[pool.web]\nworker = \"worker.php\"\nworkers = 2\n[http]\nheader_timeout = \"3s\"\n", admin, addr, tcp))
	k.TCP = tcp
	return k, admin
}

// attack has n clients, at most 200 at a time, do something with a connection of their own to the address.
func attack(t *testing.T, address string, n int, do func(c net.Conn, i int)) {
	t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			for {
				i := int(next.Add(1))
				if i > n {
					return
				}
				from := net.Dialer{Timeout: 10 * time.Second,
					LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(2+i/4000))}}
				c, err := from.Dial("tcp", address)
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				c.SetDeadline(time.Now().Add(10 * time.Second))
				do(c, i)
				c.Close()
			}
		})
	}
	all.Wait()
}

// serving fails the test unless a client who means well is served at once, the while and after.
func serving(k *harness.Talk) (stop func()) {
	k.T.Helper()
	s, l := k.Upgrade("/"), k.Line()
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			began := time.Now()
			for _, c := range []harness.Talker{s, l} {
				if err := c.Tell(fmt.Sprintf("n %d", n)); err != nil {
					k.T.Error(err)
					return
				}
				if text, err := c.Listen(); err != nil || !strings.HasPrefix(text, fmt.Sprintf("%d 1 ", n)) {
					k.T.Errorf("message %d was answered with %q %v", n, text, err)
					return
				}
			}
			if took := time.Since(began); took > 30*time.Second {
				k.T.Errorf("message %d took %v", n, took)
			}
			select {
			case <-over:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() { close(over); <-done; s.Close(); l.Close() }
}

// Ten thousand in its long form.
func TestThousandsOfConnectionsOfGarbageHarmNobody(t *testing.T) {
	t.Parallel()
	clients := 3000
	if harness.Long {
		clients = 10_000
	}
	k, admin := startHostile(t)
	garbage := make([]byte, 4096)
	rand.Read(garbage)
	// Half of them come with a handshake, half of those have something to say that is nearly a frame.
	hello := fmt.Sprintf(harness.Handshake, "/", k.Addr, "")
	web := func(c net.Conn, i int) {
		switch i % 5 {
		case 0:
			c.Write(garbage[i%1000 : i%1000+500])
		case 1:
			c.Write([]byte(hello[:i%len(hello)])) // half a handshake, and gone
		case 2, 3:
			c.Write([]byte(hello))
			c.Read(make([]byte, 1024))
			c.Write(garbage[i%1000 : i%1000+1+i%300])
			if i%2 == 0 {
				c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // it may be the beginning of something
				c.Read(make([]byte, 1024))
			}
		case 4:
			c.Write([]byte(hello))
			c.Read(make([]byte, 1024))
			c.Write(harness.Frame(ws.OpText, garbage[i%1000:i%1000+i%200]))
			c.(*net.TCPConn).SetLinger(0)
		}
	}
	raw := func(c net.Conn, i int) {
		c.Write(garbage[i%2000 : i%2000+i%2000])
		if i%3 == 0 {
			c.(*net.TCPConn).SetLinger(0)
		}
	}
	stop := serving(k)
	attack(t, k.Addr, 200, web)
	attack(t, k.TCP, 200, raw)
	before := harness.TakeFootprint(t, k.Host, admin)
	began := time.Now()
	attack(t, k.Addr, clients/2, web)
	attack(t, k.TCP, clients/2, raw)
	peak := harness.TakeFootprint(t, k.Host, admin)
	stop()
	t.Logf("%d connections in %.1f s", clients, time.Since(began).Seconds())
	if peak.Resident > before.Resident+128<<20 {
		t.Errorf("the host grew from %d MiB to %d MiB", before.Resident>>20, peak.Resident>>20)
	}
	k.Eventually("all connections have ended", func() bool { return len(k.Connections()) == 0 })
	harness.AwaitFootprint(t, k.Host, admin, before, func() { k.Get("/") })
	for _, w := range k.Status().Pools[0].Workers {
		if w.Restarts != 0 {
			t.Errorf("worker %d was restarted %d times", w.Slot, w.Restarts)
		}
	}
	if strings.Contains(k.Logs.String(), "panic") {
		t.Error("the log speaks of a panic")
	}
}

func TestHalfOpenHandshakesAndSilentClientsAreClosed(t *testing.T) {
	t.Parallel()
	k, _ := startHostile(t)
	defer serving(k)()
	hello := fmt.Sprintf(harness.Handshake, "/", k.Addr, "")
	var half, silent []net.Conn
	for i := range 300 {
		c := k.Dial()
		c.Send(hello[:len(hello)-1-i%100])
		half = append(half, c)
		l := k.Line()
		if i%2 == 0 {
			l.Send("say ")
		}
		silent = append(silent, l)
	}
	for _, c := range append(half, silent...) {
		c.SetReadDeadline(time.Now().Add(15 * time.Second))
		for {
			if _, err := c.Read(make([]byte, 1024)); err != nil {
				if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
					t.Fatal("a client that says nothing stays connected")
				}
				break
			}
		}
	}
}

func TestAClientThatFloodsWaitsForItselfAlone(t *testing.T) {
	t.Parallel()
	k, admin := startHostile(t)
	before := harness.TakeFootprint(t, k.Host, admin)
	stop := serving(k)
	var floods sync.WaitGroup
	var over atomic.Bool
	message := harness.Frame(ws.OpText, []byte("n "+strings.Repeat("1", 1000)))
	for range 8 {
		s := k.Upgrade("/")
		floods.Go(func() {
			for !over.Load() { // and never reads
				s.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
				if _, err := s.Write(message); err != nil {
					if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() {
						return
					}
					break // half a frame may have gone: it only blocks from here
				}
			}
			for !over.Load() {
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	for range 15 {
		time.Sleep(200 * time.Millisecond)
		if now := harness.TakeFootprint(t, k.Host, admin); now.Resident > before.Resident+96<<20 {
			t.Errorf("the host grew from %d MiB to %d MiB", before.Resident>>20, now.Resident>>20)
			break
		}
	}
	over.Store(true)
	floods.Wait()
	stop()
}

func TestSlowReadersOfABroadcastFillBoundedMemory(t *testing.T) {
	t.Parallel()
	addr, admin := harness.FreeAddress(t), harness.FreeAddress(t)
	k := harness.StartTalkOn(t, addr, fmt.Sprintf("[admin]\nlisten = %q\n[[listen]]\naddress = %q\nsend_buffer = "+
		"\"256KiB\"\nslow_client = \"drop-oldest\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", admin, addr))
	for range 100 {
		k.Upgrade("/?join=flood")
	}
	before := harness.TakeFootprint(t, k.Host, admin)
	flood(k, 2000, 16_000, nil)
	after := harness.TakeFootprint(t, k.Host, admin)
	queued := int64(0)
	for _, c := range k.Connections() {
		queued += c.Queued
	}
	t.Logf("%d KiB wait for 100 clients; the host took %d MiB before and %d MiB after", queued>>10,
		before.Resident>>20, after.Resident>>20)
	if queued == 0 || queued > 100*(256<<10+32_000) {
		t.Errorf("%d bytes wait for 100 clients who may have 256 KiB each", queued)
	}
	if after.Resident > before.Resident+64<<20 { // a broadcast is one message, for however many it waits
		t.Errorf("the host grew from %d MiB to %d MiB", before.Resident>>20, after.Resident>>20)
	}
}

func TestLimitsOfAListenerHold(t *testing.T) {
	t.Parallel()
	addr, tcp := harness.FreeAddress(t), harness.FreeAddress(t)
	k := &harness.Talk{Dir: t.TempDir(), TCP: tcp}
	k.Deploy(t, "1")
	harness.Write(t, k.Dir, "host.toml", fmt.Sprintf(`
[[listen]]
address = %q
message_rate = 5
message_burst = 10
max_connections_per_address = 3
ping_interval = "300ms"
pong_timeout = "300ms"
[[listen]]
address = %q
protocol = "tcp"
message_rate = 5
message_burst = 10
max_connections_per_address = 2
idle_timeout = "800ms"
[pool.web]
worker = "worker.php"
workers = 2
`, addr, tcp))
	k.Host = harness.StartWith(t, addr, "-c", filepath.Join(k.Dir, "host.toml"))

	fast := k.Upgrade("/?name=fast")
	for range 12 {
		fast.Tell("say x")
	}
	if code, _ := fast.Ends(); code != 1008 {
		t.Errorf("beyond the rate a WebSocket is closed with %d", code)
	}
	fast.Close()
	mute := k.Upgrade("/?name=mute") // answers no ping, since nobody reads
	k.AwaitFarewell("mute websocket 1006 unclean")
	mute.Close()

	quick := k.Line()
	for range 12 {
		quick.Tell("say x")
	}
	if !quick.Closed() {
		t.Error("beyond the rate a TCP connection stays")
	}
	quick.Close()
	k.AwaitFarewell(" tcp 1008 ")

	var all []*harness.Socket
	k.Eventually("connections of before have ended", func() bool { return len(k.Connections()) == 0 })
	for range 3 {
		s := k.Upgrade("/")
		all = append(all, s)
		go s.Listen() // which answers pings
	}
	if s, a, err := k.TryUpgrade("/"); err != nil || s != nil || a.StatusCode != 429 && a.StatusCode != 503 {
		t.Errorf("a fourth WebSocket of one address: %v %v", a.Response, err)
	}
	all[0].Close()
	k.Eventually("there is a place again", func() bool {
		s, _, err := k.TryUpgrade("/")
		if err == nil && s != nil {
			s.Close()
		}
		return err == nil && s != nil
	})

	one, two, three := k.Line(), k.Line(), k.Line()
	if !three.Closed() {
		t.Error("a third TCP connection of one address is taken")
	}
	for i, idle := range []*harness.Line{one, two} {
		if !idle.Closed() {
			t.Errorf("idle connection %d stays", i)
		}
		idle.Close()
	}
	k.AwaitFarewell(" tcp 1001 ")
}
