//go:build linux

package workers

import (
	"strings"
	"syscall"
	"testing"
)

func TestTheEventOfAKilledWorkerIsHandledByAnotherOnceAndMarked(t *testing.T) {
	h := new(fakeHub)
	p, log := newRealPool(t, Settings{Workers: 2, Hub: h})
	s, _ := h.message(p, "hang")
	eventually(t, func() bool { return strings.Contains(log.String(), "begun") })
	for _, w := range p.Status().Workers {
		if w.State == Busy {
			signalProcess(t, w.PID, syscall.SIGKILL)
		}
	}
	if s.result(); s.begun != 2 {
		t.Errorf("begun %d times", s.begun)
	}
	h.expect(t, "c1: SEND hang", "finished")
	if !strings.Contains(log.String(), "event is delivered once more: its worker died") {
		t.Errorf("the log does not say so:\n%s", log)
	}
}
