//go:build linux

// Clients that mean no good, by the thousand: memory stays bounded, and those who mean well are served.

package e2e

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
)

// startHostile has a listener for WebSockets and one for TCP, and an admin listener, all with tight limits.
func startHostile(t *testing.T) (k *talk, admin string) {
	t.Helper()
	addr, tcp, admin := freeAddress(t), freeAddress(t), freeAddress(t)
	k = startTalkOn(t, addr, fmt.Sprintf("[admin]\nlisten = %q\n[[listen]]\naddress = %q\nhandshake_timeout = \"2s\"\n[[listen]]\naddress = %q\nprotocol = \"tcp\"\nmax_message = \"64KiB\"\nidle_timeout = \"5s\"\n"+
		"[pool.web]\nworker = \"worker.php\"\nworkers = 2\n[http]\nheader_timeout = \"3s\"\n", admin, addr, tcp))
	k.tcp = tcp
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
				from := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(2+i/4000))}}
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
func serving(k *talk) (stop func()) {
	k.t.Helper()
	s, l := k.upgrade("/"), k.line()
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			began := time.Now()
			for _, c := range []talker{s, l} {
				if err := c.tell(fmt.Sprintf("n %d", n)); err != nil {
					k.t.Error(err)
					return
				}
				if text, err := c.listen(); err != nil || !strings.HasPrefix(text, fmt.Sprintf("%d 1 ", n)) {
					k.t.Errorf("message %d was answered with %q %v", n, text, err)
					return
				}
			}
			if took := time.Since(began); took > 5*time.Second {
				k.t.Errorf("message %d took %v", n, took)
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

func TestTenThousandConnectionsOfGarbageHarmNobody(t *testing.T) {
	t.Parallel()
	clients := 10_000
	if testing.Short() {
		clients = 500
	}
	k, admin := startHostile(t)
	garbage := make([]byte, 4096)
	rand.Read(garbage)
	// Half of them come with a handshake, half of those have something to say that is nearly a frame.
	hello := fmt.Sprintf(handshake, "/", k.addr, "")
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
			c.Write(frame(ws.OpText, garbage[i%1000:i%1000+i%200]))
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
	attack(t, k.addr, 200, web)
	attack(t, k.tcp, 200, raw)
	before := takeFootprint(t, k.host, admin)
	began := time.Now()
	attack(t, k.addr, clients/2, web)
	attack(t, k.tcp, clients/2, raw)
	peak := takeFootprint(t, k.host, admin)
	stop()
	t.Logf("%d connections in %.1f s", clients, time.Since(began).Seconds())
	if peak.resident > before.resident+128<<20 {
		t.Errorf("the host grew from %d MiB to %d MiB", before.resident>>20, peak.resident>>20)
	}
	k.eventually("all connections have ended", func() bool { return len(k.connections()) == 0 })
	awaitFootprint(t, k.host, admin, before, func() { k.get("/") })
	for _, w := range k.status().Pools[0].Workers {
		if w.Restarts != 0 {
			t.Errorf("worker %d was restarted %d times", w.Slot, w.Restarts)
		}
	}
	if strings.Contains(k.logs.String(), "panic") {
		t.Error("the log speaks of a panic")
	}
}

func TestHalfOpenHandshakesAndSilentClientsAreClosed(t *testing.T) {
	t.Parallel()
	k, _ := startHostile(t)
	defer serving(k)()
	hello := fmt.Sprintf(handshake, "/", k.addr, "")
	var half, silent []net.Conn
	for i := range 300 {
		c := k.dial()
		c.send(hello[:len(hello)-1-i%100])
		half = append(half, c)
		l := k.line()
		if i%2 == 0 {
			l.send("say ")
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
	before := takeFootprint(t, k.host, admin)
	stop := serving(k)
	var floods sync.WaitGroup
	var over atomic.Bool
	message := frame(ws.OpText, []byte("n "+strings.Repeat("1", 1000)))
	for range 8 {
		s := k.upgrade("/")
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
		if now := takeFootprint(t, k.host, admin); now.resident > before.resident+96<<20 {
			t.Errorf("the host grew from %d MiB to %d MiB", before.resident>>20, now.resident>>20)
			break
		}
	}
	over.Store(true)
	floods.Wait()
	stop()
}

func TestSlowReadersOfABroadcastFillBoundedMemory(t *testing.T) {
	t.Parallel()
	addr, admin := freeAddress(t), freeAddress(t)
	k := startTalkOn(t, addr, fmt.Sprintf("[admin]\nlisten = %q\n[[listen]]\naddress = %q\nsend_buffer = \"256KiB\"\nslow_client = \"drop-oldest\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", admin, addr))
	for range 100 {
		k.upgrade("/?join=flood")
	}
	before := takeFootprint(t, k.host, admin)
	flood(k, 2000, 16_000)
	after := takeFootprint(t, k.host, admin)
	queued := int64(0)
	for _, c := range k.connections() {
		queued += c.Queued
	}
	t.Logf("%d KiB wait for 100 clients; the host took %d MiB before and %d MiB after", queued>>10, before.resident>>20, after.resident>>20)
	if queued == 0 || queued > 100*(256<<10+32_000) {
		t.Errorf("%d bytes wait for 100 clients who may have 256 KiB each", queued)
	}
	if after.resident > before.resident+64<<20 { // a broadcast is one message, for however many it waits
		t.Errorf("the host grew from %d MiB to %d MiB", before.resident>>20, after.resident>>20)
	}
}

func TestLimitsOfAListenerHold(t *testing.T) {
	t.Parallel()
	addr, tcp := freeAddress(t), freeAddress(t)
	k := &talk{dir: t.TempDir(), tcp: tcp}
	k.deploy(t, "1")
	write(t, k.dir, "host.toml", fmt.Sprintf(`
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
	k.host = startWith(t, addr, "-c", filepath.Join(k.dir, "host.toml"))

	fast := k.upgrade("/?name=fast")
	for range 12 {
		fast.tell("say x")
	}
	if code, _ := fast.ends(); code != 1008 {
		t.Errorf("beyond the rate a WebSocket is closed with %d", code)
	}
	fast.Close()
	mute := k.upgrade("/?name=mute") // answers no ping, since nobody reads
	k.awaitFarewell("mute websocket 1006 unclean")
	mute.Close()

	quick := k.line()
	for range 12 {
		quick.tell("say x")
	}
	if !quick.closed() {
		t.Error("beyond the rate a TCP connection stays")
	}
	quick.Close()
	k.awaitFarewell(" tcp 1008 ")

	var all []*socket
	k.eventually("connections of before have ended", func() bool { return len(k.connections()) == 0 })
	for range 3 {
		s := k.upgrade("/")
		all = append(all, s)
		go s.listen() // which answers pings
	}
	if s, a, err := k.tryUpgrade("/"); err != nil || s != nil || a.StatusCode != 429 && a.StatusCode != 503 {
		t.Errorf("a fourth WebSocket of one address: %v %v", a.Response, err)
	}
	all[0].Close()
	k.eventually("there is a place again", func() bool {
		s, _, err := k.tryUpgrade("/")
		if err == nil && s != nil {
			s.Close()
		}
		return err == nil && s != nil
	})

	one, two, three := k.line(), k.line(), k.line()
	if !three.closed() {
		t.Error("a third TCP connection of one address is taken")
	}
	for i, idle := range []*line{one, two} {
		if !idle.closed() {
			t.Errorf("idle connection %d stays", i)
		}
		idle.Close()
	}
	k.awaitFarewell(" tcp 1001 ")
}
