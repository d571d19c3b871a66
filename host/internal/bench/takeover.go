// takeover.go is what clients noticed when what they were connected to was replaced, and what that took of memory,
// beside other programs that can do it: takeover_linux.go measures it, and takeover_peers_linux.go knows the programs.

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	takeoverSockets = 100
	takeoverKept    = 20
	takeoverFresh   = 4
	calmTime        = 3 * time.Second  // before the replacement
	watchTime       = 25 * time.Second // and after it
	settledTime     = 5 * time.Second  // when memory is looked at again
)

// takeover is what came of one replacement.
type takeover struct {
	Peer      string         `json:"peer"`
	Took      float64        `json:"command_seconds"`
	Closed    map[string]int `json:"websockets_closed"` // by how
	First     float64        `json:"first_closed_seconds"`
	Last      float64        `json:"last_closed_seconds"`
	Echoes    int64          `json:"echoes"`
	Kept      int64          `json:"kept_requests"`
	KeptCut   int64          `json:"kept_cut"`    // whose connection was closed without an answer
	KeptEnded int64          `json:"kept_closed"` // that were told to be the last of their connection
	Fresh     int64          `json:"fresh_requests"`
	FreshCut  int64          `json:"fresh_failed"`
	Before    int64          `json:"memory_before"` // bytes, of the program's own processes
	After     int64          `json:"memory_after"`
	Processes [3]int         `json:"processes"` // before, when settled, and at the end
}

// printTakeovers prints a row for each.
func printTakeovers(w io.Writer, all []takeover) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "%d WebSockets, %d kept connections, %d clients with fresh ones; %s after the replacement\n\n",
		takeoverSockets, takeoverKept, takeoverFresh, watchTime)
	const row = "%-46s %-26s %-22s %-16s %-18s %s\n"
	fmt.Fprintf(w, row, "", "WebSockets closed", "kept: cut, told, of", "fresh: failed", "MiB before, after",
		"processes")
	for _, t := range all {
		closed := "none"
		if len(t.Closed) > 0 {
			var parts []string
			for _, how := range slices.Sorted(maps.Keys(t.Closed)) {
				parts = append(parts, fmt.Sprintf("%d %s", t.Closed[how], how))
			}
			closed = fmt.Sprintf("%s, %.1f–%.1f s", strings.Join(parts, ", "), t.First, t.Last)
		}
		fmt.Fprintf(w, row, t.Peer, closed, fmt.Sprintf("%d, %d, %d", t.KeptCut, t.KeptEnded, t.Kept),
			fmt.Sprintf("%d of %d", t.FreshCut, t.Fresh),
			fmt.Sprintf("%.1f, %.1f", mebibytes(t.Before), mebibytes(t.After)),
			fmt.Sprintf("%d, %d, %d", t.Processes[0], t.Processes[1], t.Processes[2]))
	}
}
