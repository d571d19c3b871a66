// What a reload waits for, as people read it: its gates, and room for the next worker.

package cli

import (
	"fmt"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
)

// paceOf reads --pace, in milliseconds; "" is none.
func paceOf(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait <= 0 {
		return 0, Misused("--pace: expected a time such as --pace=30s, found %q", text)
	}
	return control.Millis(wait), nil
}

// tellGate is about a command that the reload has to pass, and about its waits between workers.
func (s *reloadStory) tellGate(e control.Event) {
	t := s.t
	took := HumanDuration(fromMillis(e.Took))
	switch e.Kind {
	case control.Paced:
		if e.Took > 0 {
			e.What += ", after " + took
		}
		fmt.Fprintln(t.Out, t.Faint(e.Pool+"  "+e.What))
	case control.GateBegun:
		fmt.Fprintf(t.Out, "%s  %s  %s\n", e.Pool, e.Gate, printable(e.What))
	case control.GateOutput:
		fmt.Fprintf(t.Out, "%s  %s\n", e.Pool, t.Faint("│ "+printable(e.Output)))
	case control.GatePassed:
		fmt.Fprintf(t.Out, "%s  %s  %s in %s\n", e.Pool, e.Gate, t.Green("passed"), took)
	case control.GateFailed:
		fmt.Fprintf(t.Err, "%s  %s  %s %s: %s, after %s\n", e.Pool, e.Gate, t.Red("failed:"), printable(e.What),
			e.Error, took)
	}
}
