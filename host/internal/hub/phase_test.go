package hub

import (
	"fmt"
	"testing"
	"unsafe"
)

// allowed lists the moves of a table as text, and tries each possible one.
func allowed[P life | turn | line](t *testing.T, last P, legal *moves) (list string) {
	for from := P(0); from <= last; from++ {
		for to := P(0); to <= last; to++ {
			now := from
			if moved(&now, to, legal) {
				list += fmt.Sprintf("%v-%v ", from, to)
				if now != to {
					t.Errorf("after the move from %v to %v it is %v", from, to, now)
				}
			} else if now != from {
				t.Errorf("an illegal move from %v made %v of it", from, now)
			}
		}
	}
	return list
}

func moved[P life | turn | line](now *P, to P, legal *moves) (ok bool) {
	defer func() { ok = recover() == nil }()
	move(now, to, legal)
	return true
}

func TestAPhaseMovesAsItsTableSaysAndPanicsOtherwise(t *testing.T) {
	for _, c := range [][2]string{
		{allowed(t, over, &lifeMoves), "staying-finishing staying-hungUp staying-gone staying-over finishing-hungUp " +
			"finishing-gone finishing-over " +
			"hungUp-gone hungUp-over gone-over "},
		{allowed(t, awaiting, &turnMoves),
			"resting-pumping resting-awaiting pumping-resting pumping-submitting submitting-pumping " +
				"submitting-awaiting awaiting-resting "},
		{allowed(t, cut, &lineMoves),
			"unanswered-accepted accepted-writing ready-writing writing-ready writing-ended writing-cut "},
	} {
		if c[0] != c[1] {
			t.Errorf("legal are\n%s, want\n%s", c[0], c[1])
		}
	}
}

func TestAConnectionFitsItsSizeClass(t *testing.T) {
	const most = 320 // the next one of the allocator's is 352
	if n := unsafe.Sizeof(Connection{}); n > most && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("a Connection has %d bytes, want at most %d: there are many", n, most)
	}
}

func TestOpenedBeforeOpenIsAnsweredIsABug(t *testing.T) {
	s := newScene(t)
	c := s.add(&fakePeer{})
	defer func() {
		if recover() == nil {
			t.Error("a client was told before its OPEN was answered, and nobody panicked")
		}
	}()
	c.Opened()
}
