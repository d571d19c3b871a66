// life.go: one process of a service, from its start to its end.

package service

import (
	"fmt"
	"time"

	"github.com/workerhost/workerhost/workers"
)

// life is used by run alone.
type life struct {
	service  *Service
	settings *Settings
	process  workers.Program
	told     chan string // the end of its output, once all is told
	asked    *order      // what ended it; nil: it ended by itself, or the service is stopped
}

// start starts the process.
func (l *life) start() error {
	v := l.service
	launch, err := l.settings.Launch()
	if err != nil {
		return err
	}
	if l.process, err = launch.Start(); err != nil {
		return err
	}
	pid := l.process.PID()
	v.note(func(st *Status) { st.State, st.PID, st.Since = Running, pid, time.Now() })
	log := v.log.With("pid", pid)
	log.Info("the service runs")
	l.told = make(chan string, 1)
	go func() { // ends with the output, at the latest when that expires
		l.told <- workers.Relay(l.process.Stderr(), log, l.settings.LogRate)
	}()
	return nil
}

// last waits for the end of the process, brings it about if somebody wants that, and says how it came.
func (l *life) last() (how string) {
	v := l.service
	defer l.process.Close()
	ended := make(chan string, 1)
	go func() { ended <- l.process.Wait() }() // ends with the process, which is killed if it goes on
	look := make(<-chan time.Time)
	if l.settings.MaxMemory > 0 {
		ticker := time.NewTicker(memoryLook)
		defer ticker.Stop()
		look = ticker.C
	}
	for how == "" && l.asked == nil {
		select {
		case how = <-ended:
		case <-v.stop:
			how = l.end(ended)
		case o := <-v.ask:
			if o.signal != 0 {
				l.process.Signal(o.signal, false)
				continue
			}
			l.asked = &o
			how = l.end(ended)
		case <-look:
			if has := workers.FamilyMemory(l.process.PID()); has > l.settings.MaxMemory {
				l.asked = &order{}
				v.log.Warn("the service has more memory than max_memory, and is restarted", "memory_bytes", has)
				l.end(ended)
				how = fmt.Sprintf("had %d MiB, more than max_memory", has>>20)
			}
		}
	}
	l.process.Expire(time.Now().Add(outputPatience))
	said := <-l.told
	v.note(func(st *Status) { st.Output = said })
	return how
}

// end ends the process, in good order if it heeds that.
func (l *life) end(ended <-chan string) (how string) {
	v := l.service
	v.note(func(st *Status) { st.State = Stopping })
	l.process.Signal(l.settings.StopSignal, true)
	if l.settings.StopSignal == 0 {
		l.process.Terminate()
	}
	late := time.NewTimer(l.settings.StopTimeout)
	defer late.Stop()
	select {
	case how = <-ended:
		return how
	case <-late.C:
		v.log.Warn("the service does not stop within stop_timeout, and is killed")
	case <-v.now.Done():
	}
	l.process.Kill()
	return <-ended
}
