// trial.go: what a worker of a dry run asks the host for, and the sessions that it tries its upgrade on.

package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/host/internal/shadow"
	"github.com/workerhost/workerhost/protocol"
)

const (
	sampleMost  = 200     // sessions that new code is given
	sampleBytes = 4 << 20 // of them, encoded
)

// trial is the hub of a worker on trial (SPEC.md §9.9): nothing is carried out, and it may ask for sessions. It is
// safe for concurrent use.
type trial struct {
	*shadow.Refuser
	pool *pool
	over chan struct{} // closed when the worker has told of the sessions

	mu sync.Mutex
	// guarded by mu
	refused  map[string]int
	sessions *control.Sessions // nil: it was given none
	told     bool
}

func newTrial(p *pool) *trial {
	r := &trial{pool: p, over: make(chan struct{}), refused: map[string]int{}}
	r.Refuser = shadow.NewRefuser(p.realm.asked, func(what string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.refused) < sampleMost || r.refused[what] > 0 {
			r.refused[what]++
		}
	})
	return r
}

// Call implements [protocol.Hub].
func (r *trial) Call(m *protocol.Call, to protocol.Caller) {
	switch m.Method {
	case protocol.CallSessions:
		r.give(to)
	case protocol.CallUpgraded:
		if err := r.take(m); err != nil {
			to.Fail(protocol.CallInvalidArgument, "%s: %v", m.Method, err)
			return
		}
		to.Reply(&protocol.Result{})
	default:
		r.Refuser.Call(m, to)
	}
}

// give answers with a sample of the live sessions, once.
func (r *trial) give(to protocol.Caller) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions != nil {
		to.Fail(protocol.CallUnavailable, "the sessions were given already")
		return
	}
	views, taken, live := r.pool.realm.hub.Sample(r.pool.backend(), sampleMost, sampleBytes)
	r.sessions = &control.Sessions{Live: live, Sample: taken, Failed: []control.SessionFailed{}}
	to.Reply(&protocol.Result{Value: views})
}

// take notes what came of them.
func (r *trial) take(m *protocol.Call) error {
	var tried int
	var ids, errs []string
	var versions []int64
	for i, into := range []any{&tried, &ids, &versions, &errs} {
		if i >= len(m.Arguments) {
			return errors.New("it takes four arguments")
		}
		if err := m.Arguments[i].DecodeInto(into); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions == nil || r.told || tried > r.sessions.Sample || len(ids) > tried || len(versions) != len(ids) ||
		len(errs) != len(ids) {
		return errors.New("it says more than there was to be said")
	}
	for i, id := range ids {
		r.sessions.Failed = append(r.sessions.Failed, control.SessionFailed{ID: cli.Shortened(id, 64),
			From: versions[i], Error: cli.Shortened(redact.Text(errs[i]), longestMessage)})
	}
	r.sessions.Upgraded, r.told = tried-len(ids), true
	close(r.over)
	return nil
}

// look waits until a worker that can upgrade sessions has tried to.
func (r *trial) look(ctx context.Context, has func(feature string) bool) error {
	if !has(protocol.FeatureUpgrade) {
		return nil
	}
	most := cmp.Or(r.pool.config().StartTimeout, 30*time.Second)
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-r.over:
		return nil
	case <-timer.C:
		return fmt.Errorf("the new code did not get through the upgrade of a sample of the live sessions within %v",
			most)
	case <-ctx.Done():
		return fmt.Errorf("the upgrade of a sample of the live sessions: %w", context.Cause(ctx))
	}
}

// tell adds to the event of a dry run what was found.
func (r *trial) tell(e *control.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Sessions, e.Refused = r.sessions, r.refused
}
