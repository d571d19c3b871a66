package listen

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func startUDP(t *testing.T, change ...func(*switchboard, *Options)) (*lines, net.Conn) {
	t.Helper()
	l := startLines(t, append([]func(*switchboard, *Options){func(_ *switchboard, o *Options) {
		o.Protocol = UDP
	}}, change...)...)
	c, err := net.Dial("udp", l.Address())
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { c.Close() })
	return l, c
}

func hears(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, 1<<16)
	if n, err := c.Read(b); err != nil || string(b[:n]) != want {
		t.Fatalf("%.80q, %v; expected %.80q", b[:n], err, want)
	}
}

func TestADatagramIsAnsweredToItsSender(t *testing.T) {
	l, c := startUDP(t)
	for _, text := range []string{"one", strings.Repeat("d", 1400), strings.Repeat("d", 60000)} {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		hears(t, c, text)
	}
	if n := len(l.hub.List()); n != 0 {
		t.Errorf("datagrams made %d connections", n)
	}
}

func TestDatagramsOverIPv6(t *testing.T) {
	if p, err := net.ListenPacket("udp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here")
	} else {
		p.Close()
	}
	_, c := startUDP(t, func(_ *switchboard, o *Options) { o.Address = "[::1]:0" })
	c.Write([]byte("six"))
	hears(t, c, "six")
}

func TestADatagramThatIsTooLargeIsDroppedAndCounted(t *testing.T) {
	l, c := startUDP(t, func(_ *switchboard, o *Options) { o.Sockets.MaxMessage = 5 })
	c.Write([]byte("123456"))
	c.Write([]byte("12345"))
	hears(t, c, "12345")
	if tallies := l.hub.Tallies(); len(tallies) != 1 || tallies[0].MessagesIn != 2 || tallies[0].Lost != 1 {
		t.Errorf("%+v", tallies)
	}
}

// fullPool has no place for anything.
type fullPool struct{ *switchboard }

func (p fullPool) Submit(x *protocol.Exchange) protocol.Ticket {
	x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedQueueFull})
	x.Sink.Finished()
	return nil
}

func TestAFullPoolDropsDatagramsAndCountsThem(t *testing.T) {
	l, c := startUDP(t, func(b *switchboard, o *Options) { o.Backend = fullPool{b} })
	for range 3 {
		c.Write([]byte("lost"))
	}
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if tallies := l.hub.Tallies(); len(tallies) == 1 && tallies[0].Lost == 3 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("%+v", l.hub.Tallies())
		}
	}
	if text := l.logged.String(); strings.Count(text, "dropped") == 0 || !strings.Contains(text, "queue full") {
		t.Errorf("the log says: %s", text)
	}
}

func TestDatagramsThatWereReadAreAnsweredWhenTheListenerEnds(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	l, c := startUDP(t, func(b *switchboard, _ *Options) {
		b.message = func(_ string, data []byte, binary bool) []protocol.Act {
			close(begun)
			<-release
			return []protocol.Act{say(data, binary)}
		}
	})
	c.Write([]byte("late"))
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- l.Shutdown(t.Context()) }()
	close(release)
	hears(t, c, "late")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
