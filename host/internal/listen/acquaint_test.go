package listen

import (
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

// newcomer is a switchboard of whose workers nothing is known yet.
type newcomer struct {
	*switchboard
	now   atomic.Pointer[protocol.Traits]
	ready chan struct{}
}

func (n *newcomer) Traits() protocol.Traits { return *n.now.Load() }

// arrive has the first worker be ready.
func (n *newcomer) arrive(events protocol.Events) {
	n.now.Store(&protocol.Traits{Pool: "web", Events: events})
	close(n.ready)
}

func startNewcomer(t *testing.T, change func(*Options)) (*lines, *newcomer) {
	n := &newcomer{ready: make(chan struct{})}
	n.now.Store(&protocol.Traits{Pool: "web", Awaited: n.ready})
	return startLines(t, func(b *switchboard, o *Options) {
		n.switchboard, o.Backend = b, n
		change(o)
	}), n
}

func TestClientsThatComeBeforeTheFirstWorkerIsReadyWaitForIt(t *testing.T) {
	all := protocol.Events{Open: true, Message: true, Close: true}
	l, n := startNewcomer(t, func(*Options) {})
	time.AfterFunc(50*time.Millisecond, func() { n.arrive(all) })
	k := l.call()
	k.send(peertest.Text("hello"))
	k.expect(0x81, []byte("hello"))

	l, tcp := startNewcomer(t, func(o *Options) { o.Protocol, o.Framing = TCP, byLine })
	c := l.dial()
	io.WriteString(c, "early\n")
	time.AfterFunc(50*time.Millisecond, func() { tcp.arrive(all) })
	talk(t, c, "", "early\n")

	l, plain := startNewcomer(t, func(*Options) {})
	time.AfterFunc(50*time.Millisecond, func() { plain.arrive(protocol.Events{}) })
	k = l.knock()
	if b, _ := io.ReadAll(io.LimitReader(k.head.Body, int64(len("no WebSocket")))); k.head.StatusCode != 200 ||
		string(b) != "no WebSocket" {
		t.Errorf("workers without connections got it: %s %q", k.head.Status, b)
	}
}

func TestClientsWaitForTheFirstWorkerNoLongerThanAHandshakeMayTake(t *testing.T) {
	l, _ := startNewcomer(t, func(o *Options) { o.Sockets.HandshakeTimeout = 50 * time.Millisecond })
	if k := l.knock(); k.head.StatusCode != 503 || k.head.Header.Get("Retry-After") == "" {
		t.Errorf("%s, %v", k.head.Status, k.head.Header)
	}
	l, _ = startNewcomer(t, func(o *Options) {
		o.Protocol, o.Framing, o.Sockets.HandshakeTimeout = TCP, byLine, 50*time.Millisecond
	})
	c := l.dial()
	expectEOF(t, c)

	// a stop waits for none of them
	l, _ = startNewcomer(t, func(o *Options) { o.Sockets.HandshakeTimeout = 0 })
	c = l.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: one.test\r\nConnection: Upgrade\r\nUpgrade: "+
		"websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+aKey+"\r\n\r\n")
	time.Sleep(50 * time.Millisecond)
	l.end()
	const status = "HTTP/1.1 503 "
	b := make([]byte, len(status))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != status {
		t.Errorf("%q, %v", b, err)
	}
}

// The first worker comes late, and then does not accept: both together get handshake_timeout.
func TestAHandshakeHasOneDeadlineWhateverItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := &switchboard{closed: make(chan protocol.Close, 1), hub: hub.New(hclog.NewNullLogger())}
		n := &newcomer{switchboard: board, ready: make(chan struct{})}
		n.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			time.Sleep(time.Minute)
			return nil, nil, nil
		}
		n.now.Store(&protocol.Traits{Awaited: n.ready})
		limits := peer.SocketLimits{HandshakeTimeout: 10 * time.Second}
		s, err := New(Options{Protocol: TCP, Terms: Terms{Terms: web.Terms{Backend: n, Hub: n.hub, Sockets: limits}}})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		defer theirs.Close()
		time.AfterFunc(6*time.Second, func() { n.arrive(protocol.Events{Open: true}) })
		began := time.Now()
		s.peers.Welcome(s.clients.add(ours, s.crowd, netip.Addr{}, s.socketWriteTimeout), nil)
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		n.busy.Wait()
		time.Sleep(time.Minute)
	})
}
