// status.go: how the queues are, for people and metrics.

package tasks

import (
	"context"
	"errors"
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
		for _, name := range s.Queue.Backend.Traits().Queues {
			s.Handled = s.Handled || name == s.Queue.Name
		}
		err := r.inStream(ctx, func(ctx context.Context, stream jetstream.Stream) error {
			return r.weigh(ctx, stream, &s)
		})
		if err != nil {
			s.Error = err.Error()
		}
		all = append(all, s)
	}
	return all
}

// weigh fills in what the engine knows.
func (r *Room) weigh(ctx context.Context, stream jetstream.Stream, s *Status) error {
	name := s.Queue.Name
	s.Ready, s.Away, s.Later, s.Failed, s.Oldest = 0, 0, 0, 0, time.Time{}
	info := stream.ListConsumers(ctx)
	for c := range info.Info() {
		if strings.HasPrefix(c.Name, consumer(name, "")) {
			s.Ready += int(c.NumPending)
			s.Away += c.NumAckPending
		}
	}
	if err := info.Err(); err != nil {
		return err
	}
	for filter, to := range map[string]*int{r.names.live(name, "*", "later", "*"): &s.Later,
		r.names.failed(name, "*"): &s.Failed} {
		in, err := stream.Info(ctx, jetstream.WithSubjectFilter(filter))
		if err != nil {
			return err
		}
		*to = len(in.State.Subjects)
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
