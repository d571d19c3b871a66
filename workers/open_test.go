package workers

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/workerhost/workerhost/protocol"
)

func TestAnOpenWhoseActsFailIsCountedAsFailedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHub{err: errors.New("the session is too large")}
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(func(w *fakeWorker) {
			w.bootWith("open")
			payload, _ := w.next(protocol.TypeOpen)
			_, stream, _ := protocol.Head(payload)
			w.say(stream, protocol.FlagDone, "a")
			w.next(protocol.TypeDrain)
		}))
		defer p.Stop(context.Background())
		s, _ := h.submit(p, &protocol.Open{Connection: protocol.Connection{ID: "c1", Protocol: protocol.ProtoTCP}},
			true)
		if f := s.failed(t); f.Kind != protocol.FailedReset {
			t.Errorf("it failed with %v", f)
		}
		got := p.Metrics().Generations[0].Events["open"]
		if got.Done != 0 || got.Failures["reset by worker"] != 1 || len(got.Failures) != 1 {
			t.Errorf("it is counted as %+v", got)
		}
	})
}
