// host releases: what went live when, for people and for programs.

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/journal"
)

// ReleasesCommand is host releases.
func ReleasesCommand() *Command {
	return &Command{
		Name:      "releases",
		Arguments: "[POOL]",
		Summary:   "Show what went live when, and who asked for it",
		Detail: `The host keeps a journal of its reloads, the newest at the bottom: what came of each pool, its
generation, the commit if its folder is a git checkout, who asked for it and why, in the words of host reload
--message. It is read without the host, too, by the user whom it belongs to.

The journal begins with the first reload of a host, in the folder that the setting state names;
` + "`host check`" + ` shows it. Secrets in messages and errors are masked by their names. The JSON is one object
a line; its names are promised.`,
		Example: "host releases\nhost releases web -n 5\nhost releases --json | jq -r 'select(.outcome != " +
			"\"done\") | .time'",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := hostFlags(f)
			asJSON := f.Bool("json", false, "print JSON, one object a line")
			most := f.IntP("last", "n", 20, "show the last `N`; 0 is all that there are")
			return func(t *Terminal, args []string) error {
				if len(args) > 1 {
					return Misused("expected one POOL, and got %d: %q", len(args), args)
				}
				all, err := releases(find, f)
				if err != nil {
					return err
				}
				slices.SortStableFunc(all, func(a, b control.Release) int { return a.Time.Compare(b.Time) })
				if len(args) == 1 {
					all = slices.DeleteFunc(all, func(r control.Release) bool { return !concerns(r, args[0]) })
				}
				if *most > 0 && len(all) > *most {
					all = all[len(all)-*most:]
				}
				if !*asJSON {
					showReleases(t, all, args)
					return nil
				}
				encoder := json.NewEncoder(t.Out)
				encoder.SetEscapeHTML(false)
				for _, r := range all {
					if err := encoder.Encode(r); err != nil {
						return err
					}
				}
				return nil
			}
		},
	}
}

// releases asks the host, or reads what one has left that does not run.
func releases(find func() (*control.Client, error), f *pflag.FlagSet) (all []control.Release, err error) {
	client, err := find()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
	defer cancel()
	err = client.Releases(ctx, func(r control.Release) error {
		all = append(all, r)
		return nil
	})
	var none *control.NoHost
	if !errors.As(err, &none) || none.Remote() || none.PID != 0 {
		return all, err
	}
	path, problem := config.FindJournal(none.Path, f.Lookup("config").Value.String(), os.LookupEnv)
	if problem != nil {
		return nil, problem
	}
	all, problem = journal.Read[control.Release](path)
	switch {
	case errors.Is(problem, fs.ErrNotExist):
		return nil, fmt.Errorf("%w\nNor is there a journal of one at %s", withRemedy(err), path)
	case problem != nil:
		return nil, fmt.Errorf("the journal can't be read: %w: run this as the user that runs the host, or as root",
			problem)
	}
	return all, nil
}

// concerns says whether the release has something of a pool.
func concerns(r control.Release, pool string) bool {
	return slices.ContainsFunc(r.Pools, func(p control.Released) bool { return p.Pool == pool }) ||
		len(r.Chosen) == 0 && len(r.Pools) == 0
}

// shortCommit is how much of a commit's name people read.
const shortCommit = 10

func showReleases(t *Terminal, all []control.Release, pool []string) {
	if len(all) == 0 {
		fmt.Fprintln(t.Out, "nothing went live yet")
		return
	}
	list := table{right: map[int]bool{3: true}}
	var header []cell
	for _, title := range []string{"WHEN", "WHAT", "POOL", "GENERATION", "COMMIT", "TOOK", "BY", "WHY"} {
		header = append(header, cell{title, t.Faint})
	}
	list.add(header...)
	for _, r := range all {
		when := r.Time.Local().Format(time.DateTime)
		who, why := askers(r.By)
		if r.Act == "upgrade" && r.Before != "" {
			why = strings.TrimPrefix(why+", host "+r.Before+" → "+r.Version, ", ")
		}
		took := HumanDuration(fromMillis(r.Took))
		shown := r.Pools
		if len(pool) > 0 {
			shown = slices.DeleteFunc(slices.Clone(shown), func(p control.Released) bool { return p.Pool != pool[0] })
		}
		for i, p := range shown {
			if i > 0 {
				when, took, who, why = "", "", "", ""
			}
			generation := "-"
			if p.Generation > 0 {
				generation = fmt.Sprint(p.Generation)
			}
			list.add(cell{text: when}, t.result(r, p), cell{text: p.Pool}, cell{text: generation},
				cell{text: orDash(p.Commit[:min(len(p.Commit), shortCommit)])}, cell{text: took}, cell{text: who},
				cell{text: why})
		}
		if len(shown) == 0 {
			what := cell{string(r.Outcome), t.Red}
			if r.Outcome == control.Done {
				what = cell{text: "changed"}
			}
			list.add(cell{text: when}, what, cell{text: "-"}, cell{text: "-"}, cell{text: "-"}, cell{text: took},
				cell{text: who}, cell{text: why})
		}
	}
	list.write(t.Out)
	last := all[len(all)-1]
	if last.Outcome == control.Done {
		return
	}
	fmt.Fprintln(t.Out)
	for _, text := range append([]string{last.Error}, errorsOf(last)...) {
		if text != "" {
			fmt.Fprintln(t.Out, printable(text))
		}
	}
	if last.What != "" {
		fmt.Fprintf(t.Out, "%s %s\n", t.Bold("→"), last.What)
	}
}

// errorsOf are why the pools of a release failed.
func errorsOf(r control.Release) (texts []string) {
	for _, p := range r.Pools {
		if p.Error != "" {
			texts = append(texts, p.Pool+"  "+strings.TrimRight(p.Error, "\n"))
		}
	}
	return texts
}

// printable keeps what programs have said from doing anything to the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || strconv.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}

// result is what came of a pool, in a word or two.
func (t *Terminal) result(r control.Release, p control.Released) cell {
	switch p.Result {
	case control.Completed, control.PoolAdded:
		if r.Act == "start" {
			return cell{text: "started"}
		}
		if r.Act == "upgrade" {
			return cell{"upgraded", t.Green}
		}
		if r.Act == "rollback" {
			return cell{"rolled back", t.Yellow}
		}
		return cell{"live", t.Green}
	case control.ShadowOver:
		if s := p.Shadow; s != nil && s.Differ > 0 {
			return cell{"shadow: differs", t.Yellow}
		}
		return cell{text: "shadow"}
	case control.PutBack:
		return cell{"put back", t.Yellow}
	case control.Stays:
		return cell{"can't be put back", t.Red}
	case control.Kept:
		return cell{text: "kept"}
	case control.Failed:
		return cell{"failed", t.Red}
	}
	return cell{strings.ReplaceAll(string(p.Result), "_", " "), t.Yellow}
}

// askers says who asked, and why.
func askers(all []control.By) (who, why string) {
	var names, reasons []string
	for _, by := range all {
		name := by.User
		switch {
		case by.Token != "":
			name = "token " + by.Token + " from " + by.Address
		case by.Address != "":
			name = by.Address
		case by.Signal != "":
			name = "signal: " + by.Signal
		case by.How == "watch":
			name = "--watch"
		case by.Login != "":
			name = by.Login + " as " + by.User
		}
		names = append(names, Shortened(orDash(name), 40))
		if by.Message != "" {
			reasons = append(reasons, Shortened(by.Message, 60))
		}
	}
	return strings.Join(names, ", "), strings.Join(reasons, "; ")
}
