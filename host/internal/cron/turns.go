// turns.go: which of several hosts with the same entries begins a run.

package cron

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
)

// Turns says whose turn a run is, by what the hosts of a cluster note in their engine: of each entry, by its name, the
// last time that was begun, and who has a run under way. It is safe for concurrent use.
type Turns struct {
	Engine *engine.Engine

	mu     sync.Mutex
	bucket jetstream.KeyValue // nil until it stands; guarded by mu
}

// errElsewhere is for a time that another host has begun.
var errElsewhere = errors.New("another host has begun it")

const (
	turnsBucket = "cron"
	// lease is after what silence of its host a run counts as over: the host has died.
	lease   = 30 * time.Second
	renewal = lease / 3
)

// turn is what is noted of an entry.
type turn struct {
	At     time.Time `json:"at"`               // the last time that was begun
	Holder string    `json:"holder,omitempty"` // whose run is under way; "" is nobody's
	Until  time.Time `json:"until"`            // it counts as over then, unless that is said anew
}

// take asks for the run of a time, zero for one that has none. It is this host's if there is no error: over is to be
// called at its end. [ErrLeftOut] is that one before is under way, unless overlap is true; errElsewhere is that
// another host has begun it.
func (t *Turns) take(ctx context.Context, name string, at time.Time, overlap bool) (over func(), err error) {
	mine := rand.Text()
	err = t.Engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		kv, err := t.kv(ctx, js)
		if err != nil {
			return err
		}
		for {
			now, revision, err := read(ctx, kv, name)
			switch {
			case err != nil:
				return err
			case now.Holder == mine: // the answer was lost
				return nil
			case !at.IsZero() && !at.After(now.At):
				return errElsewhere
			case !overlap && now.Holder != "" && time.Now().Before(now.Until):
				return ErrLeftOut
			}
			if at.After(now.At) {
				now.At = at
			}
			now.Holder, now.Until = mine, time.Now().Add(lease)
			if err := write(ctx, kv, name, now, revision); !errors.Is(err, errFaster) {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	ended, gone := make(chan struct{}), make(chan struct{})
	go func() { // ends with over
		defer close(gone)
		t.keep(name, mine, ended)
	}()
	return func() { close(ended); <-gone }, nil
}

// keep says until ended that the run is under way, and then that it is not.
func (t *Turns) keep(name, mine string, ended <-chan struct{}) {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case <-tick.C:
		case <-ended:
			over = true
		}
		ctx, cancel := context.WithTimeout(context.Background(), engine.Patience)
		t.Engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error { // else its time runs out
			kv, err := t.kv(ctx, js)
			if err != nil {
				return err
			}
			now, revision, err := read(ctx, kv, name)
			if err != nil || now.Holder != mine {
				return err
			}
			if now.Until = time.Now().Add(lease); over {
				now.Holder = ""
			}
			return write(ctx, kv, name, now, revision)
		})
		cancel()
	}
}

// kv is where it is noted.
func (t *Turns) kv(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bucket != nil {
		return t.bucket, nil
	}
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: turnsBucket,
		Description: "which host runs what of [[cron]]", Replicas: t.Engine.Replicas()})
	if err == nil {
		t.bucket = kv
	}
	return kv, err
}

// read gives what is noted of an entry, and with which revision; 0 is nothing.
func read(ctx context.Context, kv jetstream.KeyValue, name string) (now turn, revision uint64, err error) {
	e, err := kv.Get(ctx, engine.Token(name))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return now, 0, nil
	}
	if err == nil {
		revision, err = e.Revision(), json.Unmarshal(e.Value(), &now)
	}
	return now, revision, err
}

// errFaster is that what is noted has another revision by now.
var errFaster = errors.New("somebody else was faster")

func write(ctx context.Context, kv jetstream.KeyValue, name string, now turn, revision uint64) error {
	data, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if revision == 0 {
		_, err = kv.Create(ctx, engine.Token(name), data)
	} else {
		_, err = kv.Update(ctx, engine.Token(name), data, revision)
	}
	const constant = 10164 // the same as ErrKeyExists, of a stream with copies
	var api *jetstream.APIError
	if errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == constant {
		return errFaster
	}
	return err
}
