// purge.go: dropping what is stored before its time: by tags that answers have, by URL, or all.

package cache

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// Purge says what is to be dropped.
type Purge struct {
	Tags []string // of answers' Cache-Tag, Surrogate-Key or Xkey
	// URLs are whole ones, "https://example.org/a?b", or paths under any name, "/a?b"; with "*" at its end all that
	// begin so.
	URLs []string
	All  bool
}

// place is a route before a pool, as keys have it.
type place struct{ realm, strip string }

// Purge drops what is stored in a realm, and has what is under way for it not be stored. It returns how many answers
// there were; URLs whose answers vary count once.
func (s *Store) Purge(realm string, p Purge) (dropped int) {
	s.spoil(func(f *flight) bool { return f.room.Realm == realm })
	s.mu.Lock()
	var tagged []*entry
	for _, tag := range p.Tags {
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
	if p.All || len(p.URLs) > 0 {
		dropped += s.purgeKeys(realm, p)
	}
	s.counts.purged.Add(uint64(dropped))
	return dropped
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
func (s *Store) purgeKeys(realm string, p Purge) (dropped int) {
	var urls []string
	for _, url := range p.URLs {
		urls = append(urls, canonicalURL(url))
	}
	s.mu.Lock()
	places := make(map[string]place, len(s.places))
	for key, of := range s.places {
		places[key] = of
	}
	s.mu.Unlock()
	for key := range s.slots.Keys() {
		of, url := splitKey(key)
		where := places[of]
		if where.realm != realm || !p.All && !meant(urls, where.strip, url) {
			continue
		}
		if in, was := s.slots.Invalidate(key); was && (in.entry != nil || in.vary != nil) {
			dropped++
		}
	}
	return dropped
}

// splitKey is the place, "pool\nroute", and the URL of a key.
func splitKey(key string) (of, url string) {
	if i := strings.IndexByte(key, 0); i >= 0 {
		key = key[:i]
	}
	i := strings.LastIndexByte(key, '\n')
	return key[:max(i, 0)], key[i+1:]
}

// meant says whether a stored URL is one of those. strip is what was taken away of its path.
func meant(urls []string, strip, stored string) bool {
	scheme, rest, _ := strings.Cut(stored, "://")
	host, path, _ := strings.Cut(rest, "/")
	path = strip + "/" + path
	for _, url := range urls {
		got := path
		if !strings.HasPrefix(url, "/") {
			got = scheme + "://" + host + path
		}
		if above, all := strings.CutSuffix(url, "*"); got == url || all && strings.HasPrefix(got, above) {
			return true
		}
	}
	return false
}

// canonicalURL is a URL with its path in its one spelling, and its host in small letters.
func canonicalURL(url string) string {
	name, path := "", url
	if scheme, rest, is := strings.Cut(url, "://"); is {
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

// CheckURL says what is wrong with a URL of a [Purge].
func CheckURL(url string) error {
	if strings.HasPrefix(url, "/") || strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") {
		return nil
	}
	return fmt.Errorf("%q is no URL to purge: write \"https://example.org/path\", or \"/path\" for all names; with "+
		"\"*\" at its end all that begin so", url)
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
	what := Purge{URLs: []string{"http://" + q.Host + target, "https://" + q.Host + target}}
	if tags := tagsOf(q.Headers); len(tags) > 0 {
		what = Purge{Tags: tags}
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
