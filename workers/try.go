// Trying the newest code beside the pool, without changing anything.

package workers

import (
	"context"
	"errors"
	"runtime"
	"time"
)

// Trial is how one worker of the newest code did.
type Trial struct {
	Directory string
	Pinned    bool
	PID       int
	Boot      time.Duration // until it was ready and warm
	Memory    int64         // resident then, in bytes; 0 where it can't be known
	SDK       string
	Output    string // what it printed, its end if that was much

	Workers  int           // that a reload replaces
	Expected time.Duration // that it takes, where old workers have nothing to finish
	Longest  time.Duration // that it takes where each old worker needs all of DrainTimeout, and has to be killed
}

// trialOutput is how much of what a worker prints is kept for a [Trial].
const trialOutput = 64 << 10

// Look looks at a worker on trial while it is ready: ctx ends with it, and has says whether it has a feature. Its
// error is the trial's.
type Look func(ctx context.Context, has func(feature string) bool) error

// Try starts one worker of the code as it is now, with settings that may differ as in [Pool.Reconfigure], warms it up,
// and ends it. It gets no client's request, and the pool goes on as it is; its HELLO says that it is on trial, and
// what it asks for goes to s.Hub, which should refuse what changes something. The error says why a reload would fail;
// what is known of the worker comes with it. look may be nil.
func (p *Pool) Try(ctx context.Context, s Settings, look Look) (t Trial, err error) {
	set, err := p.successor(s)
	if err != nil {
		return t, err
	}
	set.Hub = s.Hub // not the pool's: what is tried must not change what is live
	number := uint64(0)
	p.do(func() {
		if p.stopping || p.context.Err() != nil { // a stop that has only begun ends what is prepared already
			return
		}
		number = p.settings.Generations.Add(1) // Prepare may build something under this name
		p.tasks.Add(1)
	})
	if number == 0 {
		return t, ErrStopping
	}
	defer p.tasks.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.context, cancel)()
	g, err := newGeneration(ctx, set, number)
	if err != nil {
		return t, err
	}
	t.Directory, t.Pinned = g.directory, g.pinned
	g.trial, g.checked = true, true
	var w *worker
	if !p.do(func() { w = p.launch(g, &slot{outside: true}) }) {
		return t, ErrStopping
	}
	defer context.AfterFunc(ctx, func() { w.kill("the trial was given up") })()
	t.PID = w.pid()
	if err = p.awaitBoot(w); err == nil {
		t.PID = w.pid() // one that was forked has another one than its template
		t.Boot, t.Memory, t.SDK = w.boot.took, w.process.Memory(), w.offer.ready.SDK
		if look != nil {
			alive, end := context.WithCancelCause(ctx)
			go func() { // ends with the look, or with the worker
				select {
				case <-w.end.exited:
					end(errors.New("the worker has ended: " + w.end.exit))
				case <-alive.Done():
				}
			}()
			err = look(alive, w.offer.ready.Has)
			end(nil)
		}
		asked := time.Now()
		p.retire(w)
		p.do(func() {
			places, _ := p.placesFor(set)
			t.Workers = len(places)
		})
		t.estimate(set, time.Since(asked), w.process.CPU())
	}
	t.Output = w.tail.String()
	if err != nil && ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return t, err
}

// estimate says how long a reload takes, by a worker that was as long in ending as end, and took cpu of a processor in
// all. Workers that start at once share the processors.
func (t *Trial) estimate(s *Settings, end, cpu time.Duration) {
	surge := max(1, min(s.Surge, t.Workers))
	rounds := time.Duration((t.Workers + surge - 1) / surge)
	t.Expected = rounds * max(t.Boot+end, time.Duration(surge)*cpu/time.Duration(runtime.NumCPU()))
	t.Longest = rounds * (t.Boot + s.DrainTimeout + 2*s.StopTimeout)
	if surge > 1 { // the others begin once the first one is ready
		t.Expected += t.Boot
		t.Longest += t.Boot
	}
}
