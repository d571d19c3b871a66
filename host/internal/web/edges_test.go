package web

import (
	"bytes"
	"testing"
)

// edgesOf are the places in p where a frame has ended, found one byte at a time.
func edgesOf(p []byte) (at []int) {
	var e edges
	for i := range p {
		e.feed(p[i : i+1])
		if e.between() {
			at = append(at, i+1)
		}
	}
	return at
}

func TestEdgesAreWhereFramesEnd(t *testing.T) {
	long := append([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70}, make([]byte, 70000)...)
	medium := append([]byte{0x81, 126, 0, 126}, make([]byte, 126)...)
	masked := []byte{0x81, 0x82, 1, 2, 3, 4, 'h', 'i'}
	all := bytes.Join([][]byte{{0x89, 0}, medium, long, masked, {0x88, 2, 3, 0xe8}}, nil)
	want := []int{2, 132, 70142, 70150, 70154}
	got := edgesOf(all)
	if len(got) != len(want) {
		t.Fatalf("%v, not %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, not %v", got, want)
		}
	}
	var e edges
	for rest := all; len(rest) > 0; {
		if e.closed {
			t.Fatal("closed too early")
		}
		rest = rest[e.feed(rest):]
	}
	if !e.closed || !e.between() {
		t.Error("the close frame was missed")
	}
	if c := appendClose(nil, 1012, "why"); len(edgesOf(c)) != 1 || edgesOf(c)[0] != len(c) {
		t.Errorf("%x", c)
	}
}

// However the bytes come, edges are the same.
func FuzzEdges(f *testing.F) {
	f.Add([]byte{0x81, 2, 'h', 'i', 0x88, 0}, 3)
	f.Add([]byte{0x81, 126, 0, 1, 'x', 0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 1)
	f.Fuzz(func(t *testing.T, p []byte, step int) {
		step = 1 + (step&0xff)%16
		var got []int
		var e edges
		for at := 0; at < len(p); {
			piece := p[at:min(len(p), at+step)]
			n := e.feed(piece)
			if n <= 0 || n > len(piece) || n < len(piece) && !e.between() {
				t.Fatalf("%d of %d", n, len(piece))
			}
			if at += n; e.between() {
				got = append(got, at)
			}
		}
		want := edgesOf(p)
		if len(got) != len(want) {
			t.Fatalf("%v, not %v", got, want)
		}
	})
}
