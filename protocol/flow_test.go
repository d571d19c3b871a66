package protocol

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// streamer is one end that sends and receives a body on each of its streams at once. Its state belongs to its reading
// goroutine, as a plain worker's would.
type streamer struct {
	c          *Conn
	credit     []Credit
	allowance  []Allowance
	sent, came []int
	open       int // bodies that have not ended, both ways
	size       int
	chunk      []byte
}

func newStreamer(c *Conn, streams, size, window int) *streamer {
	s := &streamer{c: c, sent: make([]int, streams), came: make([]int, streams), open: 2 * streams, size: size,
		chunk: make([]byte, MaxData)}
	for range streams {
		s.credit = append(s.credit, Credit(window))
		s.allowance = append(s.allowance, NewAllowance(window))
	}
	return s
}

// push sends what stream i's window allows. Each piece begins with its offset, so that a lost or swapped one shows.
func (s *streamer) push(i int) error {
	for s.sent[i] < s.size {
		n := s.credit[i].Take(min(len(s.chunk), s.size-s.sent[i]))
		if n == 0 {
			return nil
		}
		m := Data{Stream: uint32(i + 1), Bytes: s.chunk[:n]}
		if n >= 8 {
			binary.BigEndian.PutUint64(s.chunk, uint64(s.sent[i]))
		}
		if s.sent[i] += n; s.sent[i] == s.size {
			m.Flags = FlagEnd
			s.open--
		}
		if err := s.c.Send(&m); err != nil {
			return err
		}
	}
	return nil
}

// run streams until all bodies have gone out and come in.
func (s *streamer) run() error {
	for i := range s.sent {
		if err := s.push(i); err != nil {
			return err
		}
	}
	for s.open > 0 {
		payload, err := s.c.Read()
		if err != nil {
			return err
		}
		m, err := parse(payload)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *Window:
			i := int(m.Stream - 1)
			if err := s.credit[i].Grant(m.Stream, m.Bytes); err != nil {
				return err
			}
			if err := s.push(i); err != nil {
				return err
			}
		case *Data:
			i := int(m.Stream - 1)
			if err := s.allowance[i].Receive(m.Stream, len(m.Bytes)); err != nil {
				return err
			}
			if at := s.came[i]; len(m.Bytes) >= 8 && binary.BigEndian.Uint64(m.Bytes) != uint64(at) {
				return fmt.Errorf("stream %d: at byte %d came the piece of byte %d", m.Stream, at,
					binary.BigEndian.Uint64(m.Bytes))
			}
			if s.came[i] += len(m.Bytes); m.Flags&FlagEnd != 0 {
				if s.came[i] != s.size {
					return fmt.Errorf("stream %d ended after %d of %d bytes", m.Stream, s.came[i], s.size)
				}
				s.open--
			}
			if n := s.allowance[i].Release(len(m.Bytes)); n > 0 {
				if err := s.c.Send(&Window{Stream: m.Stream, Bytes: n}); err != nil {
					return err
				}
			}
		}
	}
	return s.c.Flush()
}

// Pipes hold 64 KiB. Ends that wrote before they read would deadlock at once.
func TestBothEndsStreamAtOnceWithoutDeadlock(t *testing.T) {
	for _, c := range []struct{ streams, size, window int }{
		{1, 10*DefaultWindow + 1, DefaultWindow}, {8, 4 * DefaultWindow, DefaultWindow}, {3, 256 << 10, 1000},
		{1, 9 << 20, 8 << 20},
	} {
		t.Run(fmt.Sprintf("%d streams of %d bytes under windows of %d", c.streams, c.size, c.window),
			func(t *testing.T) {
				host, worker := link(t)
				ended := make(chan error, 2)
				for _, end := range []*Conn{host, worker} {
					go func() { ended <- newStreamer(end, c.streams, c.size, c.window).run() }()
				}
				for range 2 {
					if err := <-ended; err != nil {
						t.Fatal(err)
					}
				}
			})
	}
}
