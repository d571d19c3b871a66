// cache.go: what is stored of the answers of routes, and what is to be forgotten.

package control

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/workerhost/workerhost/protocol"
)

// CacheHost is what the server asks of a host's cache.
type CacheHost interface {
	// CacheStatus is how the cache is. It is the caller's.
	CacheStatus() CacheStatus
	// Cached lists what is stored of a URL, or, with "*" at its end, of all that begin so, of a realm, or, for "", of
	// all. An unknown name is an [Unknown].
	Cached(realm, url string) (CachedAnswers, error)
	// PurgeCache forgets, on all hosts of the cluster. Errors are as in Cached.
	PurgeCache(o CachePurge) (CachePurged, error)
}

// CacheStatus is how the cache is; without routes that store their answers all is 0.
type CacheStatus struct {
	Routes    []CacheRoute      `json:"routes"`
	Answers   int               `json:"answers"` // that are stored
	Bytes     uint64            `json:"bytes"`   // that they take, about
	Size      uint64            `json:"size"`    // that they may take
	Requests  map[string]uint64 `json:"requests"`
	Stored    uint64            `json:"stored"`    // answers, since the start
	Validated uint64            `json:"validated"` // of those, that were found to be as they were
	Purged    uint64            `json:"purged"`    // of those, that were dropped before their time
}

// CacheRoute is a route that stores its answers.
type CacheRoute struct {
	Route   string `json:"route"`
	Pool    string `json:"pool"`
	Realm   string `json:"realm,omitempty"`
	Answers int    `json:"answers"`
	Bytes   uint64 `json:"bytes"`
}

// CachedAnswers are some of the answers that are stored.
type CachedAnswers struct {
	Answers []CachedAnswer `json:"answers"`
	More    int            `json:"more"` // that are not in the list
}

// CachedAnswer is one that is stored.
type CachedAnswer struct {
	URL        string   `json:"url"`
	Route      string   `json:"route"`
	Pool       string   `json:"pool"`
	Realm      string   `json:"realm,omitempty"`
	Status     int      `json:"status,omitempty"`
	Refused    bool     `json:"refused,omitempty"` // none is: what this URL answers may not be
	Since      float64  `json:"since_seconds"`     // it came
	Fresh      float64  `json:"fresh_seconds"`     // that are left; less than 0: it has been stale for so long
	Bytes      int      `json:"bytes"`             // of its body
	Hits       uint64   `json:"hits"`
	Generation uint64   `json:"generation,omitempty"` // of the code that has made it
	Tags       []string `json:"tags,omitempty"`
	Vary       []string `json:"vary,omitempty"` // fields of requests that get it
}

// CachePurge says what is to be forgotten.
type CachePurge struct {
	Tags  []string `json:"tags,omitempty"`
	URLs  []string `json:"urls,omitempty"`
	All   bool     `json:"all,omitempty"`
	Realm string   `json:"realm,omitempty"` // "": of all
}

// Act is the order as workers give it.
func (o *CachePurge) Act() *protocol.Purge {
	return &protocol.Purge{Tags: o.Tags, URLs: o.URLs, All: o.All}
}

// CachePurged is what came of it.
type CachePurged struct {
	Answers int `json:"answers"` // that this host had stored
}

// cacheRoutes are the requests to answer.
func (s *Server) cacheRoutes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /v1/cache": s.needs(MayStatus, func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusOK, s.host.CacheStatus())
		}),
		"GET /v1/cache/answers": s.needs(MayStatus, func(w http.ResponseWriter, r *http.Request) {
			query := r.URL.Query()
			o := CachePurge{URLs: []string{query.Get("url")}}
			if err := o.Act().Check(); err != nil {
				refuse(w, http.StatusBadRequest, err)
				return
			}
			all, err := s.host.Cached(query.Get("realm"), query.Get("url"))
			answer(w, all, err)
		}),
		"POST /v1/cache/purge": s.needs(MayCache, s.purgeCache),
	}
}

func (s *Server) purgeCache(w http.ResponseWriter, r *http.Request) {
	var o CachePurge
	if !readUpTo(w, r, &o, maxReload) {
		return
	}
	err := o.Act().Check()
	if err == nil && len(o.Tags)+len(o.URLs) == 0 && !o.All {
		err = errors.New(`tags, urls or all is needed: {"tags": ["front"]}`)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	done, err := s.host.PurgeCache(o)
	details := []any{"tags", o.Tags, "urls", o.URLs, "all", o.All}
	if o.Realm != "" {
		details = append(details, "realm", o.Realm)
	}
	s.audit(r, "cache purge", err, append(details, "answers", done.Answers)...)
	answer(w, done, err)
}

// CacheStatus asks how the cache is.
func (c *Client) CacheStatus(ctx context.Context) (st CacheStatus, err error) {
	return st, c.get(ctx, "/v1/cache", &st)
}

// Cached asks what is stored of a URL, of a realm, or, for "", of all.
func (c *Client) Cached(ctx context.Context, realm, of string) (all CachedAnswers, err error) {
	return all, c.get(ctx, "/v1/cache/answers?"+url.Values{"url": {of}, "realm": {realm}}.Encode(), &all)
}

// PurgeCache has what is stored be forgotten, on all hosts of the cluster.
func (c *Client) PurgeCache(ctx context.Context, o CachePurge) (done CachePurged, err error) {
	return done, c.post(ctx, "/v1/cache/purge", o, &done)
}
