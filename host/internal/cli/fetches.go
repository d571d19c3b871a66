// fetches.go: a pool's fetches in a line.

package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/control"
)

// fetching writes "fetches: 3 under way of 10000 at once; over: 12 complete, 1 left; refused: 2 not allowed".
func fetching(t *Terminal, f *control.Fetches) string {
	text := fmt.Sprintf("fetches: %d under way", f.UnderWay)
	switch {
	case f.AtOnce == 0:
		text += ", no more are allowed"
	case f.UnderWay >= f.AtOnce:
		text += t.Yellow(fmt.Sprintf(" of %d at once: the next ones are refused", f.AtOnce))
	default:
		text += fmt.Sprintf(" of %d at once", f.AtOnce)
	}
	if over := byCount(f.Ends); over != "" {
		text += "; over: " + over
	}
	if refused := byCount(f.Refused); refused != "" {
		text += "; " + t.Yellow("refused: "+refused)
	}
	if f.Untold > 0 {
		text += "; " + t.Yellow(fmt.Sprintf("%d told to no worker yet", f.Untold))
	}
	return text
}

// byCount writes "12 complete, 1 left", by the alphabet, without those that there are none of.
func byCount(counts map[string]uint64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	return strings.Join(parts, ", ")
}
