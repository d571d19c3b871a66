// reloadrehearse.go: a reload whose new code is asked first what a log has, beside the old.

package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/rehearse"
)

// mostRehearsed is how many requests a reload brings, unless --requests says otherwise.
const mostRehearsed = 500

// reloadRehearsal defines --rehearse, --compare and --header, and gives what reads them with --requests, --ignore and
// --for, which is the canary's where both are given; nil is that none was given.
func reloadRehearsal(f *pflag.FlagSet) (read func() (*control.RehearseAsk, error)) {
	log := f.String("rehearse", "", "ask old and new code the safe requests of the `LOG` first, and go live only if "+
		"no answer differs: host help rehearse")
	compare := compareFlag(f)
	fields := f.StringArray("header", nil, "in a rehearsal, send `'NAME: VALUE'` to old and new code (repeatable)")
	return func() (*control.RehearseAsk, error) {
		if *log == "" {
			if f.Changed("compare") || f.Changed("header") {
				return nil, Misused("--compare and --header belong to --rehearse")
			}
			return nil, nil
		}
		ignore, _ := f.GetStringArray("ignore")
		if _, err := rehearsalRules(*compare, ignore); err != nil {
			return nil, err
		}
		most := mostRehearsed
		if n, _ := f.GetInt("requests"); f.Changed("requests") {
			if n < 1 || n > 10*mostRehearsed {
				return nil, Misused("--requests of a rehearsal is from 1 to %d", 10*mostRehearsed)
			}
			most = n
		}
		headers, host, err := givenHeaders(*fields)
		if err != nil {
			return nil, err
		}
		ask := &control.RehearseAsk{Compare: *compare, Ignore: ignore}
		if took, _ := f.GetDuration("for"); f.Changed("for") && !f.Changed("canary") {
			if took < time.Second {
				return nil, Misused("--for is at least 1s")
			}
			ask.For = took.Seconds()
		}
		source, err := readRehearsed(*log, []string{"GET", "HEAD"})
		if err != nil {
			return nil, err
		}
		ask.Requests = rehearse.Pick(source.Requests, most)
		for i := range ask.Requests {
			ask.Requests[i].Send(host, headers)
		}
		return ask, nil
	}
}

// tellRehearsed is about what old and new code have answered.
func (s *reloadStory) tellRehearsed(e control.Event) {
	fmt.Fprintf(s.t.Out, "%s  rehearsal: %s\n", e.Pool, e.What)
	if e.Rehearsal != nil {
		s.t.showRehearsal(e.Rehearsal)
	}
}
