// Package recent remembers which pages of a site were asked for most of late, so that a new worker can be asked for
// them before any client is. It remembers only what anybody may ask for: GET, without a body, a cookie or a password,
// and without a secret in its query; and of that what was answered, soon and well.
package recent

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/protocol"
)

const (
	most    = 256         // pages that are remembered
	longest = 512         // bytes of a page's host and target together
	soon    = time.Second // in which a page was answered that a new worker is to be asked for
)

// Page is what was asked for.
type Page struct{ Scheme, Host, Target string }

// Pages are those of a pool. The zero value is ready, and safe for concurrent use.
type Pages struct {
	mu     sync.Mutex
	counts map[Page]int // how often each was asked for, the older times for less; guarded by mu
}

// Watch gives the exchange to submit in the place of x, so that it is noted how that goes.
func (p *Pages) Watch(x *protocol.Exchange) *protocol.Exchange {
	r, ok := x.Request.(*protocol.Request)
	if !ok || !safe(r) {
		return x
	}
	watched := *x
	watched.Sink = &sink{Sink: x.Sink, pages: p, page: Page{r.Scheme, r.Host, r.Target}, began: time.Now()}
	return &watched
}

// Top are the n pages that were asked for most, the first of them first.
func (p *Pages) Top(n int) []Page {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Page, 0, len(p.counts))
	for page := range p.counts {
		all = append(all, page)
	}
	slices.SortFunc(all, func(a, b Page) int {
		return cmp.Or(p.counts[b]-p.counts[a], strings.Compare(a.Target, b.Target), strings.Compare(a.Host, b.Host),
			strings.Compare(a.Scheme, b.Scheme))
	})
	return all[:min(n, len(all))]
}

// note counts a page. Where there are too many, all count for half, and those that came once are forgotten.
func (p *Pages) note(page Page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil {
		p.counts = make(map[Page]int, most)
	}
	if p.counts[page] == 0 {
		if len(p.counts) >= most {
			for other := range p.counts {
				if p.counts[other] /= 2; p.counts[other] == 0 {
					delete(p.counts, other)
				}
			}
		}
		if len(p.counts) >= most {
			return
		}
		page = Page{strings.Clone(page.Scheme), strings.Clone(page.Host), strings.Clone(page.Target)}
	}
	p.counts[page]++
}

// safe says whether anybody may ask for the same.
func safe(r *protocol.Request) bool {
	if r.Method != "GET" || r.Tunnel != "" || r.Flags&protocol.FlagEnd == 0 || len(r.Body) > 0 ||
		!strings.HasPrefix(r.Target, "/") || len(r.Target)+len(r.Host) > longest {
		return false
	}
	for i := 0; i+1 < len(r.Headers); i += 2 {
		switch name := r.Headers[i]; {
		case strings.EqualFold(name, "Cookie"), strings.EqualFold(name, "Authorization"),
			strings.EqualFold(name, "Proxy-Authorization"), strings.EqualFold(name, "Upgrade"),
			strings.EqualFold(name, "Range"), strings.EqualFold(name, "X-Worker-Warmup"):
			return false
		}
	}
	_, query, _ := strings.Cut(r.Target, "?")
	_, err := url.ParseQuery(query)
	return err == nil && redact.Query(query) == query && redact.Text(query) == query
}

// sink passes on what comes of a client's request, and has it counted when all went well.
type sink struct {
	protocol.Sink
	pages *Pages
	page  Page
	began time.Time
	bad   bool
}

// Respond implements [protocol.Sink]. A response that is kept open is a connection.
func (s *sink) Respond(m *protocol.Response) {
	s.bad = m.Hold != nil || m.Status >= 400
	s.Sink.Respond(m)
}

// Fail implements [protocol.Sink].
func (s *sink) Fail(f *protocol.Failure) {
	s.bad = true
	s.Sink.Fail(f)
}

// Finished implements [protocol.Sink].
func (s *sink) Finished() {
	s.Sink.Finished()
	if !s.bad && time.Since(s.began) < soon {
		s.pages.note(s.page)
	}
}
