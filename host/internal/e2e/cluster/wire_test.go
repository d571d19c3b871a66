package cluster

import (
	"io"
	"net"
	"sync"
	"testing"
)

// wire is the way from one host's engine to another one's. It can be cut.
type wire struct {
	from, to int
	address  string // where the one reaches the other
	there    string // where that is

	mu   sync.Mutex
	cut  bool
	open map[net.Conn]bool
}

// newWire lays it, until the test ends.
func newWire(t *testing.T, from, to int, there string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{from: from, to: to, address: l.Addr().String(), there: there, open: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", w.there)
			if err != nil {
				in.Close()
				continue
			}
			if !w.add(in, out) {
				continue
			}
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				all.Go(func() {
					io.Copy(way[1], way[0])
					w.drop(in, out)
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.set(true)
		all.Wait()
	})
	return w
}

func (w *wire) add(both ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range both {
		if w.cut {
			c.Close()
		} else {
			w.open[c] = true
		}
	}
	return !w.cut
}

func (w *wire) drop(both ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range both {
		c.Close()
		delete(w.open, c)
	}
}

// set cuts it, or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut = cut; cut {
		for c := range w.open {
			c.Close()
		}
	}
}
