// pool.go: a pool of the configuration, and the workers.Pool that runs it.

package serve

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/canary"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/dial"
	"github.com/workerhost/workerhost/host/internal/faults"
	"github.com/workerhost/workerhost/host/internal/fetch"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/leaks"
	"github.com/workerhost/workerhost/host/internal/php"
	"github.com/workerhost/workerhost/host/internal/privilege"
	"github.com/workerhost/workerhost/host/internal/recent"
	"github.com/workerhost/workerhost/host/internal/shadow"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers"
	"github.com/workerhost/workerhost/workers/fork"
)

// pool runs one [pool.NAME].
type pool struct {
	name     string
	settings atomic.Pointer[config.Pool] // of the latest generation that went live
	realm    *realm                      // never changes: in another one it is another pool
	workers  *workers.Pool
	recent   recent.Pages // what was asked for most, with warmup = "recent"
	split    *canary.Splitter
	fetches  *fetch.Room
	owner    *dial.Owner // of the dials of its workers
	tap      *shadow.Tap
	beside   *pool        // of a canary's or a shadow's: the one that they stand beside
	tries    *pool        // of their candidate: whose code its own is compared with
	leaks    *leaks.Watch // repeats safe requests, with --leaks; nil is off
	builds   *builder
	code     code
	private  privilege.Folder
	forks    fork.Launcher
	log      hclog.Logger
	ending   context.Context            // the host's: ends a build under way
	started  chan struct{}              // closed when Start has returned
	running  atomic.Bool                // Start has succeeded: only then may the workers be asked anything
	cut      atomic.Bool                // the host stops, and drain_timeout has passed
	fault    atomic.Pointer[string]     // why the newest code does not run, with --watch
	releases atomic.Pointer[releases]   // nil until the start
	trying   atomic.Pointer[canaryPool] // whose candidate serves clients; nil: there is no canary
	fpms     sync.Map                   // whether the php-fpm at a path tells of its children
	lives    []life                     // of its generations that went live; owned by passes once started is closed
	hinted   bool                       // Prepare has said what PHP lacks; calls of Prepare come one at a time
}

// newPool makes the pool without starting anything. It is called by one at a time: build, and then the pass of a
// reload.
func (h *host) newPool(in *setup, p *config.Pool) (*pool, error) {
	room := newFetches(h.log.With("pool", p.Name))
	made, err := h.makePool(in.realms[p.InRealm()], in.config, p, room, func(*workers.Settings) {})
	if err != nil {
		return nil, err
	}
	backend := hub.Backend(made.workers)
	if h.leaks {
		made.watchLeaks(p)
		if made.leaks != nil {
			backend = made.leaks
		}
	}
	made.tap = shadow.NewTap(backend)
	made.split = canary.NewSplitter(made.tap)
	room.StandBefore(faults.NewRoom(p.Name, made.split, h.faults))
	made.take(p)
	return made, nil
}

// take notes the settings that are live from now on.
func (p *pool) take(c *config.Pool) {
	p.settings.Store(settled(c))
	p.amendDials()
	if c.Canary.SecretFile != "" {
		p.split.Conceal()
	}
}

// backend is what a front submits to.
func (p *pool) backend() hub.Backend { return p.fetches }

// makePool makes a pool whose settings differ from what the file says by what change does.
func (h *host) makePool(in *realm, c *config.Config, p *config.Pool, room *fetch.Room,
	change func(*workers.Settings)) (*pool, error) {
	made := &pool{name: p.Name, realm: in, fetches: room, builds: h.builds,
		log: h.log.With("pool", p.Name), ending: h.stopping, started: make(chan struct{})}
	made.settings.Store(p)
	made.owner = made.ownsDials()
	made.forks = fork.Launcher{Folder: made.meetingFolder, Logger: made.log}
	var err error
	s := h.workerSettings(made, c, p)
	if h.generations[p.Name] == nil {
		h.generations[p.Name] = new(atomic.Uint64)
	}
	s.Generations = h.generations[p.Name]
	change(&s)
	if made.workers, err = workers.New(s); err != nil {
		return nil, err
	}
	return made, nil
}

// workerSettings translates what the file says of a pool.
func (h *host) workerSettings(made *pool, c *config.Config, p *config.Pool) workers.Settings {
	s := workers.Settings{
		Name: p.Name, Command: p.Command, Directory: p.Directory, Release: p.Release, Env: environ(c, p),
		Stdio: p.Wire == "stdio", Surge: p.Surge, InPlace: p.InPlace, Park: p.Park, ParkWorkers: p.ParkWorkers,
		Concurrency: p.Concurrency,
		Workers:     p.Workers, Unsized: p.Unsized, MaxWorkers: p.MaxWorkers, IdleTimeout: p.IdleTimeout,
		MaxPoolMemory: int64(p.MaxPoolMemory),
		StartTimeout:  p.StartTimeout, RequestTimeout: p.RequestTimeout, SlowRequest: p.SlowRequest,
		SlowTrace: p.SlowTrace, DrainTimeout: p.DrainTimeout, StopTimeout: p.StopTimeout,
		QueueTimeout: p.QueueTimeout, Queue: p.Queue, Priority: p.Priority, Measure: p.Measure,
		Retry:       retryPolicies[p.Retry],
		MaxRequests: p.MaxRequests, MaxAge: p.MaxAge, MaxMemory: int64(p.MaxMemory),
		MaxMemoryHard: int64(p.MaxMemoryHard),
		LogRate:       int64(p.LogRate),
		StreamBody:    p.RequestBody == "stream", WholeBody: p.RequestBody == "buffer",
		FileRoots: p.FileRoots, Delivery: workers.Delivery(p.Delivery),
		Dev: c.Dev, Host: "workerhost/" + cli.Version(), Logger: h.log, Reaper: h.reaper,
		Hub: made.realm.router(made.owner), Features: []string{protocol.FeatureCache},
	}
	if p.MaxWorkers > 0 {
		s.MinWorkers = p.MinWorkers
	}
	made.mayFetch(&s, p)
	mayPush(&s, c, p)
	switch p.Kind {
	case config.PHPFile:
		s.Remedy = php.Remedy
	case config.GoPackage:
		s.Greeting = "does it call sdk.Serve, in the place of http.ListenAndServe?"
	}
	s.Equip = func(dir string, command []string) (workers.Equipment, error) {
		return made.equip(p, dir, command[0], h.spool)
	}
	s.Warmup, s.Checks = warmUps(p.Warmup), warmUps(p.Gates.Check)
	if p.Replays() {
		s.Observe, s.Recent = made.recent.Watch, made.recentRequests
	}
	if s.Queue == 0 {
		s.Queue = -1 // the pool's zero is its default
	}
	if s.LogRate == 0 {
		s.LogRate = -1 // likewise
	}
	if p.Kind != config.Program {
		s.Prepare = func(ctx context.Context, dir string, generation uint64) ([]string, error) {
			return made.prepare(ctx, p, dir, generation)
		}
	}
	if isSite(p) {
		made.beSite(&s, p)
	}
	if p.Fork {
		s.Launcher = &made.forks
	}
	return s
}

// environ is the environment of the pool's workers. Whoever writes files or links for clients has to know where the
// public folder is, and CGI has a name for it.
func environ(c *config.Config, p *config.Pool) []string {
	environ := p.Environ(os.Environ())
	if _, own := p.Env["DOCUMENT_ROOT"]; !own && c.HTTP.Public != "" {
		environ = append(environ, "DOCUMENT_ROOT="+c.HTTP.Public)
	}
	return environ
}

// retryPolicies are the words of the file.
var retryPolicies = map[string]protocol.Retry{"safe": protocol.RetrySafe, "idempotency-key": protocol.RetryKeyed,
	"never": protocol.RetryNever}

func warmUps(targets []config.Warmup) (all []workers.Warmup) {
	for _, wu := range targets {
		if !strings.HasPrefix(wu.Path, "/") {
			continue // "recent", which comes after them
		}
		all = append(all, workers.Warmup{Request: warmUp(wu.Path), Status: wu.Status})
	}
	return all
}

// mostRecent is how many requests warmup = "recent" has a new worker answer.
const mostRecent = 20

// recentRequests are the warm-up requests for the pages that were asked for most of late.
func (p *pool) recentRequests() (all []*protocol.Request) {
	for _, page := range cmp.Or(p.beside, p).recent.Top(mostRecent) {
		r := warmUp(page.Target)
		r.Scheme, r.Host = page.Scheme, page.Host
		all = append(all, r)
	}
	return all
}

// warmUp is a request that only a new worker gets.
func warmUp(target string) *protocol.Request {
	return &protocol.Request{
		Flags: protocol.FlagEnd, Method: "GET", Target: target, Version: "1.1", Scheme: "http", Host: "localhost",
		Remote:  "127.0.0.1:0",
		Headers: []string{"User-Agent", "workerhost/" + cli.Version(), "X-Worker-Warmup", "1"},
		ID:      "warmup",
	}
}

// prepare gives the command of a generation: it looks for PHP anew, or builds the Go package.
func (p *pool) prepare(ctx context.Context, c *config.Pool, dir string, generation uint64) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ending, cancel)()
	if c.Kind == config.GoPackage {
		began := time.Now()
		path, unstamped, err := p.builds.build(ctx, c, dir, generation)
		if err != nil {
			return nil, err
		}
		if unstamped != "" {
			p.log.Warn("worker does not know its version: go could not ask git for it", "error", unstamped)
		}
		p.log.Info("worker built", "generation", generation, "took", cli.HumanDuration(time.Since(began)))
		return []string{path}, nil
	}
	if c.Kind == config.FPM {
		binary, err := php.FindFPM(ctx, c)
		if err == nil {
			err = p.known().check(ctx, c, binary, dir, generation)
		}
		if err != nil {
			return nil, err
		}
		p.fpms.Store(binary.Path, binary.TellsOfChildren())
		temporary, err := p.temporary(c)
		return php.FPMCommand(binary, c, temporary), err
	}
	binary, err := php.Find(ctx, c)
	if err == nil {
		err = p.known().check(ctx, c, binary, dir, generation)
	}
	if err != nil {
		return nil, err
	}
	if !p.hinted {
		p.hinted = true
		if !binary.Opcache {
			p.log.Warn("PHP has no opcache, so that every worker compiles everything for itself; on Debian: apt-get "+
				"install php-opcache", "php", binary.Path)
		}
		if !binary.Msgpack {
			p.log.Info("PHP has no msgpack extension, so that frames are read in plain PHP, which is slower; on "+
				"Debian: apt-get install php-msgpack", "php", binary.Path)
		}
		if !binary.FFI && c.API == config.FrankenPHP {
			p.log.Warn("PHP has no FFI, or ffi.enable is off, so that PHP_SAPI stays cli: CodeIgniter and CakePHP, "+
				"say, take every request for a console's; on Debian: apt-get install php-common", "php", binary.Path)
		}
	}
	temporary, err := p.temporary(c)
	if err != nil {
		return nil, err
	}
	prelude, err := p.prelude(c)
	if err != nil {
		return nil, err
	}
	if prelude != "" {
		prelude = filepath.Join(prelude, php.Prelude(c))
	}
	return php.Command(binary, c, temporary, prelude), nil
}

// known is the pool whose code is compared with new code.
func (p *pool) known() *pool { return cmp.Or(p.tries, p) }

// start begins the first generation. It returns once there is something to wait for, or with what will never work.
func (p *pool) start(ctx context.Context) error {
	defer close(p.started)
	if err := p.workers.Start(ctx); err != nil {
		return err
	}
	if p.leaks != nil {
		p.leaks.Start()
	}
	st := p.workers.Status()
	p.lives = []life{{generation: st.Generation, config: p.config()}}
	p.releases.Store(&releases{live: st.Directory})
	p.running.Store(true)
	return nil
}

// stop ends the workers gracefully, or at once when now ends, and removes the pool's folder. It names the requests
// that were cut.
func (p *pool) stop(now context.Context) (cut []string) {
	<-p.started
	defer p.private.Close()
	if p.beside == nil { // else they are that pool's, which goes on
		p.endDials(now)
		p.fetches.Close(now, p.config().DrainTimeout, p.config().StopTimeout)
	}
	if p.running.Load() {
		if p.leaks != nil {
			p.leaks.Close()
		}
		cut = p.workers.Stop(now)
	}
	p.forks.Close()
	return cut
}

// allReady says whether every worker that there has to be can take requests.
func (p *pool) allReady() bool {
	if !p.running.Load() {
		return false
	}
	st := p.workers.Status()
	ready := 0
	for _, w := range st.Workers {
		if w.State == workers.Idle || w.State == workers.Busy {
			ready++
		}
	}
	return ready >= st.MinWorkers
}

// status is the pool as the control API shows it, with the processes that its workers have of their own, which are
// asked until ctx is done.
func (p *pool) status(ctx context.Context) control.Pool {
	if !p.running.Load() {
		return control.Pool{Name: p.name, Workers: []control.Worker{}}
	}
	st := p.workers.Status()
	shown := control.Pool{
		Name: st.Name, Generation: st.Generation, Queued: st.Queued, Waiting: st.Waiting, Directory: st.Directory,
		Pinned:     p.pinned(st.Pinned),
		MinWorkers: st.MinWorkers, MaxWorkers: st.MaxWorkers, Reloading: st.Reloading, Failure: st.Failure,
		Workers:    shownWorkers(ctx, st),
		LogDropped: p.workers.Metrics().LogDropped,
		Fetches:    p.shownFetches(),
	}
	if st.Reloading {
		shown.Progress = &control.Progress{Generation: st.Roll.Generation, Replaced: st.Roll.Replaced,
			Workers: st.Roll.Workers}
	}
	for _, t := range p.forks.Templates() {
		shown.Templates = append(shown.Templates, control.Template{PID: t.PID, Generation: t.Generation,
			Booting: t.Booting, Workers: t.Workers, Memory: t.Memory})
	}
	return shown
}

// shownWorkers are the workers of a status, with the processes that they have of their own, which are asked until ctx
// is done.
func shownWorkers(ctx context.Context, st workers.Status) []control.Worker {
	shown := []control.Worker{}
	for _, w := range st.Workers {
		shown = append(shown, control.Worker{
			Slot: w.Slot, PID: w.PID, State: w.State.String(), Generation: w.Generation, Inflight: w.Inflight,
			Blocked: control.Seconds(w.Blocked), Requests: w.Requests,
			Memory: w.Memory, Uptime: control.Seconds(w.Uptime), Restarts: w.Restarts, Restarted: w.Restarted,
			SDK: w.SDK, Parked: control.Seconds(w.Parked), Warming: w.Warming, Children: children(w.Children(ctx)),
		})
	}
	return shown
}

// pinned says whether a generation's code stays as it is, whatever becomes of its folder: by a symlink that leads
// there, or since it was built for the generation.
func (p *pool) pinned(byLink bool) bool { return byLink || p.config().Kind == config.GoPackage }

// children translates what a worker tells of its processes.
func children(told []workers.Child) (shown []control.Child) {
	for _, c := range told {
		state := workers.Idle
		if c.Busy {
			state = workers.Busy
		}
		shown = append(shown, control.Child{
			PID: c.PID, State: state.String(), Requests: c.Requests, Memory: c.Memory, Peak: c.Peak,
			Uptime: control.Seconds(c.Uptime), Request: c.Request, Running: control.Seconds(c.Running),
		})
	}
	return shown
}

// event translates one line of a roll's account.
func (p *pool) event(e workers.Event) control.Event {
	shown := control.Event{Kind: control.Kind(e.Kind), Pool: p.name, Generation: e.Generation}
	switch e.Kind {
	case workers.EventBegun:
		pinned := p.pinned(e.Pinned)
		shown.Directory, shown.Pinned, shown.Workers = e.Directory, &pinned, e.Workers
	case workers.EventStaged, workers.EventReplaced, workers.EventRestored, workers.EventRemoved:
		shown.Slot, shown.OldPID, shown.NewPID = &e.Slot, e.OldPID, e.NewPID
		shown.Boot, shown.Drained, shown.Cut, shown.Again = control.Millis(e.Boot), e.Drained, e.Cut, e.Again
		shown.Parked = e.Parked
	case workers.EventCompleted:
		shown.Workers, shown.Replaced = e.Workers, e.Replaced
	case workers.EventFailed:
		shown.Error, shown.Workers, shown.Replaced, shown.NewPID = e.Error, e.Workers, e.Replaced, e.NewPID
		if e.NewPID != 0 {
			shown.Slot = &e.Slot
		}
	}
	return shown
}

// running groups the slots whose workers can take requests by the generation that each runs.
func running(st workers.Status) []control.Running {
	var groups []control.Running
	last := -1
	for _, w := range st.Workers {
		if w.Slot == last {
			continue // a draining one, which comes after the one that took its slot
		}
		last = w.Slot
		if w.State != workers.Idle && w.State != workers.Busy {
			continue
		}
		i := slices.IndexFunc(groups, func(g control.Running) bool { return g.Generation == w.Generation })
		if i < 0 {
			groups = append(groups, control.Running{Generation: w.Generation})
			i = len(groups) - 1
		}
		groups[i].Slots = append(groups[i].Slots, w.Slot)
	}
	return groups
}
