// Terms: what requests are served under. They change while clients stay connected: a request keeps the terms that it
// began with, and the next one on the same connection finds the new ones.

package web

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/compress"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/trace"
)

// Limits are what a client may ask for. Sizes are in bytes. Time-outs run anew with each progress; 0 is for ever.
type Limits struct {
	MaxHeader       int   // request line and headers together; beyond it 431
	MaxBody         int64 // beyond it 413
	HeaderTimeout   time.Duration
	ReadTimeout     time.Duration // time without a byte of a request's body
	WriteTimeout    time.Duration // time without a client taking a byte of a response
	IdleTimeout     time.Duration
	BodyBuffer      int64 // part of a request's body kept in memory
	ResponseBuffer  int64 // part of a response kept in memory
	MaxFormFiles    int
	MaxFormFileSize int64
	MaxFormFields   int
}

// DefaultLimits are those of a host without a configuration file.
func DefaultLimits() Limits {
	return Limits{
		MaxHeader: 64 << 10, MaxBody: 1 << 30,
		HeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute,
		BodyBuffer:  1 << 20, ResponseBuffer: 1 << 20,
		MaxFormFiles: 64, MaxFormFileSize: 256 << 20, MaxFormFields: 1000,
	}
}

// Terms are what requests are served under, and long-lived connections.
type Terms struct {
	Backend hub.Backend
	Hub     *hub.Hub // that the Backend's workers ask; it keeps long-lived connections; nil: there are none
	Limits  Limits
	Sockets peer.SocketLimits
	Framing peer.Framing // of TCP connections that begin from now on
	Public  string       // folder of static files, served before the Backend is asked; "" is off
	// Releases says, whenever folders are opened, what stands for Public; nil is that itself
	Releases func() Releases
	Linked   bool // symlinks in Public may lead to what the Backend's traits let a worker send
	// what answers are compressed; nil: none
	Compression *compress.Policy
	ErrorPages  *ErrorPages // nil: there are none
	// whether a path is the Backend's to refuse, also where there is a file; nil is none
	Denied func(path string) bool

	Proxies   *guard.Proxies   // nil: forwarding headers are the workers' to judge
	Certified bool             // the listener asks clients for certificates: it is not for them to tell of any
	RateLimit *guard.RateLimit // shared by all listeners of a host; nil is off
	Access    *accesslog.Log   // shared by all listeners of a host; nil is off
	Tracer    *trace.Tracer    // likewise; nil is off
	RequestID string           // the header that carries a request's id both ways, in its canonical form; "" is off

	// Challenge answers authorities that look whether a host's name is ours (RFC 8555 §8.3), before all else; nil:
	// there are none. It may look into a folder.
	Challenge func(ctx context.Context, host, path string) (answer string, ok bool)

	Route  Route   // what is done beside, if these are the terms of one
	Routes *Routes // nil: there are none, and all is served under these terms
}

// terms count who is served under them. They are replaced as a whole, with those of their routes.
type terms struct {
	Terms
	peers   peer.Terms             // of long-lived connections
	public  atomic.Pointer[folder] // nil: there is none
	whole   *terms                 // who counts the users: these themselves, or those that they are a route's of
	routes  []*terms               // by rule
	guarded bool                   // some of them are not for all
	indexed bool                   // and one of these is of a folder's index
	taken   *atomic.Uint64         // requests of the route; nil for those of no route
	users   atomic.Int64           // requests under way, plus one until they are replaced
	idle    chan struct{}          // closed when nobody is left
}

func newTerms(t Terms) *terms {
	counted := &terms{Terms: t, idle: make(chan struct{})}
	counted.users.Store(1)
	counted.whole = counted
	if t.Routes != nil {
		for _, of := range t.Routes.Terms {
			counted.routes = append(counted.routes, &terms{Terms: of, whole: counted})
			counted.guarded = counted.guarded || of.Route.guarded()
		}
		counted.indexed = t.Routes.guardsIndex()
	}
	for of := range counted.all() {
		of.peers = peer.NewTerms(&of.Sockets, of.Framing, of.Backend, of.Hub, of.Tracer).Named(of.Route.Name)
	}
	return counted
}

// all are these terms and those of their routes.
func (t *terms) all() iter.Seq[*terms] {
	return func(yield func(*terms) bool) {
		for i := -1; i < len(t.routes); i++ {
			of := t
			if i >= 0 {
				of = t.routes[i]
			}
			if !yield(of) {
				return
			}
		}
	}
}

// open opens the public folders, following symlinks as they are now. If one fails all stay as they were.
func (t *terms) open() error {
	var opened []*folder
	for of := range t.all() {
		var f *folder
		if of.Public != "" {
			var err error
			if f, err = openPublic(&of.Terms); err != nil {
				for _, f := range opened {
					if f != nil {
						f.close()
					}
				}
				return err
			}
		}
		opened = append(opened, f)
	}
	i := 0
	for of := range t.all() {
		of.lay(opened[i])
		i++
	}
	return nil
}

// close closes the public folders.
func (t *terms) close() {
	for of := range t.all() {
		of.lay(nil)
	}
}

// lay puts a folder, or none, in the place of the one that is open.
func (t *terms) lay(f *folder) {
	if old := t.public.Swap(f); old != nil {
		old.close()
	}
}

// folder is the public folder, for the caller to close; nil if there is none.
func (t *terms) folder() *folder {
	for {
		f := t.public.Load()
		if f == nil || f.retain() {
			return f
		}
		// another one took its place this very moment
	}
}

// enter gives the terms of a request that begins now; it calls release when it has ended.
func (h *Handler) enter() *terms {
	for {
		t := h.terms.Load()
		for n := t.users.Load(); n > 0; n = t.users.Load() {
			if t.users.CompareAndSwap(n, n+1) {
				return t
			}
		}
		// they were replaced this very moment
	}
}

// retain has one more user keep the terms, which have one.
func (t *terms) retain() *terms {
	t.whole.users.Add(1)
	return t
}

func (t *terms) release() {
	if whole := t.whole; whole.users.Add(-1) == 0 {
		whole.close()
		close(whole.idle)
	}
}

// Prepared are terms whose folders are open, so that nothing can fail any more. Apply or Discard ends it.
type Prepared struct {
	handler *Handler
	terms   *terms
}

// Prepare opens the public folders that new terms need, and changes nothing.
func (h *Handler) Prepare(t Terms) (*Prepared, error) {
	p := &Prepared{handler: h, terms: newTerms(t)}
	if err := p.terms.open(); err != nil {
		return nil, err
	}
	return p, nil
}

// Discard forgets them.
func (p *Prepared) Discard() { p.terms.close() }

// Apply has the terms count for every request that begins from now on. settled is closed when the last one that began
// before has ended.
func (p *Prepared) Apply() (settled <-chan struct{}) {
	h, now := p.handler, p.terms
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		p.Discard()
	}
	h.count(now)
	h.know(now)
	old := h.terms.Swap(now)
	moved := map[*peer.Terms]*peer.Terms{}
	for before := range old.all() {
		if heir := now.heir(before); heir != nil && before.Hub != nil {
			moved[&before.peers] = &heir.peers
		}
	}
	peer.Retune(moved)
	old.release()
	return old.idle
}

// know notes the hubs of terms that come in. The caller holds mu, or is alone.
func (h *Handler) know(t *terms) {
	for of := range t.all() {
		if of.Hub != nil && !slices.Contains(h.hubs, of.Hub) {
			h.hubs = append(h.hubs, of.Hub)
		}
	}
}

// Hubs are those that may keep connections of this listener: those of its terms, and of all that it has had.
func (h *Handler) Hubs() []*hub.Hub {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.hubs)
}
