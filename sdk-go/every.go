// Every: timers of a worker's own.

package sdk

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

type timer struct {
	interval time.Duration
	tick     func(ctx context.Context)
}

// Every runs tick each interval, in every worker of the pool, from when it is ready until it drains, which ends ctx,
// too. A tick that takes longer than the interval makes the next one late; ticks of one timer never overlap. A panic
// is logged, and the timer goes on. With ctx, [Connections] sends at once.
//
// A timer keeps no worker from draining: a tick that is running then has 2 seconds to notice. It panics if interval is
// not positive.
func Every(interval time.Duration, tick func(ctx context.Context)) Option {
	if interval <= 0 {
		panic(fmt.Sprintf("sdk: Every(%v): an interval is more than 0", interval))
	}
	return func(o *options) { o.timers = append(o.timers, timer{interval, tick}) }
}

// ticking is the timers that run; end waits for them.
type ticking struct{ done chan struct{} }

// tick starts timers, whose context is made of ctx. They stop when leave is closed. report is told of panics.
func tick(ctx context.Context, leave <-chan struct{}, timers []timer, report func(message, stack string)) ticking {
	t := ticking{make(chan struct{})}
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	for _, one := range timers {
		all.Go(func() { one.run(ctx, report) })
	}
	go func() { // ends when the worker leaves and its ticks have returned
		<-leave
		cancel(ErrDrained)
		all.Wait()
		close(t.done)
	}()
	return t
}

// end waits for ticks that are running, for a while: one that never returns is left to the exit of the process.
func (t ticking) end() {
	grace := time.NewTimer(goneGrace)
	defer grace.Stop()
	select {
	case <-t.done:
	case <-grace.C:
	}
}

func (t timer) run(ctx context.Context, report func(message, stack string)) {
	clock := time.NewTicker(t.interval)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
		if ctx.Err() != nil {
			return
		}
		t.once(ctx, report)
	}
}

func (t timer) once(ctx context.Context, report func(message, stack string)) {
	defer func() {
		if v := recover(); v != nil {
			report(fmt.Sprintf("panic in a timer of %v: %v", t.interval, v), string(debug.Stack()))
		}
	}()
	t.tick(ctx)
}
