// flight.go: one request to the pool, for all that ask for the same meanwhile. The first of them hears its answer as
// it comes; the others wait until it is whole, so that no one's pace is another's, or until it is known not to be for
// them.

package cache

import (
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ask is what somebody asks the pool for.
type ask struct {
	key, primary string
	miss         string // why it is asked, as Cache-Status says
	stale        *entry // what there is; nil: nothing
	alone        bool   // what comes is for nobody else, unless it is stored
}

// flight implements [protocol.Sink], whose calls come one at a time.
type flight struct {
	ask
	room     *Room
	url      string
	exchange protocol.Exchange
	request  *protocol.Request // its own
	asked    asked             // what that is
	origin   *asker            // who asked first; nil: it is asked for in the background
	direct   bool              // the origin hears what comes as it comes
	raw      bool              // the client's conditions go on to the pool

	// of the sink's calls
	state  state
	stream protocol.Stream
	sent   time.Time
	made   *entry
	body   []byte
	length int  // announced; -1: not
	handed bool // the origin has its answer from elsewhere

	// guarded by the store's mu
	waiters []*asker
	listed  bool // those who ask for the same come here
	spoiled bool // what comes may be from before a purge: it is not stored
	// purged are the tags of purges meanwhile: what has one of them is not stored.
	purged []string
	left   bool // the origin has left
	ticket protocol.Ticket
	dead   bool // nobody waits for anything
}

// state is how far the answer is.
type state int

const (
	asking     state = iota // there is none
	collecting              // it comes, and is to be stored
	passing                 // it comes, for the origin alone
	discarding              // nobody wants it
)

// ask has somebody wait for an answer of the pool.
func (r *Room) ask(w *asker, a ask) {
	q, s := w.request, r.store
	ranged := value(q.Headers, "Range") != ""
	if q.Method == "HEAD" || ranged && a.stale == nil {
		s.counts.passes.Add(1)
		r.passFor(w, a.miss)
		return
	}
	conditional := value(q.Headers, "If-None-Match") != "" || value(q.Headers, "If-Modified-Since") != ""
	raw := a.alone && a.stale == nil
	a.alone = a.alone || w.authorized || w.cookies && r.DefaultTTL > 0
	s.mu.Lock()
	f := s.flights[a.key]
	waits := f != nil && !a.alone
	if !waits {
		f = &flight{ask: a, room: r, origin: w, raw: raw, length: -1, asked: w.asked}
		f.direct = raw || !conditional && !ranged
	}
	if !w.take(f) {
		s.mu.Unlock()
		w.fail(&protocol.Failure{Kind: protocol.FailedCancelled})
		return
	}
	if !f.direct || waits {
		f.waiters = append(f.waiters, w)
	}
	if !waits {
		f.list(!a.alone)
	}
	s.mu.Unlock()
	if waits {
		s.counts.waits.Add(1)
		return
	}
	s.counts.misses.Add(1)
	f.submit(w.x)
}

// list notes that it is under way. It is called with the store's mu held.
func (f *flight) list(forAll bool) {
	s := f.room.store
	s.under[f] = struct{}{}
	if f.listed = forAll; forAll {
		s.flights[f.key] = f
	}
}

// passFor passes a request on of which nothing is stored.
func (r *Room) passFor(w *asker, miss string) {
	passed := *w.x
	passed.Sink = &labelled{Sink: w.x.Sink, status: name + "; fwd=" + miss}
	w.hand(r.Backend.Submit(&passed))
}

// hand leaves an asker to another backend.
func (w *asker) hand(t protocol.Ticket) {
	if !w.take(t) {
		t.Cancel(protocol.ResetCancelled)
	}
}

// refresh asks for an entry anew in the background, unless somebody does, or too many do.
func (r *Room) refresh(w *asker, e *entry, primary string) {
	s := r.store
	if !e.refreshing.CompareAndSwap(false, true) {
		return
	}
	f := &flight{ask: ask{key: e.key, primary: primary, stale: e}, room: r, length: -1, asked: w.asked}
	s.mu.Lock()
	free := s.behind.Load() < mostBehind && s.flights[e.key] == nil
	if free {
		s.behind.Add(1)
		f.list(true)
	}
	s.mu.Unlock()
	if !free {
		e.refreshing.Store(false)
		return
	}
	f.request = f.wording(w.request)
	f.request.Method = "GET"
	x := *w.x
	x.TraceID, x.ErrorLogged, x.Leaves, x.Priority = "", nil, nil, false
	f.begin(x)
}

// mostBehind is how many are asked for in the background at once, by all rooms of a store.
const mostBehind = 16

// submit asks for an origin.
func (f *flight) submit(x *protocol.Exchange) {
	f.request = f.wording(f.origin.request)
	own := *x
	if own.ErrorLogged != nil {
		own.ErrorLogged = func(e *protocol.LoggedError) {
			if !f.handed {
				x.ErrorLogged(e)
			}
		}
	}
	if own.Leaves != nil {
		own.Leaves = func(within time.Duration) {
			if !f.handed {
				x.Leaves(within)
			}
		}
	}
	f.begin(own)
}

func (f *flight) begin(own protocol.Exchange) {
	f.exchange = own
	f.exchange.Request, f.exchange.Sink = f.request, f
	ticket := f.room.Backend.Submit(&f.exchange)
	s := f.room.store
	s.mu.Lock()
	f.ticket = ticket
	dead := f.dead
	s.mu.Unlock()
	if dead {
		ticket.Cancel(protocol.ResetCancelled)
	}
}

// wording is a request of the flight's own: what it asks outlives the one that it is made of, and has the conditions
// of what is stored in place of the client's.
func (f *flight) wording(q *protocol.Request) *protocol.Request {
	own := *q
	own.Method, own.Target, own.Host = strings.Clone(q.Method), strings.Clone(q.Target), strings.Clone(q.Host)
	own.Scheme, own.Remote, own.ID = strings.Clone(q.Scheme), strings.Clone(q.Remote), strings.Clone(q.ID)
	own.Version, own.Local = strings.Clone(q.Version), strings.Clone(q.Local)
	f.url = urlOf(&own)
	own.Headers = make([]string, 0, len(q.Headers)+4)
	for i := 0; i+1 < len(q.Headers); i += 2 {
		if f.raw || !condition(q.Headers[i]) {
			own.Headers = append(own.Headers, strings.Clone(q.Headers[i]), strings.Clone(q.Headers[i+1]))
		}
	}
	if q.TLS != nil {
		told := *q.TLS
		own.TLS = &told
	}
	if e := f.stale; e != nil && e.etag != "" {
		own.Headers = append(own.Headers, "If-None-Match", e.etag)
	}
	if e := f.stale; e != nil && !e.modified.IsZero() {
		own.Headers = append(own.Headers, "If-Modified-Since", value(e.headers, "Last-Modified"))
	}
	return &own
}

// condition says whether a field asks for less than the whole.
func condition(field string) bool {
	switch strings.ToLower(field) {
	case "if-none-match", "if-modified-since", "if-range", "range":
		return true
	}
	return false
}

// leave is for an asker that waits no more.
func (f *flight) leave(w *asker, code protocol.ResetCode) {
	s := f.room.store
	s.mu.Lock()
	waited := false
	for i, other := range f.waiters {
		if other == w {
			f.waiters, waited = append(f.waiters[:i:i], f.waiters[i+1:]...), true
			break
		}
	}
	f.left = f.left || w == f.origin
	if f.left && len(f.waiters) == 0 && !f.dead {
		f.dead = true
		f.unlist()
	}
	dead, ticket := f.dead, f.ticket
	s.mu.Unlock()
	if dead && ticket != nil {
		ticket.Cancel(code)
	}
	if waited {
		w.fail(&protocol.Failure{Kind: protocol.FailedCancelled})
	}
}

// unlist has those who ask from now on ask for themselves. It is called with the store's mu held.
func (f *flight) unlist() {
	if f.listed && f.room.store.flights[f.key] == f {
		delete(f.room.store.flights, f.key)
	}
	f.listed = false
}

// close takes those who wait: none come any more.
func (f *flight) close() (waiters []*asker) {
	s := f.room.store
	s.mu.Lock()
	defer s.mu.Unlock()
	f.unlist()
	waiters, f.waiters = f.waiters, nil
	for _, w := range waiters {
		w.take(nil)
	}
	return waiters
}

// forget drops what lies under a primary key, and has what comes of it not be stored.
func (s *Store) forget(primary string) {
	s.spoil(func(f *flight) bool { return f.primary == primary })
	s.slots.Invalidate(primary)
}
