package peer

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
)

// poll is a socket on a loop, and its client.
func poll(t *testing.T) (*Polled, *net.TCPConn) {
	t.Helper()
	loops, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loops.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s, ok := Poll(loops, c)
	if !ok {
		t.Fatal("it can't be polled")
	}
	t.Cleanup(func() { s.Close(); client.Close() })
	return s, client.(*net.TCPConn)
}

// listener is a reader that keeps what it is told.
type listener struct {
	s      *Polled
	slow   chan struct{} // if not nil, took waits for it, so that a glance takes nothing
	said   chan string
	ended  chan error
	refuse error
}

func listenTo(s *Polled) *listener {
	return &listener{s: s, said: make(chan string, 1000), ended: make(chan error, 2)}
}

func (l *listener) serve() *Peers {
	p := &Peers{}
	p.enlist()
	l.s.serve(p, l)
	return p
}

func (l *listener) room() ([]byte, error) { return nil, nil }

func (l *listener) took(p []byte, lent bool) error {
	if l.slow != nil {
		<-l.slow
	}
	l.said <- string(p)
	return l.refuse
}

func (l *listener) glance(p []byte) (bool, error) {
	if l.slow != nil {
		return false, nil
	}
	return true, l.took(p, true)
}

func (l *listener) done(err error) { l.s.close(); l.ended <- err }

// end waits for the one end of the reading.
func (l *listener) end(t *testing.T, p *Peers, want error) {
	t.Helper()
	if err := <-l.ended; !errors.Is(err, want) {
		t.Errorf("it ended with %v, not %v", err, want)
	}
	p.Wait()
	if len(l.ended) > 0 {
		t.Error("it ended twice")
	}
}

func (l *listener) hears(t *testing.T, want string) {
	t.Helper()
	for got := ""; got != want; {
		select {
		case p := <-l.said:
			got += p
		case <-time.After(10 * time.Second):
			t.Fatalf("%d bytes came, not %d", len(got), len(want))
		}
	}
}

func TestWhatComesBeforeASocketIsServedIsHeardThen(t *testing.T) {
	s, client := poll(t)
	io.WriteString(client, "early")
	client.CloseWrite()
	for { // until the loop has told
		s.in.Lock()
		fin := s.fin
		s.in.Unlock()
		if fin {
			break
		}
		<-s.awaken()
	}
	l := listenTo(s)
	p := l.serve()
	l.hears(t, "early")
	l.end(t, p, io.EOF)
}

func TestASocketIsReadByOneAtATimeHoweverSlow(t *testing.T) {
	s, client := poll(t)
	l := listenTo(s)
	l.slow = make(chan struct{})
	p := l.serve()
	text := string(peertest.Pattern(1 << 20))
	go io.WriteString(client, text) // ends with what it has to say
	close(l.slow)
	l.hears(t, text)
	client.Close()
	l.end(t, p, io.EOF)
}

func TestASocketsReadingEndsOnce(t *testing.T) {
	s, _ := poll(t)
	l := listenTo(s)
	p := l.serve()
	s.expire(time.Millisecond)
	l.end(t, p, os.ErrDeadlineExceeded)

	s, _ = poll(t)
	l = listenTo(s)
	p = l.serve()
	s.Close()
	s.Close()
	l.end(t, p, net.ErrClosed)

	s, client := poll(t)
	l = listenTo(s)
	p = l.serve()
	client.SetLinger(0)
	client.Close()
	if err := <-l.ended; err == nil || errors.Is(err, io.EOF) {
		t.Errorf("after a reset it ended with %v", err)
	}
	p.Wait()

	s, client = poll(t)
	l = listenTo(s)
	l.refuse = errOverdue
	p = l.serve()
	io.WriteString(client, "too much")
	l.end(t, p, errOverdue)

	s, _ = poll(t)
	s.Close()
	l = listenTo(s)
	l.end(t, l.serve(), net.ErrClosed)
}

func TestAWriteToASocketOnALoopIsWholeOrTimesOut(t *testing.T) {
	s, client := poll(t)
	client.SetReadBuffer(64 << 10)
	text := peertest.Pattern(32 << 20)
	wrote := make(chan error, 1)
	go func() { wrote <- s.write([][]byte{text[:1000], text[1000 : 8<<20], text[8<<20:]}, 30*time.Second) }()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("it came otherwise: %v", err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if err := s.write([][]byte{text}, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a client that takes nothing: %v", err)
	}
	go func() { wrote <- s.write([][]byte{text}, 0) }()
	s.Close()
	if err := <-wrote; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a socket that is closed: %v", err)
	}
}
