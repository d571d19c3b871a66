// Profiles: of workers that take them by themselves, on a stream that is the host's own (SPEC.md §8.6). sampler.go has
// those of workers that say where they stand, and no more.

package workers

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ProfileOrder says which profile is wanted, and of whom.
type ProfileOrder struct {
	Kind string // protocol.ProfileCPU, ProfileHeap or ProfileGoroutine
	Slot int    // of the worker; -1 is any, or all where each says no more than where it stands
	// Lasts is how long a profile of the processors takes, at most protocol.MaxProfileTime.
	Lasts time.Duration
}

// Profile is what a worker's code has done for a while, or has.
type Profile struct {
	Workers []ProfiledWorker // whose it is
	// Bytes are a profile as pprof has it, gzip and all; or if it is Folded stacks as text: a line each, its functions
	// from the outermost on with a semicolon between two, a space and a count.
	Bytes  []byte
	Folded bool
	// Lasted is how long it took: less than ordered if its workers were replaced meanwhile.
	Lasted time.Duration
	// Samples is how many stacks were seen, and Idle how often the worker had no request; only if it is Folded.
	Samples, Idle int
}

// ProfiledWorker is a worker that a profile is of.
type ProfiledWorker struct {
	Slot       int
	PID        int
	Generation uint64
}

const (
	profileTick  = 100 * time.Millisecond // how soon a profile ends once its worker is to be replaced
	profileGrace = 30 * time.Second       // for the answer, once the time is over
	statusOK     = 200
)

// profiling is a profile under way. One that a worker takes by itself is guarded by inquiry.mu.
type profiling struct {
	over      chan struct{} // closed when the worker has said DONE, or whoever samples has enough
	stream    uint32        // 0: it is sampled, or does not have one yet
	allowance protocol.Allowance
	status    int // of the answer; 0 before it
	body      []byte
	err       error // why there is none
}

// Profile takes one, and waits for it. Ending ctx ends it in the workers as well, and gives ctx's cause. Each worker
// has one at a time. A worker that is to leave meanwhile is not kept by it: the profile is of the time that there was.
func (p *Pool) Profile(ctx context.Context, o ProfileOrder) (*Profile, error) {
	if o.Lasts < 0 || o.Lasts > protocol.MaxProfileTime {
		return nil, fmt.Errorf("a profile lasts at most %v", protocol.MaxProfileTime)
	}
	all, err := p.toProfile(o)
	if err != nil {
		return nil, err
	}
	var q []*profiling
	for _, w := range all {
		one := w.inquiry.begins()
		if one == nil {
			err = fmt.Errorf("%s is being profiled already", w)
			break
		}
		q = append(q, one)
	}
	made, began := &Profile{}, time.Now()
	switch {
	case err != nil:
	case all[0].offer.ready.Has(protocol.FeatureProfile):
		made.Bytes, err = all[0].takeProfile(ctx, o, q[0])
	default:
		made.Folded = true
		err = made.sample(ctx, all, o.Lasts)
	}
	if err != nil || made.Folded {
		for i, one := range q {
			if one.stream == 0 { // else it ends with DONE
				all[i].inquiry.ends(one)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		made.Workers = append(made.Workers, ProfiledWorker{w.slot, w.pid(), w.gen.number})
	}
	made.Lasted = time.Since(began)
	return made, nil
}

// toProfile finds the workers that o is about: one that takes profiles by itself, or any number that can be sampled.
func (p *Pool) toProfile(o ProfileOrder) (all []*worker, err error) {
	slots := 0
	running := p.do(func() {
		slots = len(p.slots)
		for _, s := range p.slots {
			if s.current != nil && (o.Slot < 0 || s.index == o.Slot) {
				all = append(all, s.current)
			}
		}
	})
	var why error
	fit := all[:0]
	for _, w := range all {
		if why = w.refusesProfile(o.Kind); why != nil {
			continue
		}
		if fit = append(fit, w); w.offer.ready.Has(protocol.FeatureProfile) {
			return []*worker{w}, nil
		}
	}
	switch {
	case len(fit) > 0:
		return fit, nil
	case !running:
		return nil, errors.New("pool " + p.name + " does not run")
	case why != nil:
		return nil, why
	case o.Slot >= 0:
		return nil, fmt.Errorf("pool %s has no worker %d now; it has %d, from 0 on", p.name, o.Slot, slots)
	}
	return nil, errors.New("pool " + p.name + " has no worker now")
}

// refusesProfile says why no such profile of the worker can be taken; nil if it can.
func (w *worker) refusesProfile(kind string) error {
	state := w.dispatchState()
	if !w.isReady() || state != Idle && state != Busy {
		return fmt.Errorf("%s is %s: it has to serve", w, state)
	}
	ready := &w.offer.ready
	why := w.gen.settings.Untraced
	switch sampled := ready.Has(backtraceFeature) && !ready.Has(threadsFeature); {
	case ready.Has(protocol.FeatureProfile) || sampled && kind == protocol.ProfileCPU:
		return nil
	case sampled:
		why = "it only says where its code stands, of which one of " + protocol.ProfileCPU + " can be made"
	case why != untraced: // whoever made the pool knows better
	case ready.Has(threadsFeature):
		why = "build it with an SDK that has them"
	case runtime.GOOS == "windows":
		why = "here are no signals to ask it with where its code stands"
	}
	return fmt.Errorf("%s gives no profile of %s: %s (its SDK is %s)", w, kind, why, ready.SDK)
}

// begins takes the turn for a profile; nil is that another one has it.
func (i *inquiry) begins() *profiling {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.profiling != nil {
		return nil
	}
	i.profiling = &profiling{over: make(chan struct{}), allowance: protocol.NewAllowance(protocol.DefaultWindow)}
	return i.profiling
}

// ends gives the turn back, once.
func (i *inquiry) ends(q *profiling) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.endsLocked(q)
}

func (i *inquiry) endsLocked(q *profiling) {
	if i.profiling == q {
		i.profiling = nil
		close(q.over)
	}
}

// underWay is closed once no profile is; nil if there is none.
func (i *inquiry) underWay() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.profiling == nil {
		return nil
	}
	return i.profiling.over
}

// takeProfile has the worker take one.
func (w *worker) takeProfile(ctx context.Context, o ProfileOrder, q *profiling) ([]byte, error) {
	if !w.openProfile(o, q) {
		return nil, fmt.Errorf("%s is about to leave", w)
	}
	late := time.NewTimer(o.Lasts + profileGrace)
	defer late.Stop()
	tick := time.NewTicker(profileTick)
	defer tick.Stop()
	told := o.Kind != protocol.ProfileCPU // that it is enough
	for {
		select {
		case <-q.over:
			switch {
			case q.err != nil:
				return nil, q.err
			case q.status != statusOK:
				said := strings.TrimSpace(excerpt(string(q.body)))
				return nil, fmt.Errorf("%s gives no profile of %s: %s", w, o.Kind, said)
			}
			return q.body, nil
		case <-w.end.gone:
			return nil, fmt.Errorf("%s ended meanwhile: %s", w, w.end.exit)
		case <-ctx.Done():
			w.dropProfile(q, context.Cause(ctx))
			return nil, context.Cause(ctx)
		case <-late.C:
			err := fmt.Errorf("%s did not answer within %v after the profile's time", w, profileGrace)
			w.dropProfile(q, err)
			return nil, err
		case <-tick.C:
			if !told && w.dispatchState() == Draining {
				told = true
				// a broken pipe shows in the exit
				w.conn.Send(&protocol.Data{Stream: q.stream, Flags: protocol.FlagEnd})
			}
		}
	}
}

// openProfile sends REQUEST, and says whether it could. The stream is nobody's lease: a worker that has as many as it
// takes can be profiled as well.
func (w *worker) openProfile(o ProfileOrder, q *profiling) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link.phase != linkOpen {
		return false
	}
	w.link.lastID += 2
	r := protocol.Request{Stream: w.link.lastID, Method: "POST", Version: "1.1", Scheme: protocol.SchemeHost,
		Target: protocol.ProfileTarget(o.Kind, o.Lasts), Length: -1}
	if o.Kind != protocol.ProfileCPU {
		r.Flags, r.Length = protocol.FlagEnd, 0
	}
	w.inquiry.mu.Lock()
	q.stream = r.Stream
	w.inquiry.mu.Unlock()
	w.conn.Send(&r) // likewise
	return true
}

// dropProfile gives a profile up, for the reason given. The worker still owes DONE.
func (w *worker) dropProfile(q *profiling, why error) {
	w.inquiry.mu.Lock()
	defer w.inquiry.mu.Unlock()
	w.dropProfileLocked(q, why)
}

func (w *worker) dropProfileLocked(q *profiling, why error) {
	if q.err == nil {
		q.err, q.body = why, nil
		w.conn.Send(&protocol.Reset{Stream: q.stream, Code: protocol.ResetCancelled}) // likewise
	}
}

// hearsProfile takes what a worker says on the stream of a profile, if that is one. The reader calls it.
func (w *worker) hearsProfile(t protocol.Type, stream uint32, payload []byte) error {
	i := &w.inquiry
	i.mu.Lock()
	defer i.mu.Unlock()
	q := i.profiling
	if q == nil || q.stream != stream {
		return nil
	}
	var flags protocol.Flags
	switch t {
	case protocol.TypeResponse:
		var m protocol.Response
		if err := m.Parse(payload); err != nil {
			return err
		}
		if q.status != 0 {
			return &protocol.LinkError{Expected: "one RESPONSE", Got: fmt.Sprintf("another on stream %d", stream)}
		}
		q.status, flags = m.Status, m.Flags
		w.keepProfile(q, m.Body)
	case protocol.TypeData:
		var m protocol.Data
		if err := m.Parse(payload); err != nil {
			return err
		}
		if err := q.allowance.Receive(stream, len(m.Bytes)); err != nil {
			return err
		}
		flags = m.Flags
		w.keepProfile(q, m.Bytes)
		if grant := q.allowance.Release(len(m.Bytes)); grant > 0 && q.err == nil {
			w.conn.Send(&protocol.Window{Stream: stream, Bytes: grant}) // likewise
		}
	case protocol.TypeReset:
		var m protocol.Reset
		if err := m.Parse(payload); err != nil {
			return err
		}
		if q.err == nil {
			q.err = fmt.Errorf("%s gave the profile up: %s %s", w, m.Code, excerpt(m.Reason))
		}
	case protocol.TypeDone:
		flags = protocol.FlagDone
	}
	if flags&protocol.FlagDone != 0 {
		i.endsLocked(q)
	}
	return nil
}

// keepProfile keeps more of a profile, up to its bound. Under inquiry.mu.
func (w *worker) keepProfile(q *profiling, b []byte) {
	if q.err == nil {
		if q.body = append(q.body, b...); len(q.body) > protocol.MaxProfile {
			w.dropProfileLocked(q, fmt.Errorf("%s gives a profile of more than %d bytes", w, protocol.MaxProfile))
		}
	}
}
