package workers

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestMetricsTellWhatBecameOfEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, Queue: 1, QueueTimeout: time.Hour},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
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
		if len(m.Generations) != 1 || m.Generations[0].Generation != 1 || m.Generations[0].Classes[2] != 2 {
			t.Fatalf("%+v", m.Generations)
		}
		if m.Unserved.Failures["queue full"] != 1 || m.BytesOut != 14 {
			t.Errorf("failures %v, %d bytes out", m.Unserved.Failures, m.BytesOut)
		}
		if m.Wait.Count() != 2 || m.Wait.Sum != 3*time.Second {
			t.Errorf("waits: %d, together %v", m.Wait.Count(), m.Wait.Sum)
		}
		if service := m.Generations[0].Service; service.Count() != 2 || service.Sum != 6*time.Second {
			t.Errorf("services: %d, together %v", service.Count(), service.Sum)
		}
	})
}

func TestMetricsAndStatusSayWhyWorkersWereRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.die("exit status 255")
		})))
		defer p.Stop(context.Background())
		submit(p, "POST", "/")
		time.Sleep(time.Second)
		if m := p.Metrics().Generations[0]; m.Restarts["exited"] != 1 || m.Failures["worker died"] != 1 {
			t.Errorf("restarts %v, failures %v", m.Restarts, m.Failures)
		}
		if why := p.Status().Workers[0].Restarted; why != "exited (exit status 255)" {
			t.Errorf("restarted: %q", why)
		}
	})
}

func TestMetricsCountReloadsAndKeepTheLatestGenerations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.answer(r, "")
		})))
		defer p.Stop(context.Background())
		<-p.Started()
		for range keptGenerations + 2 {
			p.Reload().Follow(context.Background(), func(Event) error { return nil })
		}
		m := p.Metrics()
		if m.Reloads.Count() != keptGenerations+2 || m.FailedReloads != 0 {
			t.Errorf("%d reloads, %d failed", m.Reloads.Count(), m.FailedReloads)
		}
		if n := len(m.Generations); n != keptGenerations || m.Generations[n-1].Generation != keptGenerations+3 ||
			m.Generations[n-1].Boots.Count() != 1 {
			t.Errorf("generations %+v", m.Generations)
		}
	})
}

func TestAHistogramCountsADurationInEveryBucketThatHoldsIt(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{0, Bounds[0], Bounds[0] + 1, time.Minute, time.Minute + 1} {
		h.observe(d)
	}
	s := h.snapshot()
	if last := len(Bounds) - 1; s.Cumulative[0] != 2 || s.Cumulative[1] != 3 || s.Cumulative[last] != 4 ||
		s.Count() != 5 {
		t.Errorf("%+v", s)
	}
}

func TestABadReleaseIsSeenInTheCountsOfItsGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			return serve(1, func(w *fakeWorker, r *protocol.Request) {
				if n > 1 { // the new release dies of each request
					time.Sleep(time.Second)
					w.die("exit status 255")
					return
				}
				w.answer(r, "")
			})
		})
		defer p.Stop(context.Background())
		<-p.Started()
		submit(p, "POST", "/")
		time.Sleep(time.Minute)
		p.Reload().Follow(context.Background(), func(Event) error { return nil })
		submit(p, "POST", "/")
		time.Sleep(time.Minute)
		m := p.Metrics()
		if len(m.Generations) != 2 {
			t.Fatalf("%+v", m.Generations)
		}
		good, bad := m.Generations[0], m.Generations[1]
		if good.Service.Count() != 1 || good.Classes[2] != 1 || good.Failures["worker died"] != 0 ||
			good.Restarts["exited"] != 0 || good.Boots.Count() != 1 {
			t.Errorf("the good one: %+v", good)
		}
		if bad.Service.Count() != 0 || bad.Failures["worker died"] != 1 || bad.Restarts["exited"] != 1 ||
			bad.Boots.Count() != 2 {
			t.Errorf("the bad one: %+v", bad)
		}
		if m.Unserved.Failures["worker died"] != 0 {
			t.Errorf("of no worker: %+v", m.Unserved)
		}
	})
}

func TestTheGenerationThatServesStaysInTheMetricsHoweverManyReloadsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n > 1 {
				return broken
			}
			return serve(1, func(w *fakeWorker, r *protocol.Request) { w.answer(r, "") })
		})
		defer p.Stop(context.Background())
		<-p.Started()
		for range 2 * keptGenerations {
			p.Reload().Follow(context.Background(), func(Event) error { return nil })
		}
		submit(p, "GET", "/")
		time.Sleep(time.Minute)
		m := p.Metrics()
		if first := m.Generations[0]; first.Generation != 1 || first.Classes[2] != 1 ||
			len(m.Generations) != keptGenerations {
			t.Errorf("%+v", m.Generations)
		}
	})
}

func TestServiceTimesOfRoutesAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, QueueTimeout: time.Hour,
			Measure: []string{"/login", "/api/*", "/api/v2/*"}},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				time.Sleep(2 * time.Second)
				w.answer(r, "")
			})))
		defer p.Stop(context.Background())
		<-p.Started()
		for _, target := range []string{"/login?next=/api/x", "/api/x", "/api/v2/x", "/api", "/", "*"} {
			submit(p, "GET", target)
		}
		time.Sleep(time.Minute)
		m := p.Metrics().Generations[0]
		got := map[string]uint64{}
		for _, r := range m.Routes {
			got[r.Name] = r.Service.Count()
			if r.Service.Sum != time.Duration(r.Service.Count())*2*time.Second {
				t.Errorf("%s: %v", r.Name, r.Service.Sum)
			}
		}
		if want := map[string]uint64{"/login": 1, "/api/*": 1, "/api/v2/*": 1, OtherRoutes: 3}; !maps.Equal(got,
			want) || m.Service.Count() != 6 {
			t.Errorf("%v of %d, and not %v", got, m.Service.Count(), want)
		}
	})
}
