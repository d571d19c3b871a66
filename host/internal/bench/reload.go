// reload.go measures what clients notice of `host reload`: the same load with and without reloads, in turn.

package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// measureReloads measures at each number of connections in turn, on one host.
func measureReloads(ctx context.Context, s *stage, o options) (all []*reloadReport, err error) {
	host, err := startHost(ctx, s, o, helloPHP)
	if err != nil {
		return nil, err
	}
	for _, connections := range o.reloadConnections {
		if _, err := runWrk(ctx, host.url, o.load(connections).warm()); err != nil {
			return nil, err
		}
		one, err := measureReloadsAt(ctx, host, connections, o)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// measureReloadsAt runs o.rounds pairs of loads, one load of each pair with o.reloads reloads in it.
func measureReloadsAt(ctx context.Context, host server, connections int, o options) (*reloadReport, error) {
	l := load{connections: connections, duration: time.Duration(o.reloadSeconds) * time.Second}
	result := &reloadReport{Reloads: o.reloads, Seconds: o.reloadSeconds, Connections: connections}
	for round := range o.rounds {
		pair := reloadRound{}
		steps := []func() error{
			func() (err error) {
				pair.Quiet, err = measure(ctx, host, l)
				return err
			},
			func() (err error) {
				pair.Reloading, pair.ReloadMillis, err = measureWithReloads(ctx, host, l, o)
				return err
			},
		}
		if round%2 == 1 {
			slices.Reverse(steps)
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return nil, err
			}
		}
		if pair.Quiet.P99 > 0 {
			pair.P99Ratio = pair.Reloading.P99 / pair.Quiet.P99
		}
		progress("round %d of %d, %d connections: p99 %s quiet, %s during %d reloads; %d errors", round+1, o.rounds,
			connections,
			duration(pair.Quiet.P99), duration(pair.Reloading.P99), o.reloads, pair.Reloading.errors())
		result.Rounds = append(result.Rounds, pair)
	}
	result.Quiet = summary(collectMeasurements(result.Rounds, func(r reloadRound) measurement { return r.Quiet }))
	result.Reloading = summary(collectMeasurements(result.Rounds, func(r reloadRound) measurement {
		return r.Reloading
	}))
	result.P99Ratio = median(collect(result.Rounds, func(r reloadRound) float64 { return r.P99Ratio }))
	return result, nil
}

// measureWithReloads spreads the reloads evenly over the load. One that is late is followed by the next at once.
func measureWithReloads(ctx context.Context, host server, l load, o options) (measurement, []float64, error) {
	type outcome struct {
		m   measurement
		err error
	}
	loaded := make(chan outcome, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	go func() {
		m, err := measure(ctx, host, l)
		loaded <- outcome{m, err}
	}()
	took, err := reloadEvenly(ctx, began, l.duration, host.control, o)
	if err == nil && time.Since(began) > l.duration {
		err = fmt.Errorf("%d reloads took longer than the %s of load: give more --reload-seconds", o.reloads,
			l.duration)
	}
	if err != nil {
		cancel(err)
		<-loaded
		return measurement{}, nil, err
	}
	under := <-loaded
	return under.m, took, under.err
}

// reloadEvenly runs `host reload` o.reloads times and returns how long each took, in milliseconds.
func reloadEvenly(ctx context.Context, began time.Time, during time.Duration, control string, o options) ([]float64,
	error) {
	took := []float64{}
	for i := range o.reloads {
		next := time.Until(began.Add(during * time.Duration(i+1) / time.Duration(o.reloads+1)))
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(next):
		}
		start := time.Now()
		command := exec.CommandContext(ctx, o.host, "reload", "--control", control)
		command.WaitDelay = 5 * time.Second
		if out, err := command.CombinedOutput(); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("host reload, number %d: %w\n%s", i+1, err, out)
		}
		took = append(took, micros(time.Since(start))/1000)
	}
	return took, nil
}

func collectMeasurements(rounds []reloadRound, pick func(reloadRound) measurement) []measurement {
	picked := []measurement{}
	for _, round := range rounds {
		picked = append(picked, pick(round))
	}
	return picked
}
