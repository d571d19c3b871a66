package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain fails on a goroutine that a test left behind.
func TestMain(m *testing.M) {
	code := m.Run()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > 1 && code == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines were left behind:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			code = 1
		}
	}
	os.Exit(code)
}

// fakeHost is a host with two pools, whose reloads and stop the test steers.
type fakeHost struct {
	hosts     []ClusterHost
	elsewhere func(ctx context.Context, station string, o Order, part func(Part) error) error

	mu       sync.Mutex
	accounts []*Account
	asked    [][]string
	stops    []bool
	stopped  chan struct{}
	begun    chan struct{} // gets a value with each reload

	by []By // of the reloads

	connections []Connection
	messages    []Message

	records []Record
	shut    *Maintenance
}

func newFakeHost() *fakeHost {
	return &fakeHost{stopped: make(chan struct{}), begun: make(chan struct{}, 8)}
}

func (f *fakeHost) Status() Status {
	return Status{Version: "1.2.3", Uptime: 61.5, PID: 4711, Listen: []Listener{},
		Pools: []Pool{{Name: "app", Queued: 1, Workers: []Worker{{Inflight: 2}}}}}
}

func (f *fakeHost) Version() Version { return Version{Version: "1.2.3", PID: 4711} }

func (f *fakeHost) Reload(r Reload) (*Account, error) {
	pools := r.Pools
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range pools {
		if p == "busy" {
			return nil, ErrStopping
		}
		if p != "app" && p != "api" {
			return nil, &UnknownPool{Name: p, Known: []string{"app", "api"}}
		}
	}
	a := NewAccount()
	f.accounts, f.asked, f.by = append(f.accounts, a), append(f.asked, pools), append(f.by, r.By)
	f.begun <- struct{}{}
	return a, nil
}

func (f *fakeHost) Try(r Reload) (*Account, error) {
	r.Pools = append(r.Pools, "api")
	return f.Reload(r)
}

func (f *fakeHost) Rollback(r Rollback) (*Account, error) {
	if r.Generation == 9 {
		return nil, errors.New("generation 9 is not known")
	}
	return f.Reload(Reload{Pools: r.Pools})
}

func (f *fakeHost) Upgrade(u Upgrade) (*Account, error) { return f.Reload(Reload{}) }

func (f *fakeHost) Abort() (*Account, error) { return nil, errors.New("no reload is under way") }

func (f *fakeHost) Cron() []CronEntry {
	return []CronEntry{{Name: "a", History: []CronRun{{Output: "said"}}}}
}
func (f *fakeHost) RunCron(_ context.Context, name string) (CronRun, error) {
	if name != "a" {
		return CronRun{}, &Unknown{What: "entry of cron", Name: name, Known: []string{"a"}}
	}
	return CronRun{Output: "said"}, nil
}
func (f *fakeHost) RestartService(_ context.Context, name string) (Service, error) {
	return Service{Name: name, PID: 7}, nil
}

func (f *fakeHost) Releases() ([]Release, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []Release{{Act: "start"}, {Act: "reload", By: slices.Clone(f.by), Outcome: Done}}, nil
}

func (f *fakeHost) Promote() (*Account, error) { return nil, errors.New("no canary is under way") }

func (f *fakeHost) Profile(ctx context.Context, o ProfileOrder) (Profile, error) {
	switch {
	case o.Pool == "nosuch":
		return Profile{}, &UnknownPool{Name: o.Pool, Known: []string{"app"}}
	case o.Pool == "php-fpm":
		return Profile{}, errors.New("PHP can't be asked from outside")
	case o.Seconds > 100: // until the test gives it up
		f.begun <- struct{}{}
		<-ctx.Done()
		return Profile{}, context.Cause(ctx)
	}
	return Profile{Pool: o.Pool, Kind: o.Kind, Format: FormatPprof, Seconds: o.Seconds, Bytes: []byte("\x1f\x8b"),
		Workers: []ProfiledWorker{{Slot: *o.Slot, PID: 4712, Generation: 3}}}, nil
}

func (f *fakeHost) Faults(pool string) (Faults, error) {
	if pool == "nosuch" {
		return Faults{}, &UnknownPool{Name: pool, Known: []string{"app"}}
	}
	kind := FaultKind{Pool: "app", What: "status 500", Count: 2, IDs: []string{"f2", "f1"}}
	return Faults{Keep: 10, Kinds: []FaultKind{kind}}, nil
}

func (f *fakeHost) Fault(id string) (Fault, error) {
	if id != "f1" {
		return Fault{}, &UnknownFault{id}
	}
	return Fault{ID: id, Pool: "app", What: "status 500", Name: "GET /"}, nil
}

func (f *fakeHost) Replay(ctx context.Context, r Replay) (Replayed, error) {
	if r.Pool == "broken" {
		return Replayed{}, errors.New("the code as it is now does not start: no")
	}
	return Replayed{ID: r.ID, Pool: "app", Before: "status 500", Status: 200, Body: r.Body}, nil
}

func (f *fakeHost) Hosts() []ClusterHost { return f.hosts }

func (f *fakeHost) Elsewhere(ctx context.Context, station string, o Order, part func(Part) error) error {
	return f.elsewhere(ctx, station, o, part)
}

func (f *fakeHost) Connections() []Connection { return slices.Clone(f.connections) }

func (f *fakeHost) Send(m Message) (Reached, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, m)
	return Reached{Connections: 3}, nil
}

func (f *fakeHost) Hangup(c Closing) (Reached, error) {
	if c.Code == 1 {
		return Reached{}, errors.New("the code 1 can't be sent to a client")
	}
	return Reached{Connections: 1, Missing: c.IDs[1:]}, nil
}

func (f *fakeHost) Audit(r Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.records = append(f.records, r)
}

// audited are the records so far, a line each.
func (f *fakeHost) audited() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.records {
		line := fmt.Sprint(r.Act, " ", r.Details, " ", r.Message)
		if r.Token != "" {
			line += " token " + r.Token
		}
		if r.Err != nil {
			line += " refused"
		}
		all = append(all, line)
	}
	return all
}

func (f *fakeHost) Stop(now bool) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stops = append(f.stops, now)
	return f.stopped
}

func (f *fakeHost) last() *Account {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accounts[len(f.accounts)-1]
}

// socketPath is short enough for any system.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "c.sock")
}

func claimed(t *testing.T, path string) *Claim {
	t.Helper()
	c, err := NewClaim(Socket{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve runs a server for the test and returns what closes it.
func serve(t *testing.T, path string, host Host) (closeServer func()) {
	t.Helper()
	s := NewServer(claimed(t, path), host)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	once := sync.OnceFunc(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(once)
	return once
}

func TestStaleSocketOfADeadHostIsReplaced(t *testing.T) {
	path := socketPath(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	serve(t, path, newFakeHost())
	if st, err := NewClient(path).Status(context.Background()); err != nil || st.PID != 4711 {
		t.Fatalf("the new host answers %+v, %v", st, err)
	}
}

func TestLiveHostKeepsItsSocketAndIsNamed(t *testing.T) {
	path := socketPath(t)
	serve(t, path, newFakeHost())
	_, err := NewClaim(Socket{Path: path})
	if err == nil || !strings.Contains(err.Error(), "pid 4711, up 1m") || !strings.Contains(err.Error(), "host stop") {
		t.Fatalf("a second host is told %v", err)
	}
	if _, err := NewClient(path).Status(context.Background()); err != nil {
		t.Fatalf("the first one no longer answers: %v", err)
	}
}

func TestOfManyHostsAtOnceOneGetsTheSocket(t *testing.T) {
	path := socketPath(t)
	if runtime.GOOS == "windows" {
		t.Skip("no locks there")
	}
	const hosts = 20
	won := make(chan *Claim, hosts)
	var all sync.WaitGroup
	for range hosts {
		all.Go(func() {
			held, err := acquire(path + ".lock")
			if err == nil {
				won <- &Claim{lock: held}
			} else if !errors.Is(err, errLocked) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(won) != 1 {
		t.Fatalf("%d hosts got the lock", len(won))
	}
	(<-won).lock.release()
	claimed(t, path).Release()
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFileThatIsNoSocketIsNotRemoved(t *testing.T) {
	path := socketPath(t)
	if err := os.WriteFile(path, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewClaim(Socket{Path: path}); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Fatalf("the claim says %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "precious" {
		t.Fatalf("the file now holds %q, %v", data, err)
	}
}

func TestMissingFolderIsNamedWithARemedy(t *testing.T) {
	_, err := NewClaim(Socket{Path: filepath.Join(filepath.Dir(socketPath(t)), "none", "c.sock")})
	if err == nil || !strings.Contains(err.Error(), "--control PATH") {
		t.Fatalf("the claim says %v", err)
	}
}

func TestStatusHasThePromisedNames(t *testing.T) {
	data, err := json.Marshal(Status{Listen: []Listener{{}}, Pools: []Pool{{Workers: []Worker{{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"version", "uptime_seconds", "listeners", "address", "protocol", "pool", "pools", "name", "generation",
		"queued",
		"workers", "slot", "pid", "state", "requests", "memory_bytes", "restarts",
	} {
		if !bytes.Contains(data, []byte(`"`+name+`":`)) {
			t.Errorf("%q is missing in %s", name, data)
		}
	}
}

func TestReloadIsToldAsItHappens(t *testing.T) {
	path, host := socketPath(t), newFakeHost()
	serve(t, path, host)
	one, seen := 1, make(chan Event)
	done := make(chan error, 1)
	go func() {
		done <- NewClient(path).Reload(context.Background(), Reload{Pools: []string{"app"}},
			func(e Event, line []byte) error {
				if !json.Valid(line) {
					t.Errorf("no JSON: %s", line)
				}
				seen <- e
				return nil
			})
	}()
	<-host.begun
	for _, e := range []Event{{Kind: Begun, Pool: "app"},
		{Kind: Replaced, Slot: &one, OldPID: 7, NewPID: 8, Cut: []string{"GET /<slow>"}}, {Kind: Completed}} {
		host.last().Add(e) // the next one comes only when this one has been seen
		if got := <-seen; got.Kind != e.Kind || got.NewPID != e.NewPID || len(got.Cut) != len(e.Cut) {
			t.Fatalf("%+v became %+v", e, got)
		}
	}
	host.last().End()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestClientThatLeavesDoesNotEndTheReload(t *testing.T) {
	path, host := socketPath(t), newFakeHost()
	serve(t, path, host)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := func() error {
		go func() {
			<-host.begun
			host.last().Add(Event{Kind: Begun})
		}()
		return NewClient(path).Reload(ctx, Reload{}, func(Event, []byte) error { cancel(); return nil })
	}()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("it left with %v", err)
	}
	host.last().Add(Event{Kind: Completed})
	host.last().End()
	var kinds []Kind
	host.last().Follow(context.Background(), func(e Event) error { kinds = append(kinds, e.Kind); return nil })
	if len(kinds) != 2 || kinds[1] != Completed {
		t.Fatalf("another follower sees %v", kinds)
	}
}

func TestUnknownPoolIsRefusedWithTheNamesThereAre(t *testing.T) {
	path, host := socketPath(t), newFakeHost()
	serve(t, path, host)
	err := NewClient(path).Reload(context.Background(), Reload{Pools: []string{"ap"}}, nil)
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Status != http.StatusNotFound ||
		!strings.Contains(refusal.Text, "app, api") {
		t.Fatalf("the client is told %v", err)
	}
	err = NewClient(path).Reload(context.Background(), Reload{Pools: []string{"busy"}}, nil)
	if !errors.As(err, &refusal) || refusal.Status != http.StatusConflict || refusal.Outcome != HostStopped {
		t.Fatalf("the client is told %v", err)
	}
	if len(host.asked) != 0 {
		t.Fatalf("a reload began: %v", host.asked)
	}
}

func TestStopReturnsWhenTheSocketIsFree(t *testing.T) {
	path, host := socketPath(t), newFakeHost()
	closeServer := serve(t, path, host)
	var kinds []Kind
	closing := make(chan struct{})
	err := NewClient(path).Stop(context.Background(), true, func(e Event, _ []byte) error {
		kinds = append(kinds, e.Kind)
		switch e.Kind {
		case Stopping:
			if e.Inflight != 3 {
				t.Errorf("%d requests in flight", e.Inflight)
			}
			close(host.stopped)
		case Stopped:
			go func() { defer close(closing); closeServer() }()
		}
		return nil
	})
	if err != nil || len(kinds) != 2 || kinds[1] != Stopped {
		t.Fatalf("stop told %v, %v", kinds, err)
	}
	claimed(t, path).Release() // at once
	<-closing
	if len(host.stops) != 1 || !host.stops[0] {
		t.Errorf("the host was asked to stop: now %v", host.stops)
	}
}

func TestHostThatDiesInAStopIsNotedAsSuch(t *testing.T) {
	path := socketPath(t)
	closeServer := serve(t, path, newFakeHost())
	closing := make(chan struct{})
	err := NewClient(path).Stop(context.Background(), false, func(Event, []byte) error {
		go func() { defer close(closing); closeServer() }() // without a word on how the stop went
		return nil
	})
	if !errors.Is(err, ErrCutOff) {
		t.Fatalf("stop said %v", err)
	}
	<-closing
}

func TestWithoutAHostTheErrorSaysWhereItLooked(t *testing.T) {
	path := socketPath(t)
	_, err := NewClient(path).Status(context.Background())
	var none *NoHost
	if !errors.As(err, &none) || !strings.Contains(err.Error(), path) {
		t.Fatalf("the client says %v", err)
	}
}

func TestMistakesInTheAPIAreExplained(t *testing.T) {
	path := socketPath(t)
	serve(t, path, newFakeHost())
	client := NewClient(path).http
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/v1/reload", `{"pool": "app"}`, http.StatusBadRequest, "pools"},
		{"POST", "/v1/stop", `now`, http.StatusBadRequest, "now"},
		{"POST", "/v1/reload", `{"pools": ["` + strings.Repeat("a", maxReload) + `"]}`, http.StatusBadRequest,
			"too large"},
		{"GET", "/v2/status", "", http.StatusNotFound, "/v1/status"},
		{"GET", "/v1/reload", "", http.StatusNotFound, "POST /v1/reload"},
	} {
		r, err := http.NewRequest(c.method, "http://host"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		w, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(w.Body)
		w.Body.Close()
		if w.StatusCode != c.status || !strings.Contains(string(said), c.says) {
			t.Errorf("%s %s %.20s: %s %s", c.method, c.path, c.body, w.Status, said)
		}
	}
}
