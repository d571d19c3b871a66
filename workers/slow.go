// The slow log: requests that take longer than slow_request, when they pass it and when they end.

package workers

import "time"

// tellSlow logs a request that has just passed the threshold. In run; it never waits.
func (w *worker) tellSlow(a *attempt, now time.Time) {
	name, id := w.requestOf(a)
	if name == "" {
		return
	}
	a.mu.Lock()
	took := now.Sub(a.begun)
	a.mu.Unlock()
	args := append(a.x.about(name, id), "running", rounded(took), "slow_request", w.gen.settings.SlowRequest.String())
	if !w.gen.settings.SlowTrace {
		w.log.Warn("slow request", args...)
		return
	}
	w.pool.tasks.Go(func() { // ends after backtraceTimeout
		w.log.Warn("slow request", append(args, w.whereabouts()...)...)
	})
}

// slowName gives the name of a request that ends now, and took so long, if it was slow. Under w.mu, while the stream
// is the worker's.
func (w *worker) slowName(a *attempt, took time.Duration) (name, id string) {
	limit := w.gen.settings.SlowRequest
	if limit <= 0 || a.recalled || took < limit {
		return "", ""
	}
	return a.x.request.Name()
}
