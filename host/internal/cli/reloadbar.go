// reloadbar.go draws, on a terminal, how far a reload is: a line for each worker that is being replaced, and the bar,
// below what has been told. What comes next is written over them.

package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
)

// reloadBar follows the events of a reload, which say what has happened, and the host's status, which says what goes
// on. Off a terminal it draws nothing.
type reloadBar struct {
	t          *Terminal
	sizes      map[string]int // of the pools that have begun
	pool       string         // the one at hand
	done, want int
	phases     []string          // a line for each worker at hand
	seen       map[int]time.Time // since when, by slot
	canary     []string          // the lines of the canary under way
	judged     bool              // it is over, and told of; its workers are there for a while
	drawn      int               // lines
}

const (
	barWidth   = 30
	mostPhases = 12 // lines; with more workers at hand the rest is counted
	lookEvery  = 100 * time.Millisecond
)

// erase takes the lines away, so that something else can be written in their place.
func (b *reloadBar) erase() {
	if b.drawn == 0 {
		return
	}
	fmt.Fprint(b.t.Out, strings.Repeat("\r\x1b[K\x1b[1A", b.drawn-1)+"\r\x1b[K")
	b.drawn = 0
}

// heed counts the event in, and draws.
func (b *reloadBar) heed(e control.Event) {
	switch e.Kind {
	case control.Begun:
		b.sizes[e.Pool] = e.Workers
		b.turnTo(e.Pool)
	case control.Replaced:
		if b.pool != e.Pool { // several have begun before the first goes on
			b.turnTo(e.Pool)
		}
		b.done++
		b.forget(e)
	case control.Restored:
		if b.done--; b.done < 0 { // of a reload that had completed
			b.want = 0
		}
		b.forget(e)
	case control.CanaryJudged:
		b.canary, b.judged = nil, true
	case control.Completed, control.Failed, control.Skipped, control.Aborted, control.PutBack, control.Stays:
		b.want = 0
	}
	b.draw()
}

// turnTo begins with a pool.
func (b *reloadBar) turnTo(pool string) {
	b.pool, b.done, b.want, b.phases, b.seen = pool, 0, b.sizes[pool], nil, map[int]time.Time{}
}

// forget takes away the line of a worker that has been told to its end.
func (b *reloadBar) forget(e control.Event) {
	prefix := phasePrefix(slot(e))
	kept := b.phases[:0]
	for _, line := range b.phases {
		if !strings.HasPrefix(line, prefix) {
			kept = append(kept, line)
		}
	}
	b.phases = kept
}

// see takes over what goes on now, and draws it anew.
func (b *reloadBar) see(st control.Status) {
	if lines := canaries(b.t, st); lines != nil && !b.judged {
		b.erase()
		b.canary = lines
		b.draw()
		return
	}
	b.canary = nil
	for _, p := range st.Pools {
		if p.Name == b.pool && p.Progress != nil {
			b.erase()
			b.phases = b.tellPhases(p)
			b.draw()
		}
	}
}

func (b *reloadBar) draw() {
	if !b.t.live || b.want == 0 && len(b.canary) == 0 {
		return
	}
	if len(b.canary) > 0 {
		fmt.Fprint(b.t.Out, strings.Join(b.canary, "\n"))
		b.drawn = len(b.canary)
		return
	}
	lines := make([]string, 0, mostPhases+2)
	for _, line := range b.phases[:min(len(b.phases), mostPhases)] {
		lines = append(lines, b.t.Faint(clip(line, b.t.width())))
	}
	if more := len(b.phases) - mostPhases; more > 0 {
		lines = append(lines, b.t.Faint(fmt.Sprintf("  and %s more", Counted(more, "worker"))))
	}
	full := min(barWidth, max(0, barWidth*b.done/b.want))
	tail := fmt.Sprintf("  %d of %s replaced", b.done, Counted(b.want, "worker"))
	name := clip(b.pool, b.t.width()-barWidth-len(tail)-2)
	lines = append(lines, name+"  "+b.t.Green(strings.Repeat("█", full))+b.t.Faint(
		strings.Repeat("░", barWidth-full))+tail)
	fmt.Fprint(b.t.Out, strings.Join(lines, "\n"))
	b.drawn = len(lines)
}

// canaries are the lines of all canaries under way.
func canaries(t *Terminal, st control.Status) (lines []string) {
	for _, p := range st.Pools {
		if p.Canary != nil && p.Progress == nil {
			lines = append(lines, clip(canaryHead(p.Name, p.Canary), t.width()))
			for _, line := range canaryLines(&Terminal{}, p.Canary) { // without colours, since it is cut
				lines = append(lines, clip(line, t.width()))
			}
		}
	}
	return lines
}

// clip shortens a line to a width, since one that goes on below can't be erased.
func clip(line string, width int) string {
	runes := []rune(line)
	return string(runes[:min(len(runes), max(0, width))])
}

// follow looks at the host until ctx ends, and hands what it sees to see.
func (b *reloadBar) follow(ctx context.Context, look func(context.Context) (control.Status, error),
	see func(control.Status)) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if st, err := look(ctx); err == nil && ctx.Err() == nil {
				see(st)
			}
		case <-ctx.Done():
			return
		}
	}
}

func phasePrefix(slot int) string { return fmt.Sprintf("  worker %d  ", slot) }

// tellPhases makes the lines of the workers that are being replaced.
func (b *reloadBar) tellPhases(p control.Pool) (lines []string) {
	for i := 0; i < len(p.Workers); {
		var came, goes *control.Worker
		first := i
		for ; i < len(p.Workers) && p.Workers[i].Slot == p.Workers[first].Slot; i++ {
			switch w := &p.Workers[i]; {
			case w.PID == 0:
			case w.Generation == p.Progress.Generation:
				came = w
			default:
				goes = w
			}
		}
		what := phase(came, goes)
		if what == "" {
			continue
		}
		at := p.Workers[first].Slot
		if b.seen[at].IsZero() {
			b.seen[at] = time.Now()
		}
		took := time.Since(b.seen[at])
		if came != nil {
			took = max(took, FromSeconds(came.Uptime))
		}
		lines = append(lines, phasePrefix(at)+fmt.Sprintf("pid %s → %s  %s  %s", pidOf(goes), pidOf(came), what,
			HumanDuration(took)))
	}
	return lines
}

func pidOf(w *control.Worker) string {
	if w == nil {
		return "…"
	}
	return fmt.Sprint(w.PID)
}

// phase is where the replacement of a worker is; "" if none is under way. With in_place nobody comes before the old
// one has gone.
func phase(came, goes *control.Worker) string {
	swapped := ""
	if came != nil {
		swapped = "swapped, "
	}
	switch {
	case came != nil && came.State == "starting" && came.Warming != "":
		return "warming: " + came.Warming
	case came != nil && came.State == "starting":
		return "starting"
	case goes != nil && goes.State == "draining" && goes.Inflight > 0:
		return swapped + "draining: " + Counted(goes.Inflight, "request")
	case goes != nil && goes.State == "draining":
		return swapped + "stopping"
	}
	return ""
}
