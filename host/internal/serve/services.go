// services.go: the programs of [service.NAME], which the host keeps running.

package serve

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/host/internal/service"
	"github.com/workerhost/workerhost/workers"
)

// services are those of the host. There is nothing of them before startAll.
type services struct {
	host     *host
	changing sync.Mutex // held while they are brought to what the configuration says

	mu    sync.Mutex
	all   map[string]*runningService // by name; replaced as a whole; guarded by mu
	began bool                       // guarded by changing
	ended bool                       // likewise
}

type runningService struct {
	*service.Service
	*beside
	config *config.Service
}

func (s *services) running() map[string]*runningService {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// startAll starts those of the configuration. Until then a change does nothing.
func (s *services) startAll() {
	s.changing.Lock()
	s.began = true
	s.changing.Unlock()
	s.change(s.host.config(), nil)
}

// change brings them to what the configuration says, and returns when those that it has no more have ended. Those that
// stay as they are follow a reload of the pools that are named, or of all if follow is an empty list; nil is no
// reload.
func (s *services) change(c *config.Config, follow []string) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if !s.began || s.ended {
		return
	}
	before, next := s.running(), map[string]*runningService{}
	for _, wanted := range c.Services {
		v := before[wanted.Name]
		switch {
		case v == nil:
			next[wanted.Name] = s.start(wanted)
		case !sameService(v.config, wanted):
			next[wanted.Name] = &runningService{v.Service, v.beside.with(&wanted.SideProgram), wanted}
			v.Change(next[wanted.Name].settings())
		default:
			next[wanted.Name] = &runningService{v.Service, v.beside, wanted}
			if follow != nil && (len(follow) == 0 || slices.Contains(follow, wanted.Pool)) {
				next[wanted.Name].follow()
			}
		}
	}
	s.mu.Lock()
	s.all = next
	s.mu.Unlock()
	var gone sync.WaitGroup
	for name, v := range before {
		if next[name] == nil {
			gone.Go(func() { s.stop(v) })
		}
	}
	gone.Wait()
}

func sameService(a, b *config.Service) bool {
	return len(differences(change{}, *a, *b)) == 0 && reflect.DeepEqual(a.Command, b.Command) &&
		sameStand(a.Stand, b.Stand)
}

func (s *services) start(c *config.Service) *runningService {
	v := &runningService{config: c, beside: s.host.newBeside("service", c.Name, &c.SideProgram)}
	v.Service = service.Start(v.settings(), v.own.log)
	return v
}

// with is a program's that has other settings, and the same private folder.
func (b *beside) with(program *config.SideProgram) *beside {
	return &beside{host: b.host, name: b.name, program: program, own: b.own}
}

// settings translates what the file says. The launches are called by one at a time.
func (v *runningService) settings() service.Settings {
	beside, never := v.beside, v.config.Reload == "never"
	s := service.Settings{
		Launch: func() (workers.Launch, error) {
			if never {
				beside.pinned = "" // nobody else would have it look anew
			}
			return beside.launch()
		},
		StopSignal: service.Signals[v.config.StopSignal], StopTimeout: v.config.StopTimeout,
		MaxMemory: int64(v.config.MaxMemory), LogRate: int64(v.config.LogRate),
	}
	if s.LogRate == 0 {
		s.LogRate = -1
	}
	return s
}

// follow does what a reload is to do.
func (v *runningService) follow() {
	if name, signal := strings.CutPrefix(v.config.Reload, "signal:"); signal {
		v.own.log.Info("reload: the service gets a signal", "signal", name)
		v.Signal(service.Signals[name])
	} else if v.config.Reload == "restart" {
		v.own.log.Info("reload: the service is restarted")
		v.beside = v.with(v.program)
		v.Change(v.settings())
	}
}

// stop ends one for good.
func (s *services) stop(v *runningService) {
	s.host.bounded("the service "+v.config.Name, v.config.StopTimeout, func() { v.Stop(s.host.now) })
	v.close()
}

// end ends all of them, and returns when they have ended.
func (s *services) end() {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.ended = true
	var all sync.WaitGroup
	for _, v := range s.running() {
		all.Go(func() { s.stop(v) })
	}
	all.Wait()
}

// status is what control shows, by name.
func (s *services) status() (all []control.Service) {
	for _, v := range s.running() {
		st := v.Status()
		shown := control.Service{Name: v.config.Name, Pool: v.config.Pool, State: string(st.State), PID: st.PID,
			Restarts: st.Restarts, Restarted: redact.Text(st.Last), Memory: st.Memory,
			Command: redact.Text(strings.Join(v.config.Command, " "))}
		if realm := v.config.InRealm(); realm != config.DefaultRealm {
			shown.Realm = realm
		}
		if !st.Since.IsZero() {
			shown.Uptime = control.Seconds(time.Since(st.Since))
		}
		all = append(all, shown)
	}
	slices.SortFunc(all, func(a, b control.Service) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// RestartService implements [control.Host].
func (h *host) RestartService(ctx context.Context, name string) (control.Service, error) {
	v := h.services.running()[name]
	if v == nil {
		var known []string
		for _, s := range h.services.status() {
			known = append(known, s.Name)
		}
		return control.Service{}, &control.Unknown{What: "service", Name: name, Known: known}
	}
	if err := v.Restart(ctx); err != nil {
		return control.Service{}, fmt.Errorf("the service %s can't be started: %w", name, err)
	}
	for _, s := range h.services.status() {
		if s.Name == name {
			return s, nil
		}
	}
	return control.Service{}, fmt.Errorf("the service %s has gone meanwhile", name)
}

// planPrograms finds the changes of services and of cron.
func (p *plan) planPrograms(now *config.Config) {
	old := map[string]*config.Service{}
	for _, s := range now.Services {
		old[s.Name] = s
	}
	for _, s := range p.config.Services {
		of := change{table: "service " + s.Name + ":", live: true}
		if before := old[s.Name]; before != nil {
			p.log = append(p.log, differences(of, *before, *s)...)
		} else {
			p.log = append(p.log, of.whole("added"))
		}
		delete(old, s.Name)
	}
	for _, s := range now.Services {
		if old[s.Name] != nil {
			p.log = append(p.log, change{table: "service " + s.Name, live: true}.whole("removed"))
		}
	}
	entries := map[string]*config.Cron{}
	for _, e := range now.Cron {
		entries[e.Name] = e
	}
	for _, e := range p.config.Cron {
		of := change{table: "cron " + e.Name + ":", live: true}
		if before := entries[e.Name]; before != nil {
			p.log = append(p.log, differences(of, *before, *e)...)
		} else {
			p.log = append(p.log, of.whole("added"))
		}
		delete(entries, e.Name)
	}
	for _, e := range now.Cron {
		if entries[e.Name] != nil {
			p.log = append(p.log, change{table: "cron " + e.Name, live: true}.whole("removed"))
		}
	}
}

// each is the status of all services, by name.
func (s *services) each() iter.Seq2[string, service.Status] {
	return func(yield func(string, service.Status) bool) {
		for name, v := range s.running() {
			if !yield(name, v.Status()) {
				return
			}
		}
	}
}
