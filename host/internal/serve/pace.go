// pace.go has a reload wait between two workers while there is no room for one that starts.

package serve

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/machine"
	"github.com/workerhost/workerhost/workers"
)

const (
	paceLook     = 250 * time.Millisecond // how often it is looked whether there is room
	mostPressure = 60                     // percent
)

// pacer makes a pool's reload wait. Its wait is safe for concurrent use: one worker after the other gets its turn.
type pacer struct {
	pool  string
	most  time.Duration // for each worker
	short func() string // why there is no room now; "" if there is
	tell  func(control.Event)
	turn  sync.Mutex // while a worker waits
}

// pacing is what the pass waits by in a pool; nil if it does not.
func (p *pass) pacing(of *pool) func(context.Context) {
	most := p.plan.config.Reload.Pace
	if p.ask.Pace > 0 {
		most = time.Duration(p.ask.Pace * float64(time.Millisecond))
	}
	if most <= 0 {
		return nil
	}
	log := p.host.log.With("pool", of.name)
	paced := &pacer{pool: of.name, most: most, short: of.short, tell: func(e control.Event) {
		log.Info("reload: " + e.What)
		p.account.Add(e)
	}}
	return paced.wait
}

// wait returns when there is room, when it has lasted too long, or with ctx.
func (w *pacer) wait(ctx context.Context) {
	w.turn.Lock()
	defer w.turn.Unlock()
	why := w.short()
	if why == "" || ctx.Err() != nil {
		return
	}
	w.tell(control.Event{Kind: control.Paced, Pool: w.pool, What: fmt.Sprintf("waits up to %s: %s",
		cli.HumanDuration(w.most), why)})
	began := time.Now()
	look := time.NewTicker(paceLook)
	defer look.Stop()
	for why != "" && time.Since(began) < w.most {
		select {
		case <-look.C:
			why = w.short()
		case <-ctx.Done():
			return
		}
	}
	e := control.Event{Kind: control.Paced, Pool: w.pool, Took: control.Millis(time.Since(began)), What: "goes on"}
	if why != "" {
		e.What = "goes on all the same: " + why
	}
	w.tell(e)
}

// short says why the pool has no room for a worker that starts; "" if it has.
func (p *pool) short() string {
	st := p.workers.Status()
	serving := 0
	for _, w := range st.Workers {
		if w.State == workers.Idle || w.State == workers.Busy {
			serving++
		}
	}
	if st.Queued > serving {
		return fmt.Sprintf("%s in the queue of %s", cli.Counted(st.Queued, "request"), cli.Counted(serving, "worker"))
	}
	if percent, known := machine.Pressure(); known && percent > mostPressure {
		return fmt.Sprintf("processors are short: something waited for one in %.0f %% of the last ten seconds",
			percent)
	}
	return ""
}
