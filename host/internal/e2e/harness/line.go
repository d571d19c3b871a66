// Clients of TCP and UDP.

package harness

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Line is a client of TCP with a line a message.
type Line struct{ *Client }

// TryLine connects to the TCP listener of StartTalkTCP.
func (k *Talk) TryLine() (*Line, error) {
	conn, err := net.DialTimeout("tcp", k.TCP, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &Line{NewClient(k.T, conn)}, nil
}

// Line is TryLine that must succeed; the connection is closed at the test's end.
func (k *Talk) Line() *Line {
	k.T.Helper()
	l, err := k.TryLine()
	if err != nil {
		k.T.Fatal(err)
	}
	k.T.Cleanup(func() { l.Close() })
	return l
}

// Tell sends a message.
func (l *Line) Tell(text string) error {
	_, err := io.WriteString(l, text+"\n")
	return err
}

// Listen returns the next message.
func (l *Line) Listen() (string, error) {
	text, err := l.Reader.ReadString('\n')
	return strings.TrimSuffix(text, "\n"), err
}

// Expect fails the test unless the next message is want.
func (l *Line) Expect(want string) {
	l.T.Helper()
	if got, err := l.Listen(); err != nil || got != want {
		l.T.Fatalf("heard %.200q (%v), want %.200q", got, err, want)
	}
}

// Framed puts the length before a message.
func Framed(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// Peer is a client of lines or of datagrams.
type Peer struct {
	net.Conn
	t  *testing.T
	In *bufio.Reader
}

// DialPeer connects by "tcp", "udp" or "unix"; the connection is closed at the test's end.
func DialPeer(t *testing.T, network, address string) *Peer {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { c.Close() })
	return &Peer{c, t, bufio.NewReaderSize(c, 64<<10)}
}

// Ask sends bytes and fails the test unless want comes back.
func (p *Peer) Ask(send, want string) {
	p.t.Helper()
	if _, err := io.WriteString(p, send); err != nil {
		p.t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(p.In, got); err != nil || string(got) != want {
		p.t.Fatalf("%q was answered with %q, %v; expected %q", send, got, err, want)
	}
}
