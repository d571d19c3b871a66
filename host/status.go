// host status: what runs, for people and for programs.

package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/admin"
	"github.com/workerhost/workerhost/host/internal/control"
)

// askTimeout is far more than a host needs to answer.
const askTimeout = 10 * time.Second

func statusCommand() *command {
	return &command{
		name:    "status",
		summary: "Show listeners, pools and workers",
		detail: `A worker is starting, idle, busy, draining, stopped or backing-off (it ended too early, and is tried again).
The last column says why a worker was last restarted, other than by a reload. The names in the JSON are promised.

With --check it says, as /readyz does, whether every pool has a worker that takes requests and every listener serves;
the exit status is 1, and the reasons are on standard error, if not.`,
		example: `host status
host status --watch
host status --check || echo 'no traffic, please'
host status --json | jq '.pools[].workers[].pid'`,
		define: func(f *pflag.FlagSet) func(*terminal, []string) error {
			find := hostFlags(f)
			view := viewFlags(f)
			check := f.Bool("check", false, "exit with 1 while a pool can't serve; with --json the status is printed, too")
			return func(t *terminal, args []string) error {
				draw := showStatus
				if *check {
					if *view.watch {
						return misused("--check looks once, and --watch again and again: give one of them")
					}
					draw = func(*terminal, control.Status) {}
				}
				var seen control.Status
				err := view.show(t, args, find, func(st control.Status) any {
					seen = st
					return st
				}, func(t *terminal, st control.Status) {
					seen = st
					draw(t, st)
				})
				if err == nil && *check {
					return checkServing(t, seen, *view.json)
				}
				return err
			}
		},
	}
}

// checkServing says whether the host should get traffic.
func checkServing(t *terminal, st control.Status, asJSON bool) error {
	if why := admin.Unready(st); len(why) > 0 {
		return &ended{outcome: control.NotDone, text: strings.Join(why, "\n")}
	}
	if !asJSON {
		fmt.Fprintln(t.out, "ready")
	}
	return nil
}

func showStatus(t *terminal, st control.Status) {
	head := fmt.Sprintf("host %s  pid %d  up %s", st.Version, st.PID, humanDuration(fromSeconds(st.Uptime)))
	if st.Config != "" {
		head += "  " + st.Config
	}
	if st.Stopping {
		head += "  " + t.yellow("stopping")
	}
	fmt.Fprintf(t.out, "%s\n\n", head)
	listeners := table{indent: "  "}
	for _, l := range st.Listen {
		protocol := l.Protocol
		if l.TLS {
			protocol += " over TLS"
		}
		state := cell{}
		if !l.Serving {
			state = cell{"waits for its pool", t.yellow}
			if st.Stopping {
				state = cell{"closed", t.yellow}
			}
		} else if l.Problem != "" {
			state = cell{"turns clients away: " + l.Problem, t.red}
		}
		listeners.add(cell{text: l.Address}, cell{text: protocol}, cell{text: "→ " + l.Pool}, state)
	}
	listeners.write(t.out)
	if text := byProtocol(st.Connections); text != "" {
		fmt.Fprintf(t.out, "\n  %s\n", text)
	}
	for _, p := range st.Pools {
		showPool(t, p)
	}
}

// byProtocol writes "1200 connections: 1000 websocket, 200 tcp".
func byProtocol(open map[string]int) string {
	var parts []string
	all := 0
	for _, name := range slices.Sorted(maps.Keys(open)) {
		parts = append(parts, fmt.Sprintf("%d %s", open[name], name))
		all += open[name]
	}
	if all == 0 {
		return ""
	}
	return counted(all, "long-lived connection") + ": " + strings.Join(parts, ", ")
}

func showPool(t *terminal, p control.Pool) {
	head := fmt.Sprintf("\n%s  generation %d  %s  %d queued", t.bold(p.Name), p.Generation, population(p), p.Queued)
	if p.Generation == 0 {
		head = fmt.Sprintf("\n%s  %s", t.bold(p.Name), t.yellow("starting"))
	}
	if p.Waiting > 0 {
		head += fmt.Sprintf(", %s waiting", counted(p.Waiting, "event"))
	}
	if p.Reloading {
		text := "reloading"
		if p.Progress != nil && p.Progress.Workers > 0 {
			text = fmt.Sprintf("reloading: %d of %s replaced", p.Progress.Replaced, counted(p.Progress.Workers, "worker"))
		}
		head += "  " + t.yellow(text)
	}
	if p.Directory != "" {
		head += "  " + p.Directory
		if !p.Pinned {
			head += t.faint(" (unpinned)")
		}
	}
	fmt.Fprintln(t.out, head)
	if p.Failure != "" {
		fmt.Fprintf(t.out, "  %s\n", t.red("the last start failed: "+strings.ReplaceAll(strings.TrimRight(p.Failure, "\n"), "\n", "\n  ")))
	}
	if p.LogDropped > 0 {
		text := fmt.Sprintf("lines missing from the log: %d, since a worker said more than log_rate", p.LogDropped)
		fmt.Fprintf(t.out, "  %s\n", t.yellow(text))
	}
	showWorkers(t, p)
}

// showWorkers is the table alone.
func showWorkers(t *terminal, p control.Pool) {
	if len(p.Workers) == 0 {
		return
	}
	list := table{indent: "  ", right: map[int]bool{0: true, 1: true, 3: true, 4: true, 5: true, 6: true, 7: true}}
	var header []cell
	for _, title := range []string{"WORKER", "PID", "STATE", "GENERATION", "REQUESTS", "MEMORY", "UPTIME", "RESTARTS", "LAST RESTART"} {
		header = append(header, cell{title, t.faint})
	}
	list.add(header...)
	for _, w := range p.Workers {
		pid, uptime := "-", "-"
		if w.PID != 0 {
			pid, uptime = strconv.Itoa(w.PID), humanDuration(fromSeconds(w.Uptime))
		}
		list.add(
			cell{text: strconv.Itoa(w.Slot)}, cell{text: pid}, cell{w.State, stateColour(t, w.State)}, cell{text: strconv.FormatUint(w.Generation, 10)},
			cell{text: strconv.FormatUint(w.Requests, 10)}, cell{text: humanBytes(w.Memory)}, cell{text: uptime}, cell{text: strconv.Itoa(w.Restarts)}, cell{text: w.Restarted},
		)
	}
	list.write(t.out)
}

// population is how many workers the pool has, and how many it may have where that varies: 3 workers (2–8).
func population(p control.Pool) string {
	text := counted(slots(p), "worker")
	if p.MinWorkers != p.MaxWorkers {
		text += fmt.Sprintf(" (%d–%d)", p.MinWorkers, p.MaxWorkers)
	}
	return text
}

// slots counts the workers that the pool is meant to have; those that drain have a successor already.
func slots(p control.Pool) int {
	seen := map[int]bool{}
	for _, w := range p.Workers {
		seen[w.Slot] = true
	}
	return len(seen)
}

func stateColour(t *terminal, state string) func(string) string {
	switch state {
	case "idle":
		return t.green
	case "busy":
		return t.blue
	case "backing-off", "stopped":
		return t.red
	}
	return t.yellow
}
