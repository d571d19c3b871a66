// status.go: how the queues are, for people and metrics.

package tasks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Status is how a queue is, on all hosts but for its Counts.
type Status struct {
	Queue   Queue
	Paused  bool
	Handled bool // the pool's workers handle it
	Ready   int  // tasks that may begin
	Away    int  // that are under way, or wait for their next attempt
	Later   int  // that may not begin yet
	Failed  int
	Oldest  time.Time // when the oldest that may begin, or is under way, came there; zero: there is none
	Counts  Counts
	Error   string // why the engine's numbers are not known
}

// Status asks the engine, and waits for it until ctx is done, for [engine.Patience] at most.
func (r *Room) Status(ctx context.Context) (all []Status) {
	for _, q := range r.list() {
		s := Status{Queue: *q.settings.Load(), Paused: q.paused.Load(), Counts: q.counts()}
		s.Handled = slices.Contains(s.Queue.Backend.Traits().Queues, s.Queue.Name)
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil
	}
	err := r.inStream(ctx, func(ctx context.Context, stream jetstream.Stream) error {
		known, list := map[string]*jetstream.ConsumerInfo{}, stream.ListConsumers(ctx)
		for c := range list.Info() {
			known[c.Name] = c
		}
		if err := list.Err(); err != nil {
			return err
		}
		for i := range all {
			if err := r.weigh(ctx, stream, known, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for i := range all {
			all[i].Error = err.Error()
		}
	}
	return all
}

// weigh fills in what the engine knows.
func (r *Room) weigh(ctx context.Context, stream jetstream.Stream, known map[string]*jetstream.ConsumerInfo,
	s *Status) (err error) {
	name := s.Queue.Name
	s.Ready, s.Away, s.Oldest = 0, 0, time.Time{}
	for _, c := range known {
		if at, is := strings.CutPrefix(c.Name, consumer(name, "")); is && isPlace(at) {
			s.Ready += int(c.NumPending)
			s.Away += c.NumAckPending
		}
	}
	if s.Later, err = r.tally(ctx, stream, known, name, tallyLater); err != nil {
		return err
	}
	if s.Failed, err = r.tally(ctx, stream, known, name, tallyFailed); err != nil {
		return err
	}
	m, err := stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(r.names.live(name, "*", "ready", "*")))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err == nil {
		s.Oldest = m.Time
	}
	return err
}

// Consumers from which nobody takes anything: they have the engine count. Its other way to do so is a list of all.
const (
	tallyLater  = "later"
	tallyFailed = "failed"
)

// tally counts the tasks of a queue that are delayed, or that have failed. known are consumers that are there.
func (r *Room) tally(ctx context.Context, stream jetstream.Stream, known map[string]*jetstream.ConsumerInfo,
	queue, what string) (int, error) {
	name := consumer(queue, what)
	if c := known[name]; c != nil {
		return int(c.NumPending), nil
	}
	c, err := stream.Consumer(ctx, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		filter := r.names.failed(queue, "*")
		if what == tallyLater {
			filter = r.names.live(queue, "*", "later", "*")
		}
		c, err = stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: name, FilterSubject: filter,
			AckPolicy: jetstream.AckExplicitPolicy})
	}
	if err != nil {
		return 0, err
	}
	return int(c.CachedInfo().NumPending), nil
}
