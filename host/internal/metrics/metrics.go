// Package metrics shows a host to Prometheus. It counts nothing itself: at each scrape it asks the pools and the
// listeners for what they have counted, so that a request pays for an atomic or two and no label is built on its way.
package metrics

import (
	"iter"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/workerhost/workerhost/host/internal/cache"
	"github.com/workerhost/workerhost/host/internal/cron"
	"github.com/workerhost/workerhost/host/internal/dial"
	"github.com/workerhost/workerhost/host/internal/fetch"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/service"
	"github.com/workerhost/workerhost/host/internal/store"
	"github.com/workerhost/workerhost/host/internal/tasks"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers"
)

// Pool is what is asked of a pool; *workers.Pool has it. Both methods can be called at any time.
type Pool interface {
	Name() string
	Status() workers.Status
	Metrics() workers.Metrics
}

// Trial is a pool that stands beside that of its name, for a canary.
type Trial struct {
	Pool
	Role string // "candidate" or "control"
}

// Listener is what is asked of a listener; *listen.Server has it.
type Listener interface {
	Address() string
	Connections() int
	Refused() map[string]uint64
	StaticFiles() uint64
	Routed() iter.Seq2[string, uint64]
	CertificateEnd() time.Time // zero without TLS
}

// Source is the host. Its functions are called at each scrape.
type Source struct {
	Version   string
	Pools     func() []Pool
	Trials    func() []Trial           // the pools of a canary under way
	Canaries  func() map[string]uint64 // that are over, by how
	Listeners func() []Listener
	LongLived func() []hub.Tally // long-lived connections
	// Certificates are those that the host gets by itself, by name, and when each ends; zero is one that is not there.
	Certificates func() iter.Seq2[string, time.Time]
	// AccessLogLost is how many lines are missing from the access log.
	AccessLogLost  func() uint64
	Spans          func() (sent, dropped uint64)
	Fetches        func() iter.Seq2[string, fetch.Counts] // of pools that may fetch, by their names
	Dials          func() iter.Seq2[string, dial.Counts]  // of realms that have dialed, by their names
	Stores         func() iter.Seq2[string, store.Counts] // of realms whose workers have asked, by their names
	Cache          func() (n cache.Counts, is bool)       // of all routes that store answers; is: there are any
	Channels       func() iter.Seq2[string, Channels]     // of realms that have any; it must not wait for long
	Services       func() iter.Seq2[string, service.Status]
	Cron           func() []cron.Status
	Tasks          func() []tasks.Status // of all queues; it must not wait for long
	ConfigFailures func() uint64         // reloads whose configuration could not be applied
	Upgrades       func() Upgrades
}

// Upgrades are those of the host, one process after the other.
type Upgrades struct {
	Count  int           // that led to this process
	Moved  uint64        // long-lived connections that have gone over, at all of them together
	Paused time.Duration // for which these were not served, likewise
	Guests int           // that go through an old process now
}

// Handler answers scrapes, with the metrics of the Go runtime and of the process beside ours.
func Handler(s Source) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{s}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// collector implements prometheus.Collector. It is unchecked (it describes nothing), since pools come and go.
type collector struct{ source Source }

// Describe implements prometheus.Collector.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("workerhost_"+name, help, labels, nil)
}

// The metrics. Names are promised: they are added to, and never change their meaning.
var (
	buildInfo  = describe("build_info", "1, with what runs as labels.", "version", "go")
	accessLost = describe("access_log_lines_lost_total",
		"Lines missing from the access log, whichever file that was.")
	spansSent = describe("trace_spans_sent_total", "Spans that the collector has taken.")
	spansLost = describe("trace_spans_dropped_total", "Spans that are missing there: the collector was away, or more "+
		"came than could be sent.")
	connections = describe("connections", "Client connections that are open.", "listener")

	certificate = describe("certificate_end_timestamp_seconds",
		"When the certificate that clients are shown, or one of its chain, expires, in Unix time.", "listener")

	managed = describe("managed_certificate_end_timestamp_seconds",
		"When a certificate expires that the host gets by itself, in Unix time; 0 if there is none yet.", "name")

	refusals = describe("refusals_total",
		"Requests and connections that the listener answered by itself, since no worker was to hear of them, by why.",
		"listener", "reason")
	routed      = describe("routed_requests_total", "Requests that a [[route]] has taken.", "listener", "route")
	staticFiles = describe("static_files_total", "Requests that a file of the public folder was the answer to.",
		"listener")

	configFails = describe("config_failures_total", "Reloads that found a configuration, or a listener's "+
		"certificate or public folder, which can't be applied.")

	upgrades     = describe("upgrades_total", "Upgrades of the host that led to this process.")
	upgradeMoved = describe("upgrade_connections_total", "Long-lived connections that went over to the next process "+
		"at these upgrades.")
	upgradePause  = describe("upgrade_pause_seconds_total", "Time that these upgrades paused them.")
	upgradeGuests = describe("upgrade_guests", "Connections that still go through the process before, or one before "+
		"that.")

	canaries      = describe("canaries_total", "Canaries that are over: promoted, turned_back or aborted.", "outcome")
	canaryWorkers = describe("canary_workers", "Workers by state of the canary under way: of new code, the "+
		"candidate, and fresh ones of the old code, the control.", "pool", "canary", "state")
	canaryMemory = describe("canary_memory_bytes", "Resident memory of these workers together.", "pool", "canary")

	queueLength = describe("queue_length", "Requests that wait for a worker.", "pool")
	queueWait   = describe("queue_wait_seconds", "Time that requests waited for a worker.", "pool")
	bytesIn     = describe("request_body_bytes_total", "Bytes of request bodies sent to workers.", "pool")
	bytesOut    = describe("response_body_bytes_total", "Bytes of response bodies from workers; files that the "+
		"host sends are not among them.", "pool")
	inflight  = describe("inflight_requests", "Requests that workers have.", "pool")
	workersBy = describe("workers", "Workers by state; a slot without a worker is backing-off, or starting while it "+
		"waits for the first one.", "pool", "state")
	fewest = describe("pool_workers_min", "Fewest workers that the pool is meant to have.", "pool")
	most   = describe("pool_workers_max",
		"Most workers that the pool may have; the same where their number is fixed.", "pool")
	memory = describe("pool_memory_bytes",
		"Resident memory of the workers together; pages that they share count for each.", "pool")
	memoryOf = describe("worker_memory_bytes", "Resident memory of the worker that holds the slot.", "pool",
		"slot", "generation")
	inflightOf = describe("worker_inflight_requests", "Requests and events that the worker that holds the slot has.",
		"pool", "slot", "generation")
	generation   = describe("pool_generation", "Generation that the pool is meant to run.", "pool")
	reloading    = describe("pool_reloading", "1 while a reload is under way.", "pool")
	eventWait    = describe("event_wait_seconds", "Time that events waited for a worker.", "pool")
	eventsQueued = describe("events_waiting", "Events of connections that wait for a worker.", "pool")
	reloads      = describe("reload_seconds", "Duration of the reloads that completed.", "pool")
	logDropped   = describe("log_lines_dropped_total", "Lines missing from the log, being more than log_rate.", "pool")
	failedReload = describe("reload_failures_total", "Reloads that failed, the old code serving on.", "pool")

	fetching = describe("fetches", "Requests that the host makes for workers at the moment.", "pool")
	fetched  = describe("fetches_total", "Those that are over, by how they ended: complete, left (the client), broke "+
		"(the other end), timeout, limit, refused (led to where it must not).", "pool", "end")
	dialsOpen  = describe("dials", "Connections that the host has made, and that stand.", "realm")
	dialTries  = describe("dial_tries_total", "Tries to make one.", "realm")
	storeCalls = describe("store_calls_total", "Calls of workers for a declared store, for the others, or, with "+
		"store empty, for a lock, by method and outcome: done, or the code of the error.", "realm", "store",
		"method", "outcome")
	boundLocks = describe("locks_held", "Locks of workers that end with them.", "realm")

	dialFailures = describe("dial_failures_total", "Those of the tries that have failed.", "realm")
	unfetched    = describe("fetches_refused_total", "Those that never began, by why: not allowed, malformed, crowd.",
		"pool", "reason")
	fetchedBytes = describe("fetch_body_bytes_total", "Bytes of bodies that came.", "pool")
	fetchHead    = describe("fetch_head_seconds", "Time from such a request to the head of its answer.", "pool")
	untold       = describe("fetched_waiting", "FETCHED that no worker has had yet.", "pool")

	// of the latest generations, and of those that still have workers
	responses = describe("responses_total", "Response heads from workers, by the first digit of their status.", "pool",
		"generation", "class")
	failures = describe("failures_total", "Requests without a whole response from a worker, by why; without a "+
		"generation if no worker had them.", "pool", "generation", "reason")
	retries = describe("retries_total", "Safe requests that were tried once more after their worker died.",
		"pool", "generation")
	moves = describe("moves_total", "Requests given to another worker, since theirs had not begun them.",
		"pool", "generation")
	blocks = describe("worker_blocked_total", "Times that one of several requests of a worker has held up the others.",
		"pool", "generation")
	serviceTime = describe("service_seconds", "Time that workers had requests, until all code for them had run.",
		"pool", "generation")
	routeService = describe("route_service_seconds", "The same by route, as measure of the pool has them.", "pool",
		"generation", "route")
	restarts = describe("worker_restarts_total", "Workers that another one took the place of, other than by a "+
		"reload, by why.", "pool", "generation", "reason")
	boots  = describe("worker_boot_seconds", "Time from a worker's start to its READY.", "pool", "generation")
	events = describe("events_total", "Events of connections that workers have handled.", "pool", "generation",
		"event")
	eventRetries = describe("event_retries_total", "Events that were delivered once more after their worker died, "+
		"or was cut off at the drain deadline.", "pool", "generation", "event")
	eventFails = describe("event_failures_total", "Events that were given up, by why; reset by worker is a "+
		"handler that failed.", "pool", "generation", "event", "reason")
	eventService = describe("event_service_seconds", "Time that workers had events, until all code for them had run.",
		"pool", "generation")
)

var classNames = [...]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}

// states are shown even where no worker is in them, so that a graph begins at 0.
var states = [...]workers.State{workers.Starting, workers.Idle, workers.Busy, workers.Draining,
	workers.Parked, workers.BackingOff}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	gauge(to, buildInfo, 1, c.source.Version, runtime.Version())
	counter(to, configFails, c.source.ConfigFailures())
	u := c.source.Upgrades()
	counter(to, upgrades, uint64(u.Count))
	counter(to, upgradeMoved, u.Moved)
	to <- prometheus.MustNewConstMetric(upgradePause, prometheus.CounterValue, u.Paused.Seconds())
	gauge(to, upgradeGuests, u.Guests)
	for _, l := range c.source.Listeners() {
		gauge(to, connections, l.Connections(), l.Address())
		counter(to, staticFiles, l.StaticFiles(), l.Address())
		if end := l.CertificateEnd(); !end.IsZero() {
			gauge(to, certificate, end.Unix(), l.Address())
		}
		for route, n := range l.Routed() {
			counter(to, routed, n, l.Address(), route)
		}
		for why, n := range l.Refused() {
			counter(to, refusals, n, l.Address(), why)
		}
	}
	for name, end := range c.source.Certificates() {
		if end.IsZero() {
			end = time.Unix(0, 0)
		}
		gauge(to, managed, end.Unix(), name)
	}
	counter(to, accessLost, c.source.AccessLogLost())
	sent, dropped := c.source.Spans()
	counter(to, spansSent, sent)
	counter(to, spansLost, dropped)
	for _, l := range c.source.LongLived() {
		collectLongLived(to, &l)
	}
	for _, p := range c.source.Pools() {
		collectPool(to, p.Name(), p.Metrics())
		collectStatus(to, p.Name(), p.Status())
	}
	for pool, n := range c.source.Fetches() {
		collectFetches(to, pool, n)
	}
	for realm, n := range c.source.Dials() {
		gauge(to, dialsOpen, n.Standing, realm)
		counter(to, dialTries, n.Tries, realm)
		counter(to, dialFailures, n.Failed, realm)
	}
	if n, is := c.source.Cache(); is {
		collectCache(to, &n)
	}
	for realm, n := range c.source.Stores() {
		gauge(to, boundLocks, n.Bound, realm)
		for of, count := range n.Calls {
			counter(to, storeCalls, count, realm, of.Store, of.Method, of.Outcome)
		}
	}
	for realm, n := range c.source.Channels() {
		collectChannels(to, realm, &n)
	}
	collectPrograms(to, &c.source)
	for _, s := range c.source.Tasks() {
		collectQueue(to, &s)
	}
	c.collectTrials(to)
}

func collectFetches(to chan<- prometheus.Metric, pool string, n fetch.Counts) {
	gauge(to, fetching, n.Under, pool)
	gauge(to, untold, n.Untold, pool)
	counter(to, fetchedBytes, n.Bytes, pool)
	for end, count := range n.Ends {
		counter(to, fetched, count, pool, end)
	}
	for why, count := range n.Refused {
		counter(to, unfetched, count, pool, why)
	}
	to <- prometheus.MustNewConstSummary(fetchHead, n.Heads, n.Waited.Seconds(), nil, pool)
}

// collectTrials shows canaries as generations of their pools, and their workers under names of their own: they are
// none of those that the pool is meant to have.
func (c *collector) collectTrials(to chan<- prometheus.Metric) {
	for outcome, n := range c.source.Canaries() {
		counter(to, canaries, n, outcome)
	}
	for _, p := range c.source.Trials() {
		for _, g := range p.Metrics().Generations {
			collectGeneration(to, g, p.Name(), strconv.FormatUint(g.Generation, 10))
		}
		count, resident := map[workers.State]int{}, int64(0)
		for _, w := range p.Status().Workers {
			count[w.State]++
			resident += w.Memory
		}
		for _, s := range states {
			if s != workers.Parked { // these never are
				gauge(to, canaryWorkers, count[s], p.Name(), p.Role, s.String())
			}
		}
		gauge(to, canaryMemory, resident, p.Name(), p.Role)
	}
}

func collectPool(to chan<- prometheus.Metric, pool string, m workers.Metrics) {
	counter(to, bytesIn, m.BytesIn, pool)
	counter(to, bytesOut, m.BytesOut, pool)
	counter(to, failedReload, m.FailedReloads, pool)
	counter(to, logDropped, m.LogDropped, pool)
	durations(to, queueWait, m.Wait, pool)
	durations(to, eventWait, m.EventWait, pool)
	durations(to, reloads, m.Reloads, pool)
	collectFailures(to, m.Unserved, unservedReasons, pool, "")
	for _, c := range m.Generations {
		collectGeneration(to, c, pool, strconv.FormatUint(c.Generation, 10))
	}
}

// unservedReasons and servedReasons are there from the start, so that the first of them is a rise that an alert sees.
var (
	unservedReasons = []protocol.FailureKind{protocol.FailedQueueFull, protocol.FailedQueueTimeout,
		protocol.FailedStopping, protocol.FailedNoWorker, protocol.FailedCancelled}
	servedReasons = []protocol.FailureKind{
		protocol.FailedTimeout, protocol.FailedDied, protocol.FailedBroken, protocol.FailedReset,
		protocol.FailedDrained, protocol.FailedCancelled, protocol.FailedAborted,
	}
)

// collectFailures shows an empty generation as none.
func collectFailures(to chan<- prometheus.Metric, c workers.Counts, usual []protocol.FailureKind, pool,
	generation string) {
	for why, n := range c.Failures {
		if n > 0 || slices.ContainsFunc(usual, func(k protocol.FailureKind) bool { return k.String() == why }) {
			counter(to, failures, n, pool, generation, why)
		}
	}
	for kind, e := range c.Events {
		for why, n := range e.Failures {
			counter(to, eventFails, n, pool, generation, kind, why)
		}
	}
}

func collectGeneration(to chan<- prometheus.Metric, c workers.Counts, pool, generation string) {
	for class, n := range c.Classes {
		if n > 0 || class == 2 || class == 5 { // the two that alerts are made of are there from the start
			counter(to, responses, n, pool, generation, classNames[class])
		}
	}
	collectFailures(to, c, servedReasons, pool, generation)
	for why, n := range c.Restarts {
		counter(to, restarts, n, pool, generation, why)
	}
	counter(to, retries, c.Retries, pool, generation)
	counter(to, moves, c.Moves, pool, generation)
	counter(to, blocks, c.Blocks, pool, generation)
	for kind, e := range c.Events {
		counter(to, events, e.Done, pool, generation, kind)
		counter(to, eventRetries, e.Retries, pool, generation, kind)
	}
	durations(to, serviceTime, c.Service, pool, generation)
	durations(to, boots, c.Boots, pool, generation)
	durations(to, eventService, c.EventService, pool, generation)
	for _, r := range c.Routes {
		durations(to, routeService, r.Service, pool, generation, r.Name)
	}
}

func collectStatus(to chan<- prometheus.Metric, pool string, st workers.Status) {
	count := map[workers.State]int{}
	requests, resident, slot := 0, int64(0), -1
	for _, w := range st.Workers {
		if w.Slot != slot && w.PID != 0 && w.State != workers.Parked { // the first is the one that holds the slot
			slot, generation := strconv.Itoa(w.Slot), strconv.FormatUint(w.Generation, 10)
			gauge(to, memoryOf, w.Memory, pool, slot, generation)
			gauge(to, inflightOf, w.Inflight, pool, slot, generation)
		}
		slot = w.Slot
		count[w.State]++
		requests += w.Inflight
		resident += w.Memory
	}
	for _, s := range states {
		gauge(to, workersBy, count[s], pool, s.String())
	}
	under := 0
	if st.Reloading {
		under = 1
	}
	gauge(to, reloading, under, pool)
	gauge(to, fewest, st.MinWorkers, pool)
	gauge(to, most, st.MaxWorkers, pool)
	gauge(to, generation, st.Generation, pool)
	gauge(to, queueLength, st.Queued, pool)
	gauge(to, eventsQueued, st.Waiting, pool)
	gauge(to, inflight, requests, pool)
	gauge(to, memory, resident, pool)
}

func gauge[N int | int64 | uint64](to chan<- prometheus.Metric, d *prometheus.Desc, n N, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func counter(to chan<- prometheus.Metric, d *prometheus.Desc, n uint64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func durations(to chan<- prometheus.Metric, d *prometheus.Desc, h workers.Histogram, labels ...string) {
	buckets := make(map[float64]uint64, len(workers.Bounds))
	for i, bound := range workers.Bounds {
		buckets[bound.Seconds()] = h.Cumulative[i]
	}
	to <- prometheus.MustNewConstHistogram(d, h.Count(), h.Sum.Seconds(), buckets, labels...)
}
