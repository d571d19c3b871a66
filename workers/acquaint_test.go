package workers

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/workerhost/workerhost/protocol"
)

func TestAPoolSaysWhetherItKnowsYetWhatItsWorkersHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n == 1 {
				return func(w *fakeWorker) { w.die("exit status 1") }
			}
			return handler(func(*fakeWorker, *protocol.Incoming) {})
		})
		first := p.Traits()
		if first.Awaited == nil || first.Events.Any() {
			t.Fatalf("before the first worker is ready: %+v", first)
		}
		<-p.Started() // the boot failed
		if p.Traits().Awaited == nil {
			t.Error("a failed boot says nothing about the code that works")
		}
		<-first.Awaited
		if now := p.Traits(); now.Awaited != nil || !now.Events.Message {
			t.Errorf("once a worker is ready: %+v", now)
		}
		p.Stop(context.Background())
	})
}

func TestAPoolThatStopsLetsNobodyAwaitItsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, func(int) script {
			return func(w *fakeWorker) { w.die("exit status 1") }
		})
		first := p.Traits()
		p.Stop(context.Background())
		<-first.Awaited
		if p.Traits().Awaited != nil {
			t.Error("it will never be known")
		}
	})
}
