package workers

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// profiler is a worker that takes profiles: each is its kind, and how long it lasted; size bytes more of it follow. It
// answers requests at once, ends with its input, and hears of what is to end a profile.
func profiler(concurrency, size int, told chan<- string) script {
	return func(w *fakeWorker) {
		w.features = []string{protocol.FeatureProfile, threadsFeature}
		if !w.boot(concurrency) {
			return
		}
		var enough chan struct{}
		for {
			payload, err := w.conn.Read()
			if err != nil {
				return
			}
			t, _, _ := protocol.Head(payload)
			switch t {
			case protocol.TypeData:
				close(enough)
			case protocol.TypeReset:
				var m protocol.Reset
				m.Parse(payload)
				told <- m.Code.String()
				w.conn.Send(&protocol.Done{Stream: m.Stream})
			case protocol.TypeRequest:
				var m protocol.Request
				m.Parse(payload)
				if m.Scheme != protocol.SchemeHost {
					w.answer(&m, "well")
					continue
				}
				u, _ := url.Parse(m.Target)
				kind, lasts, err := protocol.ParseProfileTarget(u)
				if err != nil {
					panic(err)
				}
				if kind != protocol.ProfileCPU {
					lasts = 0
				}
				enough = make(chan struct{})
				began := time.Now()
				go func() {
					select {
					case <-time.After(lasts):
					case <-enough:
					case <-w.died:
						return
					}
					text := kind + " " + time.Since(began).Round(time.Second).String()
					status := 200
					if kind == protocol.ProfileHeap {
						status, text = 503, "no heap today"
					}
					w.conn.Send(&protocol.Response{Stream: m.Stream, Status: status, Body: []byte(text)})
					for left := size; left > 0; left -= protocol.MaxData {
						piece := protocol.Data{Stream: m.Stream, Bytes: make([]byte, min(left, protocol.MaxData))}
						if w.conn.Send(&piece) != nil {
							return
						}
					}
					w.conn.Send(&protocol.Data{Stream: m.Stream, Flags: protocol.FlagEnd | protocol.FlagDone})
				}()
			}
		}
	}
}

func anyCPU(lasts time.Duration) ProfileOrder {
	return ProfileOrder{Kind: protocol.ProfileCPU, Slot: -1, Lasts: lasts}
}

func TestAProfileIsTakenBesideRequestsOfAWorkerThatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(profiler(1, 0, nil)))
		defer p.Stop(context.Background())
		ready()
		made := make(chan *Profile)
		go func() {
			one, err := p.Profile(context.Background(), anyCPU(10*time.Second))
			if err != nil {
				t.Error(err)
			}
			made <- one
		}()
		time.Sleep(time.Second)
		for range 3 {
			if s, _ := submit(p, "GET", "/"); s.result() != "well" {
				t.Fatal(s.failure)
			}
		}
		if _, err := p.Profile(context.Background(), anyCPU(time.Second)); err == nil ||
			!strings.Contains(err.Error(), "is being profiled already") {
			t.Error(err)
		}
		one := <-made
		if string(one.Bytes) != "cpu 10s" || one.Folded || one.Lasted.Round(time.Second) != 10*time.Second ||
			len(one.Workers) != 1 || one.Workers[0] != (ProfiledWorker{0, 1001, 1}) {
			t.Errorf("%+v: %s", one, one.Bytes)
		}
		if st := p.Status().Workers[0]; st.Requests != 3 || st.Inflight != 0 {
			t.Errorf("it counts as a request: %+v", st)
		}
		if _, err := p.Profile(context.Background(), ProfileOrder{Kind: protocol.ProfileHeap}); err == nil ||
			!strings.HasSuffix(err.Error(), "gives no profile of heap: no heap today") {
			t.Error(err)
		}
		if one, err := p.Profile(context.Background(), ProfileOrder{Kind: protocol.ProfileGoroutine}); err != nil ||
			string(one.Bytes) != "goroutine 0s" {
			t.Error(one, err)
		}
	})
}

func TestEndingAProfileEndsItInTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan string, 1)
		p, _ := newFakePool(t, Settings{Workers: 1}, always(profiler(8, 0, told)))
		defer p.Stop(context.Background())
		ready()
		ctx, cancel := context.WithTimeoutCause(context.Background(), 3*time.Second, errors.New("the client left"))
		defer cancel()
		if _, err := p.Profile(ctx, anyCPU(time.Minute)); err == nil || err.Error() != "the client left" {
			t.Error(err)
		}
		if code := <-told; code != protocol.ResetCancelled.String() {
			t.Errorf("the worker heard %s", code)
		}
		synctest.Wait()
		one, err := p.Profile(context.Background(), anyCPU(time.Second))
		if err != nil || string(one.Bytes) != "cpu 1s" {
			t.Error("the turn is not given back:", err)
		}
	})
}

func TestAReloadEndsAProfileThatHasWhatThereIs(t *testing.T) {
	for name, set := range map[string]Settings{
		"retired": {Workers: 1},
		"parked":  {Workers: 1, Park: time.Minute, DrainTimeout: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, set, always(profiler(8, 300<<10, nil)))
				defer p.Stop(context.Background())
				ready()
				made := make(chan *Profile)
				go func() {
					one, err := p.Profile(context.Background(), anyCPU(time.Minute))
					if err != nil {
						t.Error(err)
					}
					made <- one
				}()
				time.Sleep(5 * time.Second)
				if events := follow(p.Reload()); len(events) == 0 {
					t.Fatal("no reload")
				}
				one := <-made
				if one == nil || !bytes.HasPrefix(one.Bytes, []byte("cpu 5s")) || len(one.Bytes) != 300<<10+6 ||
					one.Workers[0].Generation != 1 {
					t.Fatalf("%+v", one)
				}
				if f.count() != 2 {
					t.Errorf("%d starts", f.count())
				}
			})
		})
	}
}

func TestAProfileThatIsTooLargeHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan string, 1)
		p, f := newFakePool(t, Settings{Workers: 1}, always(profiler(8, protocol.MaxProfile+1, told)))
		defer p.Stop(context.Background())
		ready()
		if _, err := p.Profile(context.Background(), anyCPU(time.Second)); err == nil ||
			!strings.HasSuffix(err.Error(), "gives a profile of more than 16777216 bytes") {
			t.Error(err)
		}
		<-told
		if s, _ := submit(p, "GET", "/"); s.result() != "well" || f.count() != 1 {
			t.Error(s.failure, f.count())
		}
	})
}

func TestAWorkerThatDiesEndsItsProfile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(profiler(8, 0, nil)))
		defer p.Stop(context.Background())
		ready()
		time.AfterFunc(2*time.Second, func() { f.process(1).die("signal: killed") })
		if _, err := p.Profile(context.Background(), anyCPU(time.Minute)); err == nil ||
			!strings.HasSuffix(err.Error(), "ended meanwhile: signal: killed") {
			t.Error(err)
		}
	})
}

// sampled is a worker that says where it stands: in a request for /spin at once, and in one for /call when that is
// over. Each takes a second.
func sampled(w *fakeWorker) {
	w.features = []string{backtraceFeature}
	const (
		spins = "#0 /app/a.php:7 in Shop\\Cart->total()\n#1 /app/a.php:9 in {closure}()\n#2 /app/a.php:12 in {main}"
		calls = "#0 /app/a.php:30 in Shop\\Db->query()\n#1 /app/a.php:12 in {main}"
	)
	var call atomic.Pointer[chan struct{}] // closed when the one that it is in is over; nil: it is in none
	go func() {
		for {
			select {
			case <-w.died:
				return
			case <-w.usr2:
			}
			text := spins
			if over := call.Load(); over != nil {
				text = calls
				<-*over
			}
			v, _ := protocol.NewValue(map[string]any{"backtrace": text})
			w.conn.Send(&protocol.Log{Level: "warn", Message: "backtrace", Context: v})
		}
	}()
	serve(1, func(w *fakeWorker, r *protocol.Request) {
		over := make(chan struct{})
		if r.Target == "/call" {
			call.Store(&over)
		}
		time.Sleep(time.Second)
		call.Store(nil)
		if len(w.usr2) > 0 {
			panic("it was asked again before it had answered")
		}
		close(over)
		w.answer(r, "well")
	})(w)
}

func TestAWorkerThatSaysWhereItStandsIsSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 2})
		p, _ := newFakePool(t, set, always(sampled))
		defer p.Stop(context.Background())
		ready()
		made := make(chan *Profile)
		go func() {
			one, err := p.Profile(context.Background(), anyCPU(4*time.Second))
			if err != nil {
				t.Error(err)
			}
			made <- one
		}()
		time.Sleep(100 * time.Millisecond)
		spin, _ := submit(p, "GET", "/spin")
		call, _ := submit(p, "GET", "/call")
		if spin.result() != "well" || call.result() != "well" {
			t.Fatal(spin.failure, call.failure)
		}
		one := <-made
		var got []string
		for line := range strings.Lines(string(one.Bytes)) {
			at := strings.LastIndexByte(line, ' ')
			got = append(got, line[:at])
			if n, err := strconv.Atoi(line[at+1 : len(line)-1]); err != nil || n < 95 || n > 105 {
				t.Errorf("not for a second: %q", line)
			}
		}
		want := `{main} (/app/a.php);Shop\Db->query, {main} (/app/a.php);{closure} (/app/a.php);Shop\Cart->total`
		if strings.Join(got, ", ") != want || !one.Folded || len(one.Workers) != 2 {
			t.Errorf("%+v:\n%s", one, one.Bytes)
		}
		if one.Samples < 190 || one.Idle < 590 || one.Samples+one.Idle > 800 {
			t.Errorf("%d samples, %d idle", one.Samples, one.Idle)
		}
		if strings.Contains(log.String(), "backtrace") {
			t.Error(log.String())
		}
	})
}

func TestACallThatDoesNotReturnIsInTheProfileAndItsLateAnswerNotInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		p, _ := newFakePool(t, set, always(sampled))
		defer p.Stop(context.Background())
		ready()
		s, _ := submit(p, "GET", "/call")
		one, err := p.Profile(context.Background(), anyCPU(500*time.Millisecond))
		if err != nil || !strings.HasPrefix(string(one.Bytes), "(in a call that had not ended) ") {
			t.Fatal(one, err)
		}
		if s.result() != "well" || strings.Contains(log.String(), "Shop") {
			t.Error(s.failure, log.String())
		}
	})
}

func TestAReloadEndsSamplingWithWhatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(sampled))
		defer p.Stop(context.Background())
		ready()
		s, _ := submit(p, "GET", "/spin")
		time.AfterFunc(500*time.Millisecond, func() { p.Reload() })
		one, err := p.Profile(context.Background(), anyCPU(time.Minute))
		if err != nil || one.Lasted > 2*time.Second || one.Samples == 0 || s.result() != "well" {
			t.Error(one, err)
		}
	})
}

func TestWhatCanNotBeProfiledSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		features []string
		order    ProfileOrder
		says     string
		untraced string
	}{
		"neither": {order: anyCPU(time.Second), says: "gives no profile of cpu: the worker gives no backtraces"},
		"only stands": {features: []string{backtraceFeature}, order: ProfileOrder{Kind: protocol.ProfileHeap},
			says: "of which one of cpu can be made (its SDK is fake)"},
		"older": {features: []string{backtraceFeature, threadsFeature}, order: anyCPU(0),
			says: "build it with an SDK that has them"},
		"php-fpm": {features: []string{threadsFeature}, order: anyCPU(0), untraced: "it has a slow log",
			says: "it has a slow log"},
		"no such": {order: ProfileOrder{Kind: protocol.ProfileCPU, Slot: 7},
			says: "pool app has no worker 7 now; it has 1, from 0"},
		"too long": {order: anyCPU(protocol.MaxProfileTime + 1), says: "a profile lasts at most 5m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := Settings{Name: "app", Workers: 1, Untraced: c.untraced}
				p, f := newFakePool(t, set, always(func(w *fakeWorker) {
					w.features = c.features
					serve(1, generationWorker)(w)
				}))
				defer p.Stop(context.Background())
				ready()
				_, err := p.Profile(context.Background(), c.order)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Error(err)
				}
				if len(f.process(1).usr2) > 0 {
					t.Error("it got the signal")
				}
			})
		})
	}
}

func TestCallsOfABacktraceAreKnownByTheirFunction(t *testing.T) {
	for line, want := range map[string]string{
		"#0 /app/a.php:12 in App\\A->run()":               "App\\A->run",
		"#4 [internal function] in array_map()":           "array_map",
		"#1 /my in files/a.php:3 in {main}":               "{main} (/my in files/a.php)",
		"#1 /app/a.php:3 in App\\{closure}()":             "App\\{closure} (/app/a.php)",
		"#1 /app/a.php:3 in {closure:App\\A::run():12}()": "{closure:App\\A::run():12} (/app/a.php)",
		"#0 [internal function] in {closure}()":           "{closure} ([internal function])",
		"  File \"app.py\", line 3, in run":               `File "app.py", line 3, in run`,
		"":                                                "",
		"#":                                               "#",
		"#0 /app/a.php:12 in a;b()":                       "a;b",
	} {
		if got := callOf(line); got != want {
			t.Errorf("%q is known by %q, not %q", line, got, want)
		}
	}
	if got := fold("#0 /a.php:1 in a;b()\n\n#1 /a.php:2 in c()"); got != "c;a:b" {
		t.Error(got)
	}
	if got := fold(""); got != "(nowhere)" {
		t.Error(got)
	}
}
