// canary.go: the flags of a reload that tries new code first, and how what was seen of it is shown: a table with a
// column for the old code and one for the new, and two small charts.

package cli

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// canaryFlags defines the flags, and gives what reads them; nil is that none was given.
func canaryFlags(f *pflag.FlagSet) (read func() (*control.CanaryAsk, error)) {
	share := f.String("canary", "",
		"try the new code on a `SHARE` of the clients first, such as 5%, or 1%,10%,50% one after the other; off is "+
			"without")
	step := f.Duration("for", 0, "with a canary: how long each share lasts; with a shadow, "+
		"or a rehearsal without --canary: how long that does")
	most := f.Duration("at-most", 0, "with a canary: turn it back if there is no verdict by then")
	failing := f.String("max-errors", "", "with a canary: how many more of the requests may fail, such as 1%")
	slower := f.String("max-slower", "", "with a canary: how many times as long requests may take, such as 1.2x")
	growth := f.String("max-growth", "",
		"with a canary: by how much more a worker may grow with each request, such as 20KiB")
	// elsewhere says whether --for is about something else
	elsewhere := func() bool {
		return f.Changed("shadow") || f.Changed("rehearse") && !f.Changed("canary")
	}
	return func() (*control.CanaryAsk, error) {
		given := false
		for _, name := range []string{"canary", "for", "at-most", "max-errors", "max-slower", "max-growth"} {
			given = given || f.Changed(name) && !(name == "for" && elsewhere())
		}
		if !given {
			return nil, nil
		}
		if elsewhere() {
			*step = 0
		}
		ask := &control.CanaryAsk{For: step.Seconds(), AtMost: most.Seconds()}
		switch *share {
		case "off":
			return &control.CanaryAsk{Off: true}, nil
		case "": // as the pools have it
			if f.Changed("canary") {
				return nil, Misused("--canary takes a share of the clients, such as 5%%, or off")
			}
		default:
			shares, err := config.ParseShares(strings.Split(*share, ","))
			if err != nil {
				return nil, Misused("--canary: %v", err)
			}
			for _, s := range shares {
				ask.Share = append(ask.Share, 100*s)
			}
		}
		if f.Changed("for") && !elsewhere() && *step < time.Second || f.Changed("at-most") && *most < time.Second {
			return nil, Misused("--for and --at-most are at least 1s")
		}
		if *failing != "" {
			s, err := config.ParseShare(*failing)
			if err != nil {
				return nil, Misused("--max-errors: %v", err)
			}
			s *= 100
			ask.MaxErrors = &s
		}
		var err error
		if *slower != "" {
			if ask.MaxSlower, err = config.ParseFactor(*slower); err != nil {
				return nil, Misused("--max-slower: %v", err)
			}
		}
		if *growth != "" {
			size, err := config.ParseSize(*growth)
			if err != nil || size < 1 {
				return nil, Misused("--max-growth takes a size, such as 20KiB")
			}
			ask.MaxGrowth = int64(size)
		}
		return ask, nil
	}
}

// tellCanary is about a canary that begins, takes a step, or is over.
func (s *reloadStory) tellCanary(e control.Event) {
	t := s.t
	if e.Kind != control.CanaryJudged {
		fmt.Fprintf(t.Out, "%s  canary: %s\n", e.Pool, e.What)
		return
	}
	out, what := t.Out, t.Green("the canary is over: "+e.What)
	if e.Outcome != control.Done {
		out, what = t.Err, t.Red("the new code does not go live: "+e.What)
	}
	fmt.Fprintf(out, "%s  %s\n", e.Pool, what)
	for _, line := range canaryLines(t, e.Canary) {
		fmt.Fprintln(out, line)
	}
}

// canaryLines are the table of the evidence.
func canaryLines(t *Terminal, c *control.Canary) []string {
	list := table{indent: "    ", right: map[int]bool{1: true, 2: true, 3: true}}
	list.add(plain("", "old code", "new code", "at most")...)
	list.add(plain("clients", fmt.Sprint(c.Control.Clients), fmt.Sprint(c.Candidate.Clients), "")...)
	list.add(plain("requests and events", fmt.Sprint(c.Control.Requests), fmt.Sprint(c.Candidate.Requests), "")...)
	for _, m := range c.Measures {
		name, shown := m.Name, func(v float64) string { return fmt.Sprintf("%.2f%%", v) }
		switch m.Name {
		case "failed":
		case "logged":
			name = "with errors in the log"
		case "service_time":
			name, shown = "service time", milliseconds
		case "growth":
			name, shown = "growth by a request", signedBytes
		default: // of a newer host
			shown = func(v float64) string { return fmt.Sprintf("%.4g", v) }
		}
		row := plain(name, shown(m.Control), shown(m.Candidate), shown(m.Limit))
		switch {
		case m.Worse:
			row = append(row, cell{"worse: by chance alone once in " + onceIn(m.Chance), t.Red})
		case m.Doubtful:
			row = append(row, cell{"beyond, perhaps by chance", t.Yellow})
		}
		list.add(row...)
	}
	list.add(plain("deaths of workers", fmt.Sprint(len(c.Control.Deaths)), fmt.Sprint(len(c.Candidate.Deaths)), "")...)
	var b bytes.Buffer
	list.write(&b)
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if len(c.FailedOver) > 1 {
		lines = append(lines, charts("failed", c.FailedOver)...)
		lines = append(lines, charts("service time", c.PaceOver)...)
	}
	return lines
}

// mostPoints is how many fit a terminal of 80 columns.
const mostPoints = 54

// charts are the two lines of one measure over time, on one scale.
func charts(name string, points []control.CanaryPoint) []string {
	points = points[max(0, len(points)-mostPoints):]
	top := 0.0
	for _, p := range points {
		top = max(top, p.Control, p.Candidate)
	}
	old, new := "", ""
	for _, p := range points {
		old += bar(p.Control, top)
		new += bar(p.Candidate, top)
	}
	return []string{fmt.Sprintf("    %-12s  old  %s", name, old), fmt.Sprintf("    %-12s  new  %s", "", new)}
}

// bar is a value as a block of its height.
func bar(v, top float64) string {
	heights := []rune("▁▂▃▄▅▆▇█")
	if top <= 0 || v <= 0 {
		return string(heights[0])
	}
	return string(heights[min(len(heights)-1, int(v/top*float64(len(heights)-1)+0.5))])
}

func milliseconds(v float64) string {
	if v == 0 {
		return "-" // there were none
	}
	if v >= 1000 {
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.3g ms", v)
}

func signedBytes(v float64) string {
	if math.Abs(v) < 1 {
		return "0 B"
	}
	if v < 0 {
		return "-" + HumanBytes(int64(-v))
	}
	return HumanBytes(int64(v))
}

func onceIn(chance float64) string {
	if chance < 1e-9 {
		return "a billion times or more"
	}
	return strconv.FormatFloat(1/chance, 'f', 0, 64) + " times"
}

// canaryHead is the canary of a pool in a line.
func canaryHead(pool string, c *control.Canary) string {
	head := fmt.Sprintf("%s  canary: %s%% of the clients at generation %d", pool,
		strconv.FormatFloat(c.Share, 'g', 4, 64), c.Candidate.Generation)
	if c.Steps > 1 {
		head += fmt.Sprintf(", step %d of %d", c.Step, c.Steps)
	}
	head += fmt.Sprintf("  for %s, %s a step, %s at most", HumanDuration(FromSeconds(c.Running)),
		config.FormatDuration(FromSeconds(c.For)), config.FormatDuration(FromSeconds(c.AtMost)))
	if !c.Enough {
		head += "  too little came yet"
	}
	return head
}
