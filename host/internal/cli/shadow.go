// shadow.go: the flags of a reload that only looks at new code, and how what it has found is shown: a table with a
// column for the old code and one for the new, and examples.

package cli

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// shadowFlags defines the flags but --for, which is the canary's as well, and gives what reads them; nil is that none
// was given.
func shadowFlags(f *pflag.FlagSet) (read func() (*control.ShadowAsk, error)) {
	share := f.String("shadow", "", "put nothing live: show the new code copies of a `SHARE` of the safe requests, "+
		"such as 1%, and compare its answers with those that clients got. What it writes to a database stays")
	requests := f.Int("requests", 0, "with a shadow: end it once `N` answers of each pool were compared; "+
		"in a rehearsal, ask `N` requests (500)")
	ignore := f.StringArray("ignore", nil, "with a shadow or a rehearsal: take what the regular expression `PATTERN` "+
		"(RE2) matches out of both answers before they are compared; may be given several times")
	return func() (*control.ShadowAsk, error) {
		if !f.Changed("shadow") {
			if (f.Changed("requests") || f.Changed("ignore")) && !f.Changed("rehearse") {
				return nil, Misused("--requests and --ignore belong to --shadow and --rehearse")
			}
			return nil, nil
		}
		if f.Changed("rehearse") {
			return nil, Misused("--shadow and --rehearse are two ways to look at new code: choose one")
		}
		part, err := config.ParseShare(*share)
		switch {
		case err != nil:
			return nil, Misused("--shadow: %v", err)
		case part == 0:
			return nil, Misused("--shadow takes a share of the requests above 0%%, such as 1%%")
		case f.Changed("requests") && *requests < 1:
			return nil, Misused("--requests is at least 1")
		}
		for _, pattern := range *ignore {
			if _, err := regexp.Compile(pattern); err != nil {
				return nil, Misused("--ignore: %v", err)
			}
		}
		took, _ := f.GetDuration("for")
		if f.Changed("for") && took < time.Second {
			return nil, Misused("--for is at least 1s")
		}
		return &control.ShadowAsk{Share: 100 * part, For: took.Seconds(), Requests: *requests, Ignore: *ignore}, nil
	}
}

// tellShadow is about a shadow that begins, or is over.
func (s *reloadStory) tellShadow(e control.Event) {
	t := s.t
	if e.Kind == control.ShadowBegun {
		fmt.Fprintf(t.Out, "%s  shadow: %s\n", e.Pool, e.What)
		return
	}
	what := t.Green(e.What)
	if e.Outcome != control.Done {
		what = t.Red(e.What)
	}
	fmt.Fprintf(t.Out, "%s  the shadow is over: %s\n", e.Pool, what)
	found := e.Shadow
	if found == nil {
		return
	}
	tellSides(t, found)
	for _, line := range []struct {
		title string
		of    map[string]int
	}{
		{"differ first in", found.By}, {"left out", found.LeftOut}, {"refused to the new code", found.Refused},
	} {
		if len(line.of) > 0 {
			fmt.Fprintf(t.Out, "    %s: %s\n", line.title, counts(line.of))
		}
	}
	if found.Acting > 0 {
		fmt.Fprintf(t.Out, "    requests in which it asked for that: %d\n", found.Acting)
	}
	if found.Large > 0 {
		fmt.Fprintf(t.Out, "    bodies over 256 KiB, compared in length at most: %d\n", found.Large)
	}
	for _, ex := range found.Examples {
		times := ""
		if ex.Times > 1 {
			times = fmt.Sprintf(", %d times", ex.Times)
		}
		fmt.Fprintf(t.Out, "    %s  %s\n", t.Bold(printable(ex.Request)), t.Faint(ex.What+times))
		fmt.Fprintf(t.Out, "      old  %s\n      new  %s\n", orDash(printable(ex.Old)), orDash(printable(ex.New)))
	}
}

// tellSides is the table of what both have answered.
func tellSides(t *Terminal, found *control.Shadow) {
	list := table{indent: "    ", right: map[int]bool{1: true, 2: true}}
	list.add(plain("", "old code", "new code")...)
	list.add(plain("answers compared", fmt.Sprint(found.Compared), fmt.Sprint(found.Compared))...)
	classes := maps.Clone(found.Old.Statuses)
	if classes == nil {
		classes = map[string]int{}
	}
	maps.Copy(classes, found.New.Statuses)
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		title := "status " + class
		if class == "none" {
			title = "no answer"
		}
		list.add(plain(title, fmt.Sprint(found.Old.Statuses[class]), fmt.Sprint(found.New.Statuses[class]))...)
	}
	list.add(plain("service time", milliseconds(found.Old.Typical), milliseconds(found.New.Typical))...)
	list.write(t.Out)
}

// counts writes "body 3, status 1", in the order of the names.
func counts(of map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%s %d", printable(name), of[name]))
	}
	return strings.Join(parts, ", ")
}
