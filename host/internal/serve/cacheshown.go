// cacheshown.go: what is stored of the answers of routes, for whoever asks over control, and what they have forgotten.

package serve

import (
	"maps"
	"slices"

	"github.com/workerhost/workerhost/host/internal/control"
)

// CacheStatus implements [control.CacheHost].
func (h *host) CacheStatus() control.CacheStatus {
	now := h.setup.Load()
	st := control.CacheStatus{Routes: []control.CacheRoute{}, Requests: map[string]uint64{}}
	if now.cache == nil {
		return st
	}
	kept := now.cache.Kept()
	for _, r := range now.config.Routes {
		p := byName(now.pools, r.Pool)
		if !r.Caches() || p == nil {
			continue
		}
		n := kept[[2]string{p.name, r.Name}]
		st.Routes = append(st.Routes, control.CacheRoute{Route: r.Name, Pool: p.name,
			Realm: now.shown(now.nameOf(p.realm)), Answers: n.Answers, Bytes: n.Bytes})
	}
	for _, n := range kept {
		st.Answers += n.Answers
	}
	n := now.cache.Counts()
	st.Bytes, st.Size, st.Requests = n.Bytes, now.cache.Size(), n.Requests
	st.Stored, st.Validated, st.Purged = n.Stored, n.Validated, n.Purged
	return st
}

// Cached implements [control.CacheHost].
func (h *host) Cached(realm, url string) (all control.CachedAnswers, err error) {
	now := h.setup.Load()
	if _, err := now.realmsNamed(realm); err != nil {
		return all, err
	}
	all.Answers = []control.CachedAnswer{}
	if now.cache == nil {
		return all, nil
	}
	stored, more := now.cache.Show(realm, url)
	for _, s := range stored {
		all.Answers = append(all.Answers, control.CachedAnswer{URL: s.URL, Route: s.Route, Pool: s.Pool,
			Realm: now.shown(s.Realm), Status: s.Status, Refused: s.Refused, Since: control.Seconds(s.Since),
			Fresh: control.Seconds(s.Left), Bytes: s.Bytes, Hits: s.Hits, Generation: s.Generation, Tags: s.Tags,
			Vary: s.Vary})
	}
	all.More = more
	return all, nil
}

// PurgeCache implements [control.CacheHost].
func (h *host) PurgeCache(o control.CachePurge) (done control.CachePurged, err error) {
	now := h.setup.Load()
	names, err := now.realmsNamed(o.Realm)
	if err != nil {
		return done, err
	}
	for _, name := range names {
		if now.cache != nil {
			done.Answers += now.cache.Purge(name, o.Act())
		} else if h.cluster != nil {
			h.cluster.Purge(name, o.Act())
		}
	}
	return done, nil
}

// realmsNamed are the names of a realm, or, for "", of all.
func (s *setup) realmsNamed(name string) ([]string, error) {
	all := slices.Sorted(maps.Keys(s.realms))
	switch {
	case name == "":
		return all, nil
	case !slices.Contains(all, name):
		return nil, &control.Unknown{What: "realm", Name: name, Known: all}
	}
	return []string{name}, nil
}
