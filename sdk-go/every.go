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
	interval time.Duration // 0: it ticks once, at the beginning
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

// OnReady adds a hook that runs once in every worker of the pool, beside its requests and the other hooks, as soon as
// it is ready: for what [OnStart] can't do yet, such as [Hub.Dial]. ctx ends when the worker drains. A panic is
// logged.
func OnReady(hook func(ctx context.Context)) Option {
	return func(o *options) { o.timers = append(o.timers, timer{0, hook}) }
}

// ticking is the timers that run, and the OnDrain hooks after them; end waits for both.
type ticking struct{ done chan struct{} }

// tick starts timers, whose context is made of ctx. They stop when leave is closed, and the OnDrain hooks run. report
// is told of panics.
func (o *options) tick(ctx context.Context, leave <-chan struct{}, report func(message, stack string)) ticking {
	t := ticking{make(chan struct{})}
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	for _, one := range o.timers {
		all.Go(func() { one.run(ctx, report) })
	}
	go func() { // ends when the worker leaves and its ticks and hooks have returned
		<-leave
		cancel(ErrDrained)
		for _, hook := range o.drain {
			guarded("an OnDrain hook", report, hook)
		}
		all.Wait()
		close(t.done)
	}()
	return t
}

// end waits for what is running, for a while: what never returns is left to the exit of the process.
func (t ticking) end() {
	grace := time.NewTimer(goneGrace)
	defer grace.Stop()
	select {
	case <-t.done:
	case <-grace.C:
	}
}

func (t timer) run(ctx context.Context, report func(message, stack string)) {
	if t.interval == 0 {
		guarded("an OnReady hook", report, func() { t.tick(ctx) })
		return
	}
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
		guarded(fmt.Sprintf("a timer of %v", t.interval), report, func() { t.tick(ctx) })
	}
}

// guarded runs what must not take the worker along.
func guarded(what string, report func(message, stack string), run func()) {
	defer func() {
		if v := recover(); v != nil {
			report(fmt.Sprintf("panic in %s: %v", what, v), string(debug.Stack()))
		}
	}()
	run()
}
