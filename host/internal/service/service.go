// Package service keeps programs running that nobody asks anything: consumers of queues, watchers, servers for
// development. Each has a process at a time, in a group of its own that does not outlive it, nor the host; when it
// ends it is started anew, later and later if it does not stay. It knows no configuration, and no pool.
package service

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers"
)

// Settings are what a reload may change. They never change themselves.
type Settings struct {
	// Launch is what to start, found anew at each start. It may take a moment.
	Launch      func() (workers.Launch, error)
	StopSignal  syscall.Signal // to the process and all that it has started
	StopTimeout time.Duration  // from that to KILL
	MaxMemory   int64          // bytes of all of them together with which it is restarted; 0 is no limit
	LogRate     int64          // bytes a second; less than 0 is no limit
}

const (
	// steady is how long a process has to run for its end to count as the first failure.
	steady = 10 * time.Second
	// memoryLook is how often its memory is looked at, if that is limited.
	memoryLook = time.Second
	// outputPatience is for output that a process which has left the group still holds open.
	outputPatience = time.Second
)

// State says what a service does.
type State string

// The states of a service.
const (
	Running    State = "running"
	BackingOff State = "backing-off" // it has ended, or could not be started, and is started anew soon
	Stopping   State = "stopping"    // it was asked to end: for good, or for a restart
	Stopped    State = "stopped"     // for good
)

// Status is a service at one moment.
type Status struct {
	State    State
	PID      int       // 0 while there is no process
	Since    time.Time // of this process; zero while there is none
	Restarts int
	Last     string // why the last process ended, or could not be started; "" if none has
	Output   string // the end of what that one had printed
	Memory   int64  // resident, of it and all that descend from it; 0 where that can't be known
}

// Service is one. Its methods are safe for concurrent use.
type Service struct {
	log    hclog.Logger
	ask    chan order    // to run, which takes them until ended
	ended  chan struct{} // closed when its last process has ended
	ending sync.Once
	stop   chan struct{}   // closed by Stop
	now    context.Context // ends when a process is not to be waited for any more
	endNow context.CancelFunc

	mu     sync.Mutex
	status Status // changed by run alone; guarded by mu
}

// order is what run is asked for.
type order struct {
	settings *Settings      // nil: those it has
	signal   syscall.Signal // to the process, in place of a restart; 0 is none
	done     chan error     // buffered; nil: nobody waits
}

// errStopped is for who asks a service that was stopped.
var errStopped = errors.New("the service is stopped")

// Start starts a service, which has to be stopped.
func Start(s Settings, log hclog.Logger) *Service {
	v := &Service{log: log, ask: make(chan order), ended: make(chan struct{}), stop: make(chan struct{})}
	v.now, v.endNow = context.WithCancel(context.Background())
	v.status.State = BackingOff
	go v.run(&s) // ends with Stop
	return v
}

// Stop ends the service for good: in good order, or at once when ctx ends. It returns when its process has ended, and
// all that was in its group. It may be called again.
func (v *Service) Stop(ctx context.Context) {
	v.ending.Do(func() { close(v.stop) })
	defer context.AfterFunc(ctx, v.endNow)()
	<-v.ended
}

// Change has it go on with other settings, in a new process.
func (v *Service) Change(s Settings) { v.send(order{settings: &s}) }

// Restart replaces its process, and returns when another one was started; an error says why it was not.
func (v *Service) Restart(ctx context.Context) error {
	done := make(chan error, 1)
	v.send(order{done: done})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-v.ended:
		return errStopped
	}
}

// Signal sends its process a signal, if there is one.
func (v *Service) Signal(s syscall.Signal) { v.send(order{signal: s}) }

// send waits until run takes it, which is at most for the end of a process.
func (v *Service) send(o order) {
	select {
	case v.ask <- o:
	case <-v.ended:
	}
}

// Status is what it does now.
func (v *Service) Status() Status {
	v.mu.Lock()
	st := v.status
	v.mu.Unlock()
	if st.PID != 0 {
		st.Memory = workers.FamilyMemory(st.PID)
	}
	return st
}

func (v *Service) note(change func(*Status)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.status)
}

// run owns the process.
func (v *Service) run(s *Settings) {
	defer close(v.ended)
	defer v.endNow()
	defer v.note(func(st *Status) { st.State = Stopped })
	failures := 0
	for next := (&order{settings: s}); next != nil; {
		if next.settings != nil {
			s = next.settings
		}
		l := &life{service: v, settings: s}
		err := l.start()
		if next.done != nil {
			next.done <- err
		}
		why, began := "", time.Now()
		if err == nil {
			why = l.last()
		} else {
			why = err.Error()
			v.log.Error("the service can't be started", "error", why)
		}
		v.note(func(st *Status) { st.State, st.PID, st.Since, st.Last = BackingOff, 0, time.Time{}, why })
		switch next = l.asked; {
		case v.stopped():
			return
		case next != nil:
			failures = 0
		default:
			if err == nil && time.Since(began) >= steady {
				failures = 0
			}
			failures++
			pause := workers.Backoff(failures)
			if err == nil {
				v.log.Warn("the service ended, and is started anew", "how", why, "in", pause.String())
			}
			next = v.rest(pause)
		}
		v.note(func(st *Status) { st.Restarts++ })
	}
}

func (v *Service) stopped() bool {
	select {
	case <-v.stop:
		return true
	default:
		return false
	}
}

// rest waits before the next start, and says what that is asked for; nil is that none follows.
func (v *Service) rest(pause time.Duration) *order {
	late := time.NewTimer(pause)
	defer late.Stop()
	for {
		select {
		case o := <-v.ask:
			if o.signal == 0 {
				return &o
			}
		case <-late.C:
			return &order{}
		case <-v.stop:
			return nil
		}
	}
}
