// purge.go: dropping what is stored before its time: by tags that answers have, by URL, or all.

package cache

import (
	"maps"
	"net/netip"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// place is a route before a pool, as keys have it.
type place struct{ realm, strip string }

// whole is a stored URL as the client has asked for it.
func (p place) whole(stored string) string {
	if p.strip == "" {
		return stored
	}
	i := nameEnd(stored)
	return stored[:i] + p.strip + stored[i:]
}

// nameEnd is where the path of a URL begins.
func nameEnd(url string) int {
	scheme, rest, _ := strings.Cut(url, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return len(scheme) + len("://") + i
	}
	return len(url)
}

// Purge drops what is stored in a realm, and has what is under way for it not be stored; other hosts are told. It
// returns how many answers there were here.
func (s *Store) Purge(realm string, what *protocol.Purge) (dropped int) {
	s.tell(realm, what)
	return s.purge(realm, what)
}

// tell tells the other hosts, if there are any.
func (s *Store) tell(realm string, what *protocol.Purge) {
	if s.Tell != nil {
		s.Tell(realm, what)
	}
}

func (s *Store) purge(realm string, what *protocol.Purge) (dropped int) {
	some := wantedOf(what.URLs)
	s.mu.Lock()
	for f := range s.under {
		if f.room.Realm == realm {
			f.outdate(what, some)
		}
	}
	var tagged []*entry
	for _, tag := range what.Tags {
		for e := range s.tags[realm+"\n"+tag] {
			tagged = append(tagged, e)
		}
	}
	s.mu.Unlock()
	for _, e := range tagged {
		if s.drop(e) {
			dropped++
		}
	}
	if what.All || len(what.URLs) > 0 {
		dropped += s.purgeKeys(realm, what.All, some)
	}
	s.counts.purged.Add(uint64(dropped))
	return dropped
}

// mostPurged is how many tags are noted for a flight; with more nothing of it is stored.
const mostPurged = 4096

// outdate has what was begun before a purge not be stored if it is what that names, and has nobody join it who asks
// after that. some are the purge's URLs. It is called with the store's mu held.
func (f *flight) outdate(what *protocol.Purge, some *wanted) {
	_, url := splitKey(f.primary)
	named := what.All || some.has(place{strip: f.room.Strip}, url)
	if !named && len(what.Tags) == 0 {
		return
	}
	f.unlist()
	if f.spoiled = f.spoiled || named || len(f.purged)+len(what.Tags) > mostPurged; f.spoiled {
		f.purged = nil
	} else {
		f.purged = append(f.purged, what.Tags...)
	}
}

// spoil has what comes of some flights not be stored.
func (s *Store) spoil(which func(f *flight) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.under {
		if which(f) {
			f.spoiled = true
			f.unlist()
		}
	}
}

// purgeKeys goes through all that there is: what is purged by URL may be under several routes, names and schemes.
func (s *Store) purgeKeys(realm string, all bool, some *wanted) (dropped int) {
	places := s.wheres()
	for key := range s.slots.Keys() {
		of, url := splitKey(key)
		where := places[of]
		if where.realm != realm || !all && !some.has(where, url) {
			continue
		}
		if in, was := s.slots.Invalidate(key); was && in.entry != nil {
			dropped++
		}
	}
	return dropped
}

// wheres are the places of now.
func (s *Store) wheres() map[string]place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.places)
}

// splitKey is the place, "pool\nroute", and the URL of a key.
func splitKey(key string) (of, url string) {
	if i := strings.IndexByte(key, 0); i >= 0 {
		key = key[:i]
	}
	i := strings.LastIndexByte(key, '\n')
	return key[:max(i, 0)], key[i+1:]
}

// wanted are URLs as a PURGE has them.
type wanted struct {
	each   map[string]struct{}
	starts []string // of those with "*" at their end
}

func wantedOf(urls []string) *wanted {
	w := &wanted{each: map[string]struct{}{}}
	for _, url := range urls {
		if start, all := strings.CutSuffix(canonicalURL(url), "*"); all {
			w.starts = append(w.starts, start)
		} else {
			w.each[start] = struct{}{}
		}
	}
	return w
}

// has says whether a stored URL is one of them.
func (w *wanted) has(where place, stored string) bool {
	url := where.whole(stored)
	path := url[nameEnd(url):]
	for _, is := range [...]string{path, url} {
		if _, named := w.each[is]; named {
			return true
		}
		for _, start := range w.starts {
			if strings.HasPrefix(is, start) {
				return true
			}
		}
	}
	return false
}

// canonicalURL is a URL with its path in its one spelling, and its host in small letters.
func canonicalURL(url string) string {
	name, path := "", url
	if scheme, rest, is := strings.Cut(url, "://"); is && !strings.HasPrefix(url, "/") {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			rest, i = rest+"/", len(rest)
		}
		name, path = strings.ToLower(scheme+"://"+rest[:i]), rest[i:]
	}
	canonical, ok := protocol.CanonicalPath(path)
	if !ok {
		return url
	}
	if _, query, asks := strings.Cut(path, "?"); asks {
		canonical += "?" + query
	}
	return name + canonical
}

// purge answers a PURGE of a client, which no worker gets.
func (r *Room) purge(x *protocol.Exchange, q *protocol.Request) {
	if !within(r.PurgeFrom, q.Remote) {
		reply(x, 403, "PURGE is not for this address\n")
		return
	}
	target := r.Strip + q.Target
	if strings.EqualFold(value(q.Headers, "X-Purge-Method"), "regex") { // "/.*", as plugins made for Varnish send it
		target = strings.TrimSuffix(target, ".*") + "*"
	}
	what := &protocol.Purge{URLs: []string{"http://" + q.Host + target, "https://" + q.Host + target}}
	if tags := tagsOf(q.Headers); len(tags) > 0 {
		what = &protocol.Purge{Tags: tags}
	}
	n := r.store.Purge(r.Realm, what)
	if n == 0 {
		reply(x, 404, "nothing is stored of it\n")
		return
	}
	reply(x, 200, "purged\n")
}

func within(networks []netip.Prefix, remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, n := range networks {
		if n.Contains(at.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// reply answers in the pool's place.
func reply(x *protocol.Exchange, status int, text string) {
	d := &delivery{entry: &entry{}, sink: x.Sink, how: "purge", telling: true}
	x.Sink.Begin(d)
	x.Sink.Respond(&protocol.Response{Status: status, Flags: protocol.FlagEnd, Body: []byte(text),
		Headers: []string{"Content-Type", "text/plain; charset=utf-8", "Cache-Control", "no-store"}})
	d.tell()
}

// nobody is the ticket of what is answered already.
type nobody struct{}

// Cancel implements [protocol.Ticket].
func (nobody) Cancel(protocol.ResetCode) {}
