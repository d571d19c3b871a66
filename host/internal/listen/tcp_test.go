package listen

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// startTCP is a listener of TCP whose workers echo each message, unless change says otherwise.
func startTCP(t testing.TB, f peer.Framing, change ...func(*switchboard, *Options)) *lines {
	t.Helper()
	return startLines(t, append([]func(*switchboard, *Options){func(b *switchboard, o *Options) {
		o.Protocol, o.Framing = TCP, f
		o.Sockets.MaxMessage = 16 << 20
	}}, change...)...)
}

var byLine = peer.Framing{Kind: peer.FrameLine}

// talk sends bytes and expects others back.
func talk(t *testing.T, c net.Conn, send, want string) {
	t.Helper()
	if send != "" {
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%.80q was answered with %.80q, %v; expected %.80q", send, got, err, want)
	}
}

func expectEOF(t *testing.T, c io.Reader) {
	t.Helper()
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		t.Fatalf("%.80q and %v came instead of the end", b, err)
	}
}

func TestATCPConnectionOpensSpeaksAndCloses(t *testing.T) {
	l := startTCP(t, byLine, func(b *switchboard, o *Options) {
		b.open = func(m *protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			if m.Request != nil || m.Connection.Protocol != protocol.ProtoTCP ||
				m.Connection.Listener != "127.0.0.1:0" || !strings.HasPrefix(m.Connection.Remote, "127.0.0.1:") {
				t.Errorf("%+v", m)
			}
			return []protocol.Act{say([]byte("welcome"), false)}, nil, nil
		}
	})
	c := l.dial()
	talk(t, c, "", "welcome\n")
	talk(t, c, "one\ntwo\r\n", "one\ntwo\n")
	c.Close()
	if m := l.left(); m.Code != protocol.CloseNormal || !m.Clean {
		t.Errorf("it closed with %+v", m)
	}
}

func TestATCPClientMayWriteInAnyPieces(t *testing.T) {
	text := "first\nsecond\r\n\nthe last one\n"
	answer := strings.ReplaceAll(text, "\r", "")
	l := startTCP(t, byLine)
	for split := range len(text) {
		c := l.dial()
		io.WriteString(c, text[:split])
		talk(t, c, text[split:], answer)
		c.Close()
	}
	c := l.dial()
	for i := range text {
		io.WriteString(c, text[i:i+1])
	}
	talk(t, c, "", answer)
}

func TestLargeMessagesOfTCPComeBackWhole(t *testing.T) {
	const most = 2 << 20 // more than sockets hold
	for _, f := range []peer.Framing{byLine, {Kind: peer.FrameLength32},
		{Kind: peer.FrameDelimiter, Delimiter: "--end--"}} {
		l := startTCP(t, f, func(_ *switchboard, o *Options) {
			o.Sockets.MaxMessage, o.Sockets.SendBuffer = most, 4*most
		})
		c := l.dial()
		for _, size := range []int{64 << 10, 1, 0, 65537, most} {
			frame := string(f.Append(nil, bytes.Repeat([]byte("m"), size), true))
			go io.WriteString(c, frame)
			talk(t, c, "", frame)
		}
	}
}

func TestAHalfClosedTCPClientGetsTheAnswersToWhatItSaid(t *testing.T) {
	release := make(chan struct{})
	l := startTCP(t, byLine, func(b *switchboard, _ *Options) {
		b.message = func(_ string, data []byte, binary bool) []protocol.Act {
			<-release
			return []protocol.Act{say(data, binary)}
		}
	})
	c := l.dial()
	io.WriteString(c, "one\ntwo\nthree\n")
	c.(*net.TCPConn).CloseWrite()
	close(release)
	talk(t, c, "", "one\ntwo\nthree\n")
	expectEOF(t, c)
	if m := l.left(); m.Code != protocol.CloseNormal || !m.Clean {
		t.Errorf("it closed with %+v", m)
	}
}

func TestATCPClientThatLeavesWithinAMessageHasSaidNothing(t *testing.T) {
	l := startTCP(t, byLine)
	c := l.dial()
	talk(t, c, "one\n", "one\n")
	io.WriteString(c, "tw")
	c.(*net.TCPConn).CloseWrite()
	expectEOF(t, c)
	if m := l.left(); m.Code != protocol.CloseBroken || m.Clean || !strings.Contains(m.Reason, "middle") {
		t.Errorf("it closed with %+v", m)
	}
}

func TestATCPConnectionThatBreaksOffIsClosedAs1006(t *testing.T) {
	l := startTCP(t, byLine)
	c := l.dial()
	talk(t, c, "one\n", "one\n")
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	if m := l.left(); m.Code != protocol.CloseBroken || m.Clean {
		t.Errorf("it closed with %+v", m)
	}
}

func TestATCPClientThatBreaksALimitIsClosedAfterWhatItSaidBefore(t *testing.T) {
	for _, f := range []struct {
		framing peer.Framing
		send    string
		want    string
		code    int
	}{
		{byLine, "good\n" + strings.Repeat("x", 100) + "\n", "good\n", protocol.CloseTooBig},
		{byLine, "good\n" + strings.Repeat("x", 100), "good\n", protocol.CloseTooBig},
		{peer.Framing{Kind: peer.FrameLength32}, "\x00\x00\x00\x01a\x80\x00\x00\x00garbage", "\x00\x00\x00\x01a",
			protocol.CloseTooBig},
		{peer.Framing{Kind: peer.FrameLength16}, "\x00\x01aGET / HTTP/1.1\r\n\r\n", "\x00\x01a", protocol.CloseTooBig},
		{byLine, "a\nb\nc\nd\n", "a\nb\nc\n", protocol.ClosePolicy},
	} {
		l := startTCP(t, f.framing, func(_ *switchboard, o *Options) {
			o.Sockets.MaxMessage, o.Sockets.MessageRate, o.Sockets.MessageBurst = 99, 1, 3
		})
		c := l.dial()
		talk(t, c, f.send, f.want)
		expectEOF(t, c)
		c.Close()
		if m := l.left(); m.Code != f.code {
			t.Errorf("%q closed with %+v", f.send, m)
		}
	}
}

func TestRawTCPGivesMessagesAsTheyAreRead(t *testing.T) {
	l := startTCP(t, peer.Framing{})
	c := l.dial()
	talk(t, c, "no end", "no end")
	talk(t, c, strings.Repeat("z", 100000), strings.Repeat("z", 100000))
	c.(*net.TCPConn).CloseWrite()
	expectEOF(t, c)
}

func TestTCPOverTLS(t *testing.T) {
	l := startTCP(t, byLine, func(_ *switchboard, o *Options) { withTLS(t)(o) })
	c := tls.Client(l.dial(), &tls.Config{InsecureSkipVerify: true})
	talk(t, c, "one\n", "one\n")
	big := strings.Repeat("b", 1<<20) + "\n"
	go io.WriteString(c, big)
	talk(t, c, "", big)
	c.CloseWrite()
	expectEOF(t, c)
	c.Close()
	if m := l.left(); m.Code != protocol.CloseNormal || !m.Clean {
		t.Errorf("it closed with %+v", m)
	}
	plain := l.dial() // no TLS at all
	io.WriteString(plain, "hello\n")
	io.Copy(io.Discard, plain)
}

func TestTCPOverAUnixSocketAndIPv6(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, address := range []string{"unix:" + path, "[::1]:0"} {
		if l, err := net.Listen("tcp", "[::1]:0"); err != nil && address != "unix:"+path {
			t.Skip("no IPv6 here")
		} else if err == nil {
			l.Close()
		}
		l := startTCP(t, byLine, func(_ *switchboard, o *Options) { o.Address = address })
		network, to := "tcp", l.Address()
		if p, unix := strings.CutPrefix(to, "unix:"); unix {
			network, to = "unix", p
		}
		c, err := net.Dial(network, to)
		if err != nil {
			t.Fatal(err)
		}
		talk(t, c, "one\n", "one\n")
		c.Close()
		if m := l.left(); m.Code != protocol.CloseNormal {
			t.Errorf("%s closed with %+v", address, m)
		}
	}
}

func TestAWorkerRefusesATCPClient(t *testing.T) {
	l := startTCP(t, byLine, func(b *switchboard, _ *Options) {
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			return nil, &protocol.Response{Flags: protocol.FlagEnd | protocol.FlagDone, Status: 403}, nil
		}
	})
	expectEOF(t, l.dial())
	if n := len(l.hub.List()); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestTCPClientsOfAPoolWithoutHandlersAreTurnedAwayWithAnExplanation(t *testing.T) {
	l := startTCP(t, byLine, func(b *switchboard, _ *Options) { b.traits.Events = protocol.Events{} })
	expectEOF(t, l.dial())
	if !strings.Contains(l.logged.String(), "onMessage") || !strings.Contains(l.Problem(), "handler") {
		t.Errorf("the log says: %s", l.logged)
	}
}

func TestATCPListenerBoundsTheConnectionsOfAnAddress(t *testing.T) {
	l := startTCP(t, byLine, func(_ *switchboard, o *Options) { o.Sockets.MaxPerAddress = 2 })
	first, second := l.dial(), l.dial()
	talk(t, first, "1\n", "1\n")
	talk(t, second, "2\n", "2\n")
	expectEOF(t, l.dial())
	first.Close()
	l.left()
	for until := time.Now().Add(5 * time.Second); ; { // its place is free in a moment
		c := l.dial()
		io.WriteString(c, "3\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); err == nil && line == "3\n" {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the place of one that left stays taken")
		}
	}
}

func TestAnIdleTCPConnectionIsClosed(t *testing.T) {
	l := startTCP(t, byLine, func(_ *switchboard, o *Options) { o.Sockets.IdleTimeout = 50 * time.Millisecond })
	c := l.dial()
	talk(t, c, "one\n", "one\n")
	expectEOF(t, c)
	c.Close()
	if m := l.left(); m.Code != protocol.CloseGoing {
		t.Errorf("it closed with %+v", m)
	}
}

func TestWorkersThatDoNotAcceptInTimeCostTheTCPClientItsConnection(t *testing.T) {
	stuck := make(chan struct{})
	defer close(stuck)
	l := startTCP(t, byLine, func(b *switchboard, o *Options) {
		o.Sockets.HandshakeTimeout = 50 * time.Millisecond
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			<-stuck
			return nil, nil, nil
		}
	})
	expectEOF(t, l.dial())
}

func TestATCPClientThatSendsFasterThanWorkersAreIsHeldBack(t *testing.T) {
	release := make(chan struct{})
	l := startTCP(t, byLine, func(b *switchboard, _ *Options) {
		b.message = func(_ string, data []byte, binary bool) []protocol.Act {
			<-release
			return []protocol.Act{say(data, binary)}
		}
	})
	c := l.dial()
	c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	line := []byte(strings.Repeat("f", 1023) + "\n")
	sent, most := 0, 64<<20
	for sent < most {
		n, err := c.Write(line)
		sent += n
		if err != nil {
			break
		}
	}
	if sent >= most {
		t.Errorf("%d bytes were taken while nobody handled them", sent)
	}
	close(release)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if n, err := io.CopyN(io.Discard, c, int64(sent/len(line)*len(line))); err != nil {
		t.Errorf("%d bytes came back of %d: %v", n, sent, err)
	}
}

func TestTCPClientsAreToldWhenTheListenerEnds(t *testing.T) {
	l := startTCP(t, byLine)
	var all []net.Conn
	for i := range 20 {
		c := l.dial()
		talk(t, c, fmt.Sprintf("%d\n", i), fmt.Sprintf("%d\n", i))
		all = append(all, c)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Shutdown(t.Context()) }()
	for _, c := range all {
		expectEOF(t, c)
		c.Close()
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for range all {
		if m := l.left(); m.Code != protocol.CloseGoing {
			t.Errorf("it closed with %+v", m)
		}
	}
}

func TestATCPClientThatNeverLeavesDoesNotHoldUpTheListener(t *testing.T) {
	takesTime(t)
	l := startTCP(t, byLine)
	c := l.dial()
	talk(t, c, "one\n", "one\n")
	if err := l.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if m := l.left(); m.Code != protocol.CloseGoing || m.Clean {
		t.Errorf("it closed with %+v", m)
	}
}
