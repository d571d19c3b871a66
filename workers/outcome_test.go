package workers

import (
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestWhatBecomesOfAnExchange(t *testing.T) {
	died := protocol.FailedDied
	for _, c := range []struct {
		section, name string
		facts         facts
		fate          fate
		kind          protocol.FailureKind
		commits       bool
	}{
		{"4.2", "a whole answer", facts{answer: whole}, finished, 0, true},
		{"5.3", "an answer that is all head", facts{answer: bare}, finished, 0, true},
		{"10.6", "a held response", facts{answer: held}, finished, 0, true},
		{"4.6", "DONE without RESPONSE", facts{}, fails, protocol.FailedReset, false},
		{"4.6", "DONE before END", facts{answer: headed}, fails, protocol.FailedReset, false},
		{"4.5", "a recalled request", facts{recalled: true}, elsewhere, 0, false},
		{"4.5", "an event asked back", facts{answer: refused, asked: true, event: true, moves: maxMoves}, moved, 0,
			false},
		{"5.7", "a refusal", facts{answer: refused, moves: maxMoves - 2}, moved, 0, false},
		{"5.7", "the eighth refusal", facts{answer: refused, moves: maxMoves - 1}, fails, protocol.FailedReset, false},
		{"5.7", "a death before it was read", facts{end: byDeath, unseen: true}, moved, 0, false},
		{"5.7", "a breach before it was read", facts{end: byBreach, unseen: true}, moved, 0, false},
		{"5.7", "a death with a safe request", facts{end: byDeath, repeat: true, attempts: 1}, retried, 0, false},
		{"5.7", "a death with a keyed request", facts{end: byDeath, keyed: true, attempts: 1}, retried, 0, false},
		{"5.7", "a second death", facts{end: byDeath, repeat: true, attempts: 2}, fails, died, false},
		{"5.7", "a death with an unsafe request", facts{end: byDeath, attempts: 1}, fails, died, false},
		{"5.7", "a death after a word", facts{end: byDeath, answer: spoken, repeat: true}, fails, died, false},
		{"5.7", "a breach", facts{end: byBreach, repeat: true}, fails, protocol.FailedBroken, false},
		{"7.1", "RESET after the answer", facts{answer: whole, resigned: true}, finished, 0, false},
		{"7.2", "a time-out", facts{given: protocol.FailedTimeout}, fails, protocol.FailedTimeout, false},
		{"9.8", "a death with an event", facts{end: byDeath, event: true, repeat: true}, repeated, 0, false},
		{"9.8", "a breach with an event", facts{end: byBreach, event: true, repeat: true}, repeated, 0, false},
		{"9.8", "its second death", facts{end: byDeath, event: true, repeat: true, attempts: 2}, fails, died, false},
		{"9.8", "a death, recalled before",
			facts{end: byDeath, event: true, repeat: true, attempts: 2, spared: true}, repeated, 0, false},
		{"9.8", "at most once", facts{end: byDeath, event: true}, fails, died, false},
		{"9.8", "DRAINED", facts{event: true, repeat: true, given: protocol.FailedDrained}, repeated, 0, false},
		{"10.1", "an event", facts{event: true}, finished, 0, true},
		{"10.1", "a handler that failed", facts{event: true, over: true, resigned: true}, finished, 0, false},
		{"10.1", "who left with all", facts{answer: whole, given: protocol.FailedCancelled}, finished, 0, true},
		{"10.1", "a time-out after the answer", facts{answer: whole, given: protocol.FailedTimeout}, finished, 0,
			false},
		{"10.1", "a death after the answer", facts{end: byDeath, answer: whole}, finished, 0, false},
	} {
		v := outcome(c.facts)
		if v.fate != c.fate || v.kind != c.kind || v.commits != c.commits {
			t.Errorf("§%s, %s: fate %d, %v, commits %v", c.section, c.name, v.fate, v.kind, v.commits)
		}
	}
}
