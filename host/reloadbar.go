// reloadbar.go draws, on a terminal, how far a reload is: one line below what has been told, which the next event writes over.

package main

import (
	"fmt"
	"strings"

	"github.com/workerhost/workerhost/host/internal/control"
)

// reloadBar follows the events of a reload. Off a terminal it draws nothing.
type reloadBar struct {
	t          *terminal
	pool       string
	done, want int
	drawn      bool
}

const barWidth = 30

// erase takes the line away, so that something else can be written in its place.
func (b *reloadBar) erase() {
	if b.drawn {
		fmt.Fprint(b.t.out, "\r\x1b[K")
		b.drawn = false
	}
}

// draw counts the event in, and shows the line while a pool is being reloaded.
func (b *reloadBar) draw(e control.Event) {
	switch e.Kind {
	case control.Begun:
		b.pool, b.done, b.want = e.Pool, 0, e.Workers
	case control.Replaced:
		b.done++
	case control.Restored:
		b.done--
	case control.Completed, control.Failed:
		b.want = 0
	}
	if !b.t.live || b.want == 0 {
		return
	}
	full := min(barWidth, max(0, barWidth*b.done/b.want))
	fmt.Fprintf(b.t.out, "%s  %s%s  %d of %s replaced", b.pool, b.t.green(strings.Repeat("█", full)), b.t.faint(strings.Repeat("░", barWidth-full)), b.done, counted(b.want, "worker"))
	b.drawn = true
}
