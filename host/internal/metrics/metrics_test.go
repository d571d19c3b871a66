package metrics

import (
	"iter"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/cache"
	"github.com/workerhost/workerhost/host/internal/channel"
	"github.com/workerhost/workerhost/host/internal/cron"
	"github.com/workerhost/workerhost/host/internal/dial"
	"github.com/workerhost/workerhost/host/internal/fetch"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/service"
	"github.com/workerhost/workerhost/host/internal/store"
	"github.com/workerhost/workerhost/host/internal/tasks"
	"github.com/workerhost/workerhost/workers"
)

type fakePool struct{}

func (fakePool) Name() string { return "app" }

func (fakePool) Status() workers.Status {
	return workers.Status{Generation: 7, Queued: 3, Waiting: 8, MinWorkers: 2, MaxWorkers: 9, Reloading: true,
		Workers: []workers.WorkerStatus{
			{PID: 1, State: workers.Idle, Memory: 1000, Generation: 7},
			{PID: 2, Slot: 1, State: workers.Busy, Inflight: 1, Memory: 2000, Generation: 7},
			{PID: 3, Slot: 1, State: workers.Draining, Memory: 4000, Generation: 7},
			{Slot: 2, State: workers.BackingOff, Generation: 7},
		}}
}

func (fakePool) Metrics() workers.Metrics {
	m := workers.Metrics{
		BytesIn: 11, BytesOut: 12, LogDropped: 13,
		Unserved: workers.Counts{Failures: map[string]uint64{"queue full": 2, "stopping": 0, "worker died": 0}},
		Generations: []workers.Counts{{Generation: 6}, {
			Generation: 7, Failures: map[string]uint64{"worker died": 2, "queue full": 0, "request timeout": 0},
			Restarts: map[string]uint64{"exited": 4}, Retries: 5,
			Events: map[string]workers.EventCounts{
				"message": {Done: 20, Retries: 21, Failures: map[string]uint64{"worker died": 22}}},
			Routes: []workers.Route{{Name: "/api/*"}, {Name: workers.OtherRoutes}},
		}},
	}
	m.Generations[1].Classes[4] = 9
	for i := range m.Wait.Cumulative { // one duration, in the first bucket
		m.Wait.Cumulative[i] = 1
	}
	m.Wait.Sum = 250 * time.Microsecond
	return m
}

type fakeTrial struct{ fakePool }

func (fakeTrial) Metrics() workers.Metrics {
	return workers.Metrics{Generations: []workers.Counts{{Generation: 8}}}
}

type fakeListener struct{}

func (fakeListener) Address() string  { return "127.0.0.1:80" }
func (fakeListener) Connections() int { return 42 }
func (fakeListener) Refused() map[string]uint64 {
	return map[string]uint64{"rate limit": 3}
}
func (fakeListener) StaticFiles() uint64 { return 8 }
func (fakeListener) Routed() iter.Seq2[string, uint64] {
	return maps.All(map[string]uint64{"example.org/api/*": 15})
}
func (fakeListener) CertificateEnd() time.Time { return time.Unix(1_900_000_000, 0) }

func scrape(t *testing.T) string {
	t.Helper()
	h := Handler(Source{
		Version: "1.2.3", Pools: func() []Pool {
			return []Pool{fakePool{}}
		}, Listeners: func() []Listener { return []Listener{fakeListener{}} },
		Certificates: func() iter.Seq2[string, time.Time] {
			return maps.All(map[string]time.Time{"here.test": time.Unix(2000000000, 0), "missing.test": {}})
		},
		Trials:   func() []Trial { return []Trial{{fakeTrial{}, "candidate"}} },
		Canaries: func() map[string]uint64 { return nil },
		Dials: func() iter.Seq2[string, dial.Counts] {
			return maps.All(map[string]dial.Counts{"default": {Standing: 2, Tries: 5, Failed: 3}})
		},
		Cache: func() (cache.Counts, bool) {
			return cache.Counts{Requests: map[string]uint64{"hit": 7, "miss": 2}, Stored: 2, Bytes: 4096}, true
		},
		Stores: func() iter.Seq2[string, store.Counts] {
			return maps.All(map[string]store.Counts{"default": {Bound: 4, Calls: map[store.Call]uint64{
				{Store: "cache", Method: "store.get", Outcome: "done"}: 6}}})
		},
		Channels: func() iter.Seq2[string, Channels] {
			return maps.All(map[string]Channels{"default": {Known: true, Channels: 31, Messages: 32, Rooms: 33,
				Members: 34, Counts: channel.Counts{Kept: 35, Failed: 36, Recovered: 37, Returned: 38, Lost: 39}},
				"away": {}})
		},
		Fetches: func() iter.Seq2[string, fetch.Counts] {
			return maps.All(map[string]fetch.Counts{"app": {Under: 5, Untold: 6, Bytes: 7, Heads: 2,
				Waited: time.Second, Ends: map[string]uint64{"left": 8}, Refused: map[string]uint64{"crowd": 9}}})
		},
		Services: func() iter.Seq2[string, service.Status] {
			return maps.All(map[string]service.Status{"queue": {State: service.Running, Restarts: 3, Memory: 4096}})
		},
		Cron: func() []cron.Status {
			return []cron.Status{{Entry: cron.Entry{Name: "nightly"}, Running: 1,
				History: []cron.Result{{Began: time.Unix(1000, 0), Took: time.Minute}, {Error: "exit status 1"}},
				Counts:  cron.Counts{Runs: 9, Failed: 2, Skipped: 3, Missed: 4}}}
		},
		Tasks: func() []tasks.Status {
			return []tasks.Status{{Queue: tasks.Queue{Name: "emails"}, Ready: 3, Later: 2, Failed: 1,
				Counts: tasks.Counts{Running: 4, Pushed: 9, Ends: map[string]uint64{"done": 5}}},
				{Queue: tasks.Queue{Name: "lost"}, Error: "no engine", Counts: tasks.Counts{Running: 6}}}
		},
		AccessLogLost:  func() uint64 { return 14 },
		Spans:          func() (sent, dropped uint64) { return 15, 16 },
		ConfigFailures: func() uint64 { return 13 },
		Upgrades: func() Upgrades {
			return Upgrades{Count: 2, Moved: 700, Paused: 80 * time.Millisecond, Guests: 9}
		},
		LongLived: func() []hub.Tally {
			return []hub.Tally{
				{Listener: ":80", Protocol: "websocket", Open: 3, Opened: 5, Closed: map[int]int64{1001: 2},
					MessagesIn: 6, MessagesOut: 7, BytesIn: 60, BytesOut: 70, Dropped: [3]int64{0, 8, 0}, Queued: 90},
				{Listener: ":53", Protocol: "udp", MessagesIn: 10, Lost: 4},
			}
		},
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
	if strings.Contains(page, `workerhost_tasks_waiting{queue="lost"}`) ||
		strings.Contains(page, `workerhost_channels{realm="away"}`) {
		t.Error("a number is shown that the engine did not say")
	}
	for _, line := range []string{
		`workerhost_locks_held{realm="default"} 4`,
		`workerhost_store_calls_total{method="store.get",outcome="done",realm="default",store="cache"} 6`,
		`workerhost_dials{realm="default"} 2`, `workerhost_dial_tries_total{realm="default"} 5`,
		`workerhost_dial_failures_total{realm="default"} 3`,
		`workerhost_channels{realm="default"} 31`, `workerhost_channel_messages{realm="default"} 32`,
		`workerhost_presence_groups{realm="default"} 33`, `workerhost_presence_members{realm="default"} 34`,
		`workerhost_channel_messages_kept_total{realm="default"} 35`, `workerhost_channel_failures_total{realm="default"} 36`,
		`workerhost_channel_messages_recovered_total{realm="default"} 37`,
		`workerhost_channel_returns_total{realm="default"} 38`, `workerhost_channel_losses_total{realm="default"} 39`,
		`workerhost_tasks_waiting{queue="emails"} 3`, `workerhost_tasks_delayed{queue="emails"} 2`,
		`workerhost_tasks_failed{queue="emails"} 1`, `workerhost_tasks_running{queue="emails"} 4`,
		`workerhost_tasks_pushed_total{queue="emails"} 9`,
		`workerhost_tasks_ends_total{end="done",queue="emails"} 5`, `workerhost_tasks_running{queue="lost"} 6`,
		`workerhost_service_up{service="queue"} 1`, `workerhost_service_restarts_total{service="queue"} 3`,
		`workerhost_service_memory_bytes{service="queue"} 4096`,
		`workerhost_cron_running{entry="nightly"} 1`, `workerhost_cron_runs_total{entry="nightly"} 9`,
		`workerhost_cron_failures_total{entry="nightly"} 2`,
		`workerhost_cron_left_out_total{entry="nightly",reason="overlap"} 3`,
		`workerhost_cron_left_out_total{entry="nightly",reason="missed"} 4`,
		`workerhost_cron_success_timestamp_seconds{entry="nightly"} 1060`,
		`workerhost_fetches{pool="app"} 5`, `workerhost_fetched_waiting{pool="app"} 6`,
		`workerhost_fetch_body_bytes_total{pool="app"} 7`, `workerhost_fetch_head_seconds_sum{pool="app"} 1`,
		`workerhost_fetches_total{end="left",pool="app"} 8`,
		`workerhost_fetches_refused_total{pool="app",reason="crowd"} 9`,
		`workerhost_connections{listener="127.0.0.1:80"} 42`,
		`workerhost_upgrades_total 2`,
		`workerhost_upgrade_connections_total 700`,
		`workerhost_upgrade_pause_seconds_total 0.08`,
		`workerhost_upgrade_guests 9`,
		`workerhost_certificate_end_timestamp_seconds{listener="127.0.0.1:80"} 1.9e+09`,
		`workerhost_managed_certificate_end_timestamp_seconds{name="here.test"} 2e+09`,
		`workerhost_managed_certificate_end_timestamp_seconds{name="missing.test"} 0`,
		`workerhost_refusals_total{listener="127.0.0.1:80",reason="rate limit"} 3`,
		`workerhost_static_files_total{listener="127.0.0.1:80"} 8`,
		`workerhost_cache_requests_total{how="hit"} 7`,
		`workerhost_cache_bytes 4096`,
		`workerhost_routed_requests_total{listener="127.0.0.1:80",route="example.org/api/*"} 15`,
		`workerhost_long_lived_connections{listener=":80",protocol="websocket"} 3`,
		`workerhost_long_lived_connections_opened_total{listener=":80",protocol="websocket"} 5`,
		`workerhost_long_lived_connections_closed_total{code="1001",listener=":80",protocol="websocket"} 2`,
		`workerhost_messages_received_total{listener=":80",protocol="websocket"} 6`,
		`workerhost_messages_sent_total{listener=":80",protocol="websocket"} 7`,
		`workerhost_message_bytes_received_total{listener=":80",protocol="websocket"} 60`,
		`workerhost_message_bytes_sent_total{listener=":80",protocol="websocket"} 70`,
		`workerhost_send_queue_bytes{listener=":80",protocol="websocket"} 90`,
		`workerhost_messages_dropped_total{listener=":80",policy="drop-oldest",protocol="websocket"} 8`,
		`workerhost_messages_received_total{listener=":53",protocol="udp"} 10`,
		`workerhost_datagrams_lost_total{listener=":53",protocol="udp"} 4`,
		`workerhost_responses_total{class="4xx",generation="7",pool="app"} 9`,
		`workerhost_responses_total{class="5xx",generation="6",pool="app"} 0`,
		`workerhost_config_failures_total 13`,
		`workerhost_failures_total{generation="",pool="app",reason="queue full"} 2`,
		`workerhost_failures_total{generation="",pool="app",reason="stopping"} 0`,
		`workerhost_failures_total{generation="7",pool="app",reason="worker died"} 2`,
		`workerhost_failures_total{generation="7",pool="app",reason="request timeout"} 0`,
		`workerhost_service_seconds_count{generation="7",pool="app"} 0`,
		`workerhost_route_service_seconds_count{generation="7",pool="app",route="/api/*"} 0`,
		`workerhost_route_service_seconds_count{generation="7",pool="app",route="other"} 0`,
		`workerhost_worker_memory_bytes{generation="7",pool="app",slot="0"} 1000`,
		`workerhost_worker_memory_bytes{generation="7",pool="app",slot="1"} 2000`,
		`workerhost_canary_workers{canary="candidate",pool="app",state="idle"} 1`,
		`workerhost_canary_workers{canary="candidate",pool="app",state="starting"} 0`,
		`workerhost_canary_memory_bytes{canary="candidate",pool="app"} 7000`,
		`workerhost_responses_total{class="5xx",generation="8",pool="app"} 0`,
		`workerhost_worker_restarts_total{generation="7",pool="app",reason="exited"} 4`,
		`workerhost_retries_total{generation="7",pool="app"} 5`,
		`workerhost_log_lines_dropped_total{pool="app"} 13`,
		`workerhost_access_log_lines_lost_total 14`,
		`workerhost_request_body_bytes_total{pool="app"} 11`,
		`workerhost_response_body_bytes_total{pool="app"} 12`,
		`workerhost_queue_length{pool="app"} 3`,
		`workerhost_events_waiting{pool="app"} 8`,
		`workerhost_events_total{event="message",generation="7",pool="app"} 20`,
		`workerhost_event_retries_total{event="message",generation="7",pool="app"} 21`,
		`workerhost_event_failures_total{event="message",generation="7",pool="app",reason="worker died"} 22`,
		`workerhost_event_wait_seconds_count{pool="app"} 0`,
		`workerhost_event_service_seconds_count{generation="7",pool="app"} 0`,
		`workerhost_queue_wait_seconds_bucket{pool="app",le="0.0005"} 1`,
		`workerhost_queue_wait_seconds_bucket{pool="app",le="+Inf"} 1`,
		`workerhost_queue_wait_seconds_sum{pool="app"} 0.00025`,
		`workerhost_workers{pool="app",state="backing-off"} 1`,
		`workerhost_workers{pool="app",state="draining"} 1`,
		`workerhost_workers{pool="app",state="starting"} 0`,
		`workerhost_pool_memory_bytes{pool="app"} 7000`,
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
	for _, line := range []string{`failures_total{generation="7",pool="app",reason="queue full"`,
		`failures_total{generation="",pool="app",reason="worker died"`} {
		if strings.Contains(page, line) { // it can't be, so it would be a series for nothing
			t.Errorf("there is a line %s", line)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}
