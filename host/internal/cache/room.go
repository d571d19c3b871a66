// room.go: where a request comes in. What is stored and fresh is the answer; all else goes to the pool, alone or for
// all that ask for the same (flight.go).

package cache

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Room is a [hub.Backend] before another one, for the requests of one route. Its methods are safe for concurrent use.
type Room struct {
	hub.Backend
	Settings
	Realm string // whose purges it heeds
	Pool  string // whose generations
	Route string // which tells its answers from those of others
	Strip string // what was taken away of its paths
	// Apart says whether a client gets answers of its own, such as those of new code; nil: none does.
	Apart func(q *protocol.Request) bool

	store *Store
	live  *atomic.Pointer[code]
}

// Room makes one before a backend. What the rooms of one pool and route store is the same, whenever they are made.
func (s *Store) Room(before hub.Backend, r Room) *Room {
	r.Backend, r.store, r.live = before, s, s.liveOf(r.Pool)
	s.mu.Lock()
	s.places[r.Pool+"\n"+r.Route] = place{r.Realm, r.Strip}
	s.mu.Unlock()
	return &r
}

// Submit implements [hub.Backend].
func (r *Room) Submit(x *protocol.Exchange) protocol.Ticket {
	q, is := x.Request.(*protocol.Request)
	if !is {
		return r.Backend.Submit(x)
	}
	cleanse(q)
	switch why := r.bypassed(q); {
	case q.Tunnel != "":
		return r.Backend.Submit(x)
	case q.Method == "PURGE" && len(r.PurgeFrom) > 0:
		r.purge(x, q)
		return nobody{}
	case q.Method != http.MethodGet && q.Method != http.MethodHead:
		return r.change(x, q)
	case why != "":
		r.store.counts.passes.Add(1)
		return r.pass(x, name+"; fwd=bypass; detail="+why)
	}
	w := &asker{room: r, x: x, asked: asked{request: q}}
	w.authorized = value(q.Headers, "Authorization") != ""
	w.cookies = r.suspicious(values(q.Headers, "Cookie"))
	r.answer(w)
	return w
}

// name is the cache's in Cache-Status (RFC 9211).
const name = "workerhost"

// bypassed says why a request neither reads nor fills the cache; "" is that it does.
func (r *Room) bypassed(q *protocol.Request) string {
	path, _, _ := strings.Cut(q.Target, "?")
	switch canonical, ok := protocol.CanonicalPath(q.Target); {
	case !ok || canonical != path:
		return "target"
	case q.Host == "" || strings.ToLower(q.Host) != q.Host:
		return "host"
	case len(q.Body) > 0 || q.Length > 0 || q.Flags&protocol.FlagEnd == 0:
		return "body"
	case q.TLS != nil && q.TLS.Client != nil:
		return "certificate"
	case value(q.Headers, "If-Match") != "", value(q.Headers, "If-Unmodified-Since") != "":
		return "precondition"
	}
	if r.Apart != nil && r.Apart(q) {
		return "canary"
	}
	return ""
}

// primary is the key of a request, before any Vary.
func (r *Room) primary(q *protocol.Request) string {
	return r.Pool + "\n" + r.Route + "\n" + urlOf(q)
}

func urlOf(q *protocol.Request) string { return q.Scheme + "://" + q.Host + q.Target }

// asker is a request that waits for its answer. It implements [protocol.Ticket].
type asker struct {
	room *Room
	x    *protocol.Exchange // the front's, until Finished
	asked

	mu   sync.Mutex
	of   any // whose doing the answer is: a *flight or a [protocol.Ticket]; nil: nobody's at the moment
	gone bool
}

// Cancel implements [protocol.Ticket].
func (w *asker) Cancel(code protocol.ResetCode) {
	w.mu.Lock()
	w.gone = true
	of := w.of
	w.mu.Unlock()
	switch t := of.(type) {
	case *flight:
		t.leave(w, code)
	case protocol.Ticket:
		t.Cancel(code)
	}
}

// take notes whose doing the answer is from now on. It says whether anybody waits for it still.
func (w *asker) take(of any) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of = of
	return !w.gone
}

// fail ends the wait.
func (w *asker) fail(err *protocol.Failure) {
	w.x.Sink.Fail(err)
	w.x.Sink.Finished()
}

// answer answers with what is stored, or asks.
func (r *Room) answer(w *asker) {
	now, q := time.Now(), w.request
	primary := r.primary(q)
	key, in, miss := r.store.find(primary, q)
	if in == nil {
		r.ask(w, ask{key: key, primary: primary, miss: miss})
		return
	}
	e := in.entry
	switch {
	case e == nil:
		r.ask(w, ask{key: key, primary: primary, miss: miss, alone: now.Before(in.until)})
		return
	case !e.serves(&w.asked):
		r.ask(w, ask{key: key, primary: primary, miss: "bypass", alone: true})
		return
	}
	left := e.left(now)
	outdated := !r.KeepOnReload && r.live.Load().outdates(e)
	switch {
	case e.validate:
	case left > 0 && !outdated:
		r.hit(w, e, "hit", "", now)
		return
	case left > 0 && !e.strict:
		r.refresh(w, e, primary)
		r.hit(w, e, "stale", "reload", now)
		return
	case left <= 0 && e.whileAt(now):
		r.refresh(w, e, primary)
		r.hit(w, e, "stale", "stale-while-revalidate", now)
		return
	case e.trouble.Load() != 0 && e.onErrorAt(now):
		if now.UnixNano()-e.trouble.Load() > int64(time.Second) {
			r.refresh(w, e, primary)
		}
		r.hit(w, e, "stale", "stale-if-error", now)
		return
	}
	r.ask(w, ask{key: key, primary: primary, miss: "stale", stale: e, alone: !e.coalesces()})
}

// hit answers with an entry.
func (r *Room) hit(w *asker, e *entry, how, detail string, now time.Time) {
	status := name + "; hit; ttl=" + strconv.FormatInt(int64(e.left(now)/time.Second), 10)
	if detail != "" {
		status += "; detail=" + detail
		r.store.counts.stale.Add(1)
	} else {
		r.store.counts.hits.Add(1)
	}
	e.deliver(w, status, how, now)
}

// change passes on what may change something (RFC 9111 §4.4).
func (r *Room) change(x *protocol.Exchange, q *protocol.Request) protocol.Ticket {
	passed := *x
	l := &labelled{Sink: x.Sink, status: name + "; fwd=method"}
	if q.Method != http.MethodOptions && q.Method != http.MethodTrace {
		scheme, host, target := q.Scheme, q.Host, q.Target // the request is the front's again when it has ended
		l.heard = func(m *protocol.Response) {
			if m.Status >= 200 && m.Status < 400 {
				r.changed(scheme, host, target, m.Headers)
			}
		}
	}
	passed.Sink = l
	return r.Backend.Submit(&passed)
}

// changed forgets what an answer says has changed: the target, and what it names on the same host.
func (r *Room) changed(scheme, host, target string, headers []string) {
	r.forget(scheme, host, target)
	for _, field := range [...]string{"Location", "Content-Location"} {
		to := value(headers, field)
		if rest, is := strings.CutPrefix(to, scheme+"://"+host); is {
			to = rest
		}
		if strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") {
			r.forget(scheme, host, to)
		}
	}
}

// forget drops all that is stored of a target.
func (r *Room) forget(scheme, host, target string) {
	path, ok := protocol.CanonicalPath(target)
	if !ok {
		return
	}
	if _, query, asks := strings.Cut(target, "?"); asks {
		path += "?" + query
	}
	r.store.forget(r.Pool + "\n" + r.Route + "\n" + scheme + "://" + host + path)
}

// pass passes a request on that has nothing to do with what is stored.
func (r *Room) pass(x *protocol.Exchange, status string) protocol.Ticket {
	passed := *x
	passed.Sink = &labelled{Sink: x.Sink, status: status}
	return r.Backend.Submit(&passed)
}

// labelled has an answer say how it came.
type labelled struct {
	protocol.Sink
	status string
	heard  func(m *protocol.Response) // nil is nobody
}

// Respond implements [protocol.Sink].
func (l *labelled) Respond(m *protocol.Response) {
	if l.heard != nil {
		l.heard(m)
	}
	l.Sink.Respond(label(m, l.status))
}

// label is an answer with a Cache-Status, which says no more of a tunnel or a fetch.
func label(m *protocol.Response, status string) *protocol.Response {
	if m.Status < 200 || m.Fetch != nil || m.Hold != nil {
		return m
	}
	told := *m
	told.Headers = append(append(make([]string, 0, len(m.Headers)+2), m.Headers...), "Cache-Status", status)
	return &told
}

// cleanse takes away what has frameworks answer for another URL or method than the one that is asked for, and what
// they read as another field's name: no cache key has it (RFC 9111 §7.1).
func cleanse(q *protocol.Request) {
	for i := 0; i+1 < len(q.Headers); i += 2 {
		if poisons(q.Headers[i]) {
			q.Headers = without(q.Headers, poisons)
			return
		}
	}
}

func poisons(field string) bool {
	if strings.IndexByte(field, '_') >= 0 {
		return true
	}
	if len(field) < 6 || field[0]|0x20 != 'x' {
		return false
	}
	switch strings.ToLower(field) {
	case "x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method", "x-method-override", "x-host",
		"x-original-host", "x-http-host-override", "x-http-path-override", "x-proxy-url", "x-override-url",
		"x-forwarded-path", "x-http-destinationurl":
		return true
	}
	return false
}
