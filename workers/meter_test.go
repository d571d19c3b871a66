package workers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestMetricsTellWhatBecameOfEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, Queue: 1, QueueTimeout: time.Hour}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(3 * time.Second)
			w.answer(r, "seven b")
		})))
		defer p.Stop(context.Background())
		<-p.Started()
		for range 3 { // one is served, one waits, and one finds the queue full
			submit(p, "GET", "/")
		}
		time.Sleep(time.Minute)
		m := p.Metrics()
		if len(m.Answers) != 1 || m.Answers[0].Generation != 1 || m.Answers[0].Classes[2] != 2 {
			t.Errorf("answers %+v", m.Answers)
		}
		if m.Failures["queue full"] != 1 || m.BytesOut != 14 {
			t.Errorf("failures %v, %d bytes out", m.Failures, m.BytesOut)
		}
		if m.Wait.Count() != 2 || m.Wait.Sum != 3*time.Second {
			t.Errorf("waits: %d, together %v", m.Wait.Count(), m.Wait.Sum)
		}
		if m.Service.Count() != 2 || m.Service.Sum != 6*time.Second {
			t.Errorf("services: %d, together %v", m.Service.Count(), m.Service.Sum)
		}
	})
}

func TestMetricsAndStatusSayWhyWorkersWereRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) { w.die("exit status 255") })))
		defer p.Stop(context.Background())
		submit(p, "POST", "/")
		time.Sleep(time.Second)
		if m := p.Metrics(); m.Restarts["exited"] != 1 || m.Failures["worker died"] != 1 {
			t.Errorf("restarts %v, failures %v", m.Restarts, m.Failures)
		}
		if why := p.Status().Workers[0].Restarted; why != "exited (exit status 255)" {
			t.Errorf("restarted: %q", why)
		}
	})
}

func TestMetricsCountReloadsAndKeepTheLatestGenerations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) { w.answer(r, "") })))
		defer p.Stop(context.Background())
		<-p.Started()
		for range keptGenerations + 2 {
			p.Reload().Follow(context.Background(), func(Event) error { return nil })
		}
		m := p.Metrics()
		if m.Reloads.Count() != keptGenerations+2 || m.FailedReloads != 0 || m.Boots.Count() != keptGenerations+3 {
			t.Errorf("%d reloads, %d failed, %d boots", m.Reloads.Count(), m.FailedReloads, m.Boots.Count())
		}
		if n := len(m.Answers); n != keptGenerations || m.Answers[n-1].Generation != keptGenerations+3 {
			t.Errorf("generations %+v", m.Answers)
		}
	})
}

func TestAHistogramCountsADurationInEveryBucketThatHoldsIt(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{0, Bounds[0], Bounds[0] + 1, time.Minute, time.Minute + 1} {
		h.observe(d)
	}
	s := h.snapshot()
	if last := len(Bounds) - 1; s.Cumulative[0] != 2 || s.Cumulative[1] != 3 || s.Cumulative[last] != 4 || s.Count() != 5 {
		t.Errorf("%+v", s)
	}
}
