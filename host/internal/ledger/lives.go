// lives.go: signs of life, and what is declared of those that give none.

package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/vmihailenco/msgpack/v5"
)

// life is what the sign of a process says. Whoever declares it dead takes its place, and gives signs for it.
type life struct {
	Host    string `msgpack:"host"`
	Station string `msgpack:"station"`
	Dead    bool   `msgpack:"dead"`
	By      string `msgpack:"by"`    // who has declared that last
	Times   int    `msgpack:"times"` // how often that was
}

// sighting is the last sign of another process.
type sighting struct {
	at    uint64
	since time.Time
}

// mostTimes is how often what a dead process has left is looked through before what nobody takes is dropped: no host
// has such a pool.
const mostTimes = 30

// live gives a sign, and looks who gives none.
func (r *Room) live() {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	if err := r.giveSign(ctx); err != nil {
		clear(r.seen)
		if r.ctx.Err() == nil {
			r.log.Debug("no sign of life could be given to the cluster", "error", err)
		}
		return
	}
	if r.yielded.Load() {
		return
	}
	if err := r.look(ctx); err != nil {
		clear(r.seen)
	}
}

// giveSign says that this process lives.
func (r *Room) giveSign(ctx context.Context) (err error) {
	if r.station == "" {
		if r.station, err = r.settings.Station(); err != nil {
			return err
		}
	}
	fresh, err := r.stream.ensure(ctx)
	if err != nil {
		return err
	}
	if fresh {
		r.sign = 0
		r.renote()
	}
	own := r.stream.sign(r.life)
	at, err := r.stream.put(ctx, own, r.about(), r.sign)
	if err == nil {
		r.sign = at
		return nil
	}
	if !errors.Is(err, errMoved) {
		r.stream.stands = false // it may be gone
		return err
	}
	m, err := r.stream.last(ctx, own)
	var now life
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		forgot, err := r.stream.forgot(ctx, r.sign)
		if err != nil {
			return err
		}
		if r.sign = 0; forgot {
			r.renote()
			return nil
		}
		return r.rise(ctx)
	case err != nil:
		return err
	case msgpack.Unmarshal(m.Data, &now) == nil && !now.Dead: // its answer was lost
		r.sign = m.Sequence
	default:
		r.sign = 0
		return r.rise(ctx)
	}
	return nil
}

// rise goes on as another process, after this one was declared dead. What it has noted since then is to be taken, too.
func (r *Room) rise(ctx context.Context) error {
	dead := r.life
	r.life = newLife()
	r.disown()
	_, err := r.stream.put(ctx, r.stream.sign(dead), r.encoded(&life{r.settings.Host, r.station, true, dead, 0}), 0)
	if errors.Is(err, errMoved) {
		return nil
	}
	return err
}

func (r *Room) about() []byte {
	return r.encoded(&life{Host: r.settings.Host, Station: r.station})
}

func (r *Room) encoded(l *life) []byte {
	data, err := msgpack.Marshal(l)
	if err != nil {
		panic(err) // of strings and numbers
	}
	return data
}

// look finds who is silent, and goes on with what has been begun of a dead one.
func (r *Room) look(ctx context.Context) error {
	gone := map[string]bool{}
	for of := range r.seen {
		gone[of] = true
	}
	for from := uint64(1); ; {
		m, err := next(ctx, r.stream.there, r.stream.sign("*"), from)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return err
		}
		from = m.Sequence + 1
		of := strings.TrimPrefix(m.Subject, r.stream.sign(""))
		delete(gone, of)
		var l life
		if of == r.life || msgpack.Unmarshal(m.Data, &l) != nil {
			continue
		}
		if err := r.consider(ctx, of, &l, m.Sequence); err != nil {
			return err
		}
	}
	for of := range gone {
		delete(r.seen, of)
	}
	return nil
}

// consider looks at the sign of another process.
func (r *Room) consider(ctx context.Context, of string, l *life, at uint64) error {
	if t := r.taking; t != nil && t.life == of {
		return r.goOn(ctx, t, l, at)
	}
	now := time.Now()
	s, known := r.seen[of]
	if !known || s.at != at {
		r.seen[of] = sighting{at, now}
		return nil
	}
	limit := r.silence
	if l.Dead && l.By == r.life {
		limit *= 2 // others may have the pools that this host has not
	}
	if r.taking != nil || now.Sub(s.since) < limit {
		return nil
	}
	l.Dead, l.By, l.Times = true, r.life, l.Times+1
	at, err := r.stream.put(ctx, r.stream.sign(of), r.encoded(l), at)
	switch {
	case errors.Is(err, errMoved): // it lives, or another host was faster
		delete(r.seen, of)
		return nil
	case err != nil:
		return err
	}
	r.seen[of] = sighting{at, now}
	r.taking = &taking{room: r, in: r.stream.there, life: of, station: l.Station, host: l.Host,
		last: l.Times >= mostTimes, ended: make(chan struct{})}
	r.all.Go(r.taking.run)
	return nil
}

// goOn gives a sign for a dead process while this one takes what it has left, so that no other host does.
func (r *Room) goOn(ctx context.Context, t *taking, l *life, at uint64) error {
	select {
	case <-t.ended:
		if r.taking = nil; t.found == 0 && t.err == nil {
			return r.settle(ctx, at)
		}
		return nil
	default:
	}
	l.By = r.life
	at, err := r.stream.put(ctx, r.stream.sign(t.life), r.encoded(l), at)
	if errors.Is(err, errMoved) {
		return nil
	}
	r.seen[t.life] = sighting{at, time.Now()}
	return err
}

// settle forgets a dead process that has left nothing.
func (r *Room) settle(ctx context.Context, at uint64) error {
	if err := r.stream.remove(ctx, at); err != nil && !errors.Is(err, errMoved) {
		return err
	}
	return nil
}
