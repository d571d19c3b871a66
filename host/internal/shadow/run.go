// run.go: one shadow of one pool, and what it has found.

package shadow

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Settings say what is copied, and how it is compared.
type Settings struct {
	Share    float64          // of the safe requests that are copied, from 0 to 1
	Most     int              // copies at a time, waiting ones included
	Requests int              // after so many answers were compared there are no more copies; 0 is without a limit
	Ignore   []*regexp.Regexp // what they match is taken out of bodies and of Location before they are compared
	Patience time.Duration    // for how long new code may be silent
}

// Run is a shadow. Its methods are safe for concurrent use.
type Run struct {
	settings  Settings
	candidate hub.Backend   // set before it listens
	enough    chan struct{} // closed when Requests answers were compared
	under     atomic.Int64  // requests that were drawn, and are not over
	asked     sync.WaitGroup

	mu sync.Mutex
	// guarded by mu
	report Report
	closed bool // new code is asked for nothing more
}

// NewRun makes a run. Before it listens it has to be told whom to ask.
func NewRun(s Settings) *Run {
	return &Run{settings: s, enough: make(chan struct{}),
		report: Report{By: map[string]int{}, Refused: map[string]int{}, Left: map[string]int{}}}
}

// Ask has copies go to the candidate.
func (r *Run) Ask(candidate hub.Backend) { r.candidate = candidate }

// Hub is that of the candidate's workers. What only asks is answered by the pool's own, asked.
func (r *Run) Hub(asked protocol.Answerer) *Refuser { return NewRefuser(asked, r.refused) }

// Enough is closed when as many answers were compared as there are to be.
func (r *Run) Enough() <-chan struct{} { return r.enough }

// Close has new code asked for nothing more, and waits until it has answered, or ctx is done. What it answers later
// still counts.
func (r *Run) Close(ctx context.Context) {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	answered := make(chan struct{})
	go func() { r.asked.Wait(); close(answered) }() // ends with the candidate, at the latest
	select {
	case <-answered:
	case <-ctx.Done():
	}
}

// asks says whether new code may be asked, and counts it as asked.
func (r *Run) asks() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.asked.Add(1)
	return true
}

// Report is what was found so far.
func (r *Run) Report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.report
	found.By, found.Refused, found.Left = maps.Clone(found.By), maps.Clone(found.Refused), maps.Clone(found.Left)
	found.Examples = slices.Clone(found.Examples)
	for i := range found.Sides {
		found.Sides[i].times = nil
		found.Sides[i].Typical = median(r.report.Sides[i].times)
	}
	return found
}

// Report is what a run has found.
type Report struct {
	Drawn    int // safe requests that were to be copied
	Compared int // answers
	Differ   int // of them
	// By says in what: "status", "form", "type", "location", "length" or "body", the first that differs
	By       map[string]int
	Large    int            // of those compared: bodies of which only their length was, or not even that with Ignore
	Sides    [2]Side        // of the old code, and of the new
	Acting   int            // copies whose new code asked for something that changes something
	Refused  map[string]int // what was refused to new code, by its name: "SEND", "SWAP"
	Left     map[string]int // requests that were left out, by why
	Examples []Example      // of differences
}

// Side is what one of the two codes has answered, of what was compared.
type Side struct {
	Statuses [6]int        // by their first digit; 0 is that there was none
	Typical  time.Duration // the median, from when a worker has the request until its code has run
	times    []time.Duration
}

// Why a request is left out.
const (
	LeftBody   = "body"       // it has one
	LeftBusy   = "busy"       // as many copies as may be were under way, or new code's workers had no room
	LeftHeld   = "held"       // its answer is held, and becomes a connection
	LeftStream = "stream"     // its answer is a stream without an end of its own
	LeftGone   = "unanswered" // by nobody's fault: the client left, or no worker of either code came to it
)

const (
	mostExamples = 10
	mostTimes    = 10_000
	mostKinds    = 20 // of what is refused, by name
)

// left counts a request that is left out.
func (r *Run) left(why string) {
	r.mu.Lock()
	r.report.Left[why]++
	r.mu.Unlock()
}

// refused counts what new code has asked for in vain.
func (r *Run) refused(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.report.Refused[what] == 0 && len(r.report.Refused) >= mostKinds {
		what = "others"
	}
	r.report.Refused[what]++
}

// watch gives the exchange to submit in the place of x, if that is drawn.
func (r *Run) watch(x *protocol.Exchange) *protocol.Exchange {
	request, ok := x.Request.(*protocol.Request)
	if !ok || !safe(request.Method) || request.Tunnel != "" ||
		r.settings.Share < 1 && rand.Float64() >= r.settings.Share {
		return x
	}
	whole := request.Flags&protocol.FlagEnd != 0 && len(request.Body) == 0 && request.Form == nil
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return x
	case !whole:
		r.report.Left[LeftBody]++
	case r.under.Load() >= int64(r.settings.Most):
		r.report.Left[LeftBusy]++
	default:
		r.under.Add(1)
		watched := *x
		watched.Sink = &client{Sink: x.Sink, copied: copied{run: r, request: clone(request)}}
		x = &watched
	}
	r.report.Drawn++
	return x
}

// compared counts two answers to one request.
func (r *Run) compared(c *copied, old, new *answer) {
	d := compare(c.request.Method, old, new, r.settings.Ignore)
	r.mu.Lock()
	defer r.mu.Unlock()
	found := &r.report
	if found.Compared == r.settings.Requests && found.Compared > 0 {
		return
	}
	if found.Compared++; c.acts.Load() {
		found.Acting++
	}
	if d.large {
		found.Large++
	}
	for i, a := range []*answer{old, new} {
		side := &found.Sides[i]
		side.Statuses[a.status/100]++
		if len(side.times) < mostTimes {
			side.times = append(side.times, a.took)
		}
	}
	if d.what != "" {
		found.Differ++
		found.By[d.what]++
		r.exemplify(c, &d)
	}
	if found.Compared == r.settings.Requests {
		r.closed = true
		close(r.enough)
	}
}

// exemplify keeps a difference, or counts it to one like it. Under mu.
func (r *Run) exemplify(c *copied, d *difference) {
	path, _, _ := strings.Cut(c.request.Target, "?")
	key := d.what + " " + c.request.Method + " " + path
	examples := &r.report.Examples
	i := slices.IndexFunc(*examples, func(e Example) bool { return e.key == key })
	switch {
	case i >= 0:
		(*examples)[i].Times++
	case len(*examples) < mostExamples:
		*examples = append(*examples, d.example(c, key))
	}
}

// median of times, which it sorts; 0 of none.
func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.SortFunc(times, func(a, b time.Duration) int { return cmp.Compare(a, b) })
	return times[len(times)/2]
}
