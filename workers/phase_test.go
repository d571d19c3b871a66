package workers

import (
	"fmt"
	"testing"
)

// allowed lists the moves of a table as text, and tries each possible one.
func allowed[P phase](t *testing.T, m moves[P]) (list string) {
	for from := range m {
		for to := range m {
			now := P(from)
			if permits(m, &now, P(to)) {
				list += fmt.Sprintf("%v-%v ", P(from), now)
				if now != P(to) {
					t.Errorf("after the move from %v to %v it is %v", P(from), P(to), now)
				}
			} else if now != P(from) {
				t.Errorf("an illegal move from %v made %v of it", P(from), now)
			}
		}
	}
	return list
}

func permits[P phase](m moves[P], now *P, to P) (ok bool) {
	defer func() { ok = recover() == nil }()
	m.move(now, to)
	return true
}

func TestAPhaseMovesAsItsTableSaysAndPanicsOtherwise(t *testing.T) {
	for _, c := range [][2]string{
		{allowed(t, stateMoves),
			"starting-idle starting-draining starting-stopped idle-busy idle-draining idle-stopped " +
				"busy-idle busy-draining busy-stopped draining-stopped draining-parked " +
				"parked-idle parked-draining parked-stopped "},
		{allowed(t, linkMoves), "open-parting open-ended parting-ended "},
		{allowed(t, tenureMoves), "unopened-behind unopened-at hand unopened-closed behind-at hand behind-closed " +
			"at hand-closed "},
	} {
		if c[0] != c[1] {
			t.Errorf("legal are\n%s, want\n%s", c[0], c[1])
		}
	}
}

func TestAWorkerThatIsOverruledMayBeDoomedAndNeverIsSpared(t *testing.T) {
	var s watched
	for i, c := range []struct {
		to, is heed
		news   bool
	}{
		{overruled, overruled, true}, {overruled, overruled, false}, {doomed, doomed, true}, {doomed, doomed, false},
		{overruled, doomed, false},
	} {
		if news := s.rises(c.to); news != c.news || s.heed != c.is {
			t.Errorf("move %d, to %d: news %v, and it is %d", i, c.to, news, s.heed)
		}
	}
}
