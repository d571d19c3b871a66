// cache.go has the answers that are stored before pools.

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/workerhost/workerhost/host/internal/cache"
)

var (
	cacheRequests = describe("cache_requests_total", "Requests of routes with a cache, by how they were answered: "+
		"hit, stale, miss, waited (for another one's miss) or bypass.", "how")
	cacheStored    = describe("cache_stored_total", "Answers that were stored.")
	cacheValidated = describe("cache_validated_total", "Of those the ones that a pool found to be as they were.")
	cachePurged    = describe("cache_purged_total", "Answers that were dropped before their time.")
	cacheAnswers   = describe("cache_answers", "Answers that are stored, about.")
	cacheBytes     = describe("cache_bytes", "Memory that they take, about.")
)

func collectCache(to chan<- prometheus.Metric, n *cache.Counts) {
	for how, count := range n.Requests {
		counter(to, cacheRequests, count, how)
	}
	counter(to, cacheStored, n.Stored)
	counter(to, cacheValidated, n.Validated)
	counter(to, cachePurged, n.Purged)
	gauge(to, cacheAnswers, n.Answers)
	gauge(to, cacheBytes, n.Bytes)
}
