// leakreport.go shows what host check --leaks has found.

package serve

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/leaks"
)

// leakReport is the JSON of host check --leaks.
type leakReport struct {
	Kind    control.Kind    `json:"event"`
	Outcome control.Outcome `json:"outcome"`
	Leaks   int             `json:"leaks"`
	Reports []*leaks.Report `json:"reports"`
}

// showLeaks shows the reports, with places relative to the folder where they can be. It is an error if something has
// to be mended, or if a page was none that visitors get.
func showLeaks(t *cli.Terminal, reports []*leaks.Report, folder string, asJSON bool) error {
	all := leakReport{Kind: "leaks", Outcome: control.Done, Reports: reports}
	var refused []string
	for _, r := range reports {
		all.Leaks += r.Leaks()
		if r.Status >= 400 {
			refused = append(refused, fmt.Sprintf("%s is answered with %d", r.Request, r.Status))
		}
		for _, f := range r.Findings {
			shorten(f.Places, folder)
		}
		if !asJSON {
			showReport(t, r)
		}
	}
	var verdict string
	switch {
	case all.Leaks > 0:
		verdict = cli.Counted(all.Leaks, "leak")
	case len(refused) > 0:
		verdict = strings.Join(refused, ", ") + ": name pages that visitors get"
	}
	if verdict != "" {
		all.Outcome = control.NotDone
	}
	if asJSON {
		encoder := json.NewEncoder(t.Out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(all); err != nil {
			return err
		}
		return cli.EndedBy(all.Outcome, verdict)
	}
	if verdict != "" {
		fmt.Fprintln(t.Out, t.Red(verdict))
		return cli.EndedBy(control.NotDone, verdict)
	}
	fmt.Fprintln(t.Out, t.Green("Nothing leaks there."))
	return nil
}

func showReport(t *cli.Terminal, r *leaks.Report) {
	fmt.Fprintf(t.Out, "%s, answered with %d\n", t.Bold(r.Request), r.Status)
	for _, f := range r.Findings {
		rank := fmt.Sprintf("%-8s", f.Rank)
		if f.Rank.Leaks() {
			rank = t.Red(rank)
		} else {
			rank = t.Faint(rank)
		}
		fmt.Fprintf(t.Out, "  %s %s: %s\n", rank, t.Bold(f.Path), f.What)
		for _, place := range f.Places {
			fmt.Fprintf(t.Out, "           %s\n", place)
		}
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(t.Out, "  nothing grows or changes")
	}
	if r.Incomplete {
		fmt.Fprintln(t.Out, "  "+t.Yellow("there is more state than was looked at"))
	}
	fmt.Fprintln(t.Out)
}

// shorten makes places below the folder relative to it.
func shorten(places []string, folder string) {
	if resolved, err := filepath.EvalSymlinks(folder); err == nil {
		folder = resolved
	}
	for i, place := range places {
		if inside, err := filepath.Rel(folder, place); err == nil && filepath.IsLocal(inside) {
			places[i] = inside
		}
	}
}
