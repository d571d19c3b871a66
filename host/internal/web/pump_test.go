package web

import "testing"

// reluctant takes nothing the first time.
type reluctant struct {
	swift
	tries int
	x     *exchange
	ended []string
}

func (s *reluctant) Send(p []byte, end bool, trailers []string) (int, bool) {
	if s.tries++; s.tries == 1 {
		s.x.Writable()
		return 0, true
	}
	s.ended = trailers
	s.x.Finished()
	return len(p), !end
}

// TestTrailersOfAnEmptyBodyArriveThoughItsStreamWasNotOpen holds the pump to what more says: that no byte was left to
// send does not mean that the end has gone.
func TestTrailersOfAnEmptyBodyArriveThoughItsStreamWasNotOpen(t *testing.T) {
	x := &exchange{more: make(chan struct{}, 1), terms: &terms{}}
	x.refs.Store(2)
	x.large = &body{trailers: []string{"Sum", "1"}}
	s := &reluctant{x: x}
	x.Begin(s)
	x.pump(&stored{body: x.large})
	if s.tries != 2 || len(s.ended) != 2 {
		t.Fatal(s.tries, s.ended)
	}
}
