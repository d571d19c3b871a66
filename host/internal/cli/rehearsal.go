// rehearsal.go shows what a rehearsal has found: a table with a column for each stack, and the differences by route.

package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/rehearse"
)

// progress shows a line that changes, on a terminal alone, until what it returns is called.
func (t *Terminal) progress(text func() string) (enough func()) {
	if !t.live {
		return func() {}
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(t.Out, "\r\x1b[K%s", t.Faint(text()))
			case <-stop:
				fmt.Fprint(t.Out, "\r\x1b[K")
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

func (t *Terminal) showRehearsal(r *rehearse.Report) {
	t.showStacks(r)
	for _, g := range r.Groups {
		times := ""
		if g.Count > 1 {
			times = fmt.Sprintf(", %d times", g.Count)
		}
		fmt.Fprintf(t.Out, "\n%s  %s\n", t.Bold(printable(g.Route)), t.Red(g.Kind+times))
		if g.Example.Request != g.Route {
			fmt.Fprintf(t.Out, "  %s\n", printable(g.Example.Request))
		}
		if g.Example.Old != "" || g.Example.New != "" {
			fmt.Fprintf(t.Out, "    old  %s\n    new  %s\n", orDash(printable(g.Example.Old)),
				orDash(printable(g.Example.New)))
		}
		t.showDiff(g.Example.Diff)
	}
	if len(r.Groups) > 0 {
		fmt.Fprintln(t.Out)
	}
	if left := rehearse.Counts(r.Left); left != "" {
		fmt.Fprintf(t.Out, "not compared: %s\n", left)
	}
	if r.NotAsked > 0 {
		fmt.Fprintf(t.Out, "not asked: %d, for lack of time (--for, --rate)\n", r.NotAsked)
	}
	if r.Left["limited"] > 0 {
		fmt.Fprintln(t.Out, t.Yellow("The old stack says that there are too many requests: ask with a lower --rate."))
	}
	verdict := fmt.Sprintf("%d of %s differ, in %s.", r.Differ, Counted(r.Asked, "answer"),
		Counted(len(r.Groups), "way"))
	switch {
	case r.Asked == 0:
		fmt.Fprintln(t.Out, t.Yellow("Nothing was asked."))
	case r.Differ == 0:
		fmt.Fprintln(t.Out, t.Green(fmt.Sprintf("No difference in %s.", Counted(r.Asked, "answer"))))
	default:
		fmt.Fprintln(t.Out, t.Red(verdict))
	}
}

// showStacks is the table of what both have answered.
func (t *Terminal) showStacks(r *rehearse.Report) {
	list := table{indent: "  ", right: map[int]bool{1: true, 2: true}}
	list.add(plain("", "old", "new")...)
	classes := maps.Clone(r.Old.Statuses)
	maps.Copy(classes, r.New.Statuses)
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		title := "status " + class
		if class == "none" {
			title = "no answer"
		}
		list.add(plain(title, fmt.Sprint(r.Old.Statuses[class]), fmt.Sprint(r.New.Statuses[class]))...)
	}
	list.add(plain("typical time", milliseconds(r.Old.Typical), milliseconds(r.New.Typical))...)
	list.add(plain("95 of 100 within", milliseconds(r.Old.P95), milliseconds(r.New.P95))...)
	if r.Old.CPU != nil || r.New.CPU != nil {
		list.add(plain("processor time each", processorTime(r.Old.CPU), processorTime(r.New.CPU))...)
	}
	fmt.Fprintf(t.Out, "old: %s\nnew: %s\n", printable(r.Old.Name), printable(r.New.Name))
	list.write(t.Out)
}

func processorTime(ms *float64) string {
	if ms == nil {
		return "-"
	}
	return milliseconds(*ms)
}

func (t *Terminal) showDiff(diff string) {
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		paint := func(text string) string { return text }
		switch {
		case strings.HasPrefix(line, "-"):
			paint = t.Red
		case strings.HasPrefix(line, "+"):
			paint = t.Green
		case strings.HasPrefix(line, "@@"), strings.HasPrefix(line, "…"):
			paint = t.Faint
		}
		fmt.Fprintf(t.Out, "    %s\n", paint(printable(line)))
	}
}
