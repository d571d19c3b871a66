package metrics

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/workers"
)

type fakePool struct{}

func (fakePool) Name() string { return "app" }

func (fakePool) Status() workers.Status {
	return workers.Status{Generation: 7, Queued: 3, Waiting: 8, MinWorkers: 2, MaxWorkers: 9, Reloading: true, Workers: []workers.WorkerStatus{
		{State: workers.Idle, Memory: 1000}, {State: workers.Busy, Inflight: 1, Memory: 2000}, {State: workers.BackingOff},
	}}
}

func (fakePool) Metrics() workers.Metrics {
	m := workers.Metrics{
		Answers: []workers.Answers{{Generation: 6}, {Generation: 7}}, Failures: map[string]uint64{"queue full": 2}, Restarts: map[string]uint64{"exited": 4},
		Retries: 5, BytesIn: 11, BytesOut: 12,
		Events: map[string]workers.EventCounts{"message": {Done: 20, Retries: 21, Failures: map[string]uint64{"worker died": 22}}},
	}
	m.Answers[1].Classes[4] = 9
	for i := range m.Wait.Cumulative { // one duration, in the first bucket
		m.Wait.Cumulative[i] = 1
	}
	m.Wait.Sum = 250 * time.Microsecond
	return m
}

type fakeListener struct{}

func (fakeListener) Address() string  { return "127.0.0.1:80" }
func (fakeListener) Connections() int { return 42 }
func (fakeListener) Refused() map[string]uint64 {
	return map[string]uint64{"rate limit": 3}
}
func (fakeListener) StaticFiles() uint64 { return 8 }

func scrape(t *testing.T) string {
	t.Helper()
	h := Handler(Source{
		Version: "1.2.3", Pools: func() []Pool { return []Pool{fakePool{}} }, Listeners: func() []Listener { return []Listener{fakeListener{}} },
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d\n%s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestAScrapeShowsWhatPoolsAndListenersCounted(t *testing.T) {
	page := scrape(t)
	for _, line := range []string{
		`workerhost_connections{listener="127.0.0.1:80"} 42`,
		`workerhost_refusals_total{listener="127.0.0.1:80",reason="rate limit"} 3`,
		`workerhost_static_files_total{listener="127.0.0.1:80"} 8`,
		`workerhost_responses_total{class="4xx",generation="7",pool="app"} 9`,
		`workerhost_responses_total{class="5xx",generation="6",pool="app"} 0`,
		`workerhost_failures_total{pool="app",reason="queue full"} 2`,
		`workerhost_worker_restarts_total{pool="app",reason="exited"} 4`,
		`workerhost_retries_total{pool="app"} 5`,
		`workerhost_request_body_bytes_total{pool="app"} 11`,
		`workerhost_response_body_bytes_total{pool="app"} 12`,
		`workerhost_queue_length{pool="app"} 3`,
		`workerhost_events_waiting{pool="app"} 8`,
		`workerhost_events_total{event="message",pool="app"} 20`,
		`workerhost_event_retries_total{event="message",pool="app"} 21`,
		`workerhost_event_failures_total{event="message",pool="app",reason="worker died"} 22`,
		`workerhost_event_wait_seconds_count{pool="app"} 0`,
		`workerhost_event_service_seconds_count{pool="app"} 0`,
		`workerhost_queue_wait_seconds_bucket{pool="app",le="0.0005"} 1`,
		`workerhost_queue_wait_seconds_bucket{pool="app",le="+Inf"} 1`,
		`workerhost_queue_wait_seconds_sum{pool="app"} 0.00025`,
		`workerhost_workers{pool="app",state="backing-off"} 1`,
		`workerhost_workers{pool="app",state="draining"} 0`,
		`workerhost_pool_memory_bytes{pool="app"} 3000`,
		`workerhost_pool_generation{pool="app"} 7`,
		`workerhost_pool_workers_min{pool="app"} 2`,
		`workerhost_pool_workers_max{pool="app"} 9`,
		`workerhost_pool_reloading{pool="app"} 1`,
		`workerhost_inflight_requests{pool="app"} 1`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestTheDashboardAsksForMetricsThatThereAre(t *testing.T) {
	data, err := os.ReadFile("../../../examples/grafana/workerhost.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	page := scrape(t)
	asked := 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			for _, name := range regexp.MustCompile(`\b(workerhost|process|go)_\w+`).FindAllString(target.Expr, -1) {
				asked++
				if !regexp.MustCompile(`(?m)^` + name + `[{ ]`).MatchString(page) {
					t.Errorf("panel %q asks for %s, which /metrics does not have", p.Title, name)
				}
			}
		}
	}
	if asked < 10 {
		t.Errorf("the dashboard asks for %d metrics", asked)
	}
}
