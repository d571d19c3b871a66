// host status: what runs, for people and for programs.

package cli

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

// AskTimeout is far more than a host needs to answer.
const AskTimeout = 10 * time.Second

// StatusCommand is host status.
func StatusCommand() *Command {
	return &Command{
		Name:    "status",
		Summary: "Show listeners, pools and workers",
		Detail: `A worker is starting, idle, busy, draining, stopped or backing-off (it ended too early, and is
tried again), or parked: one of the generation before, which stays without a request for host rollback until the
time that is shown. Where a worker takes several requests at once, the number behind its state is how many it has;
it is blocked while one of them holds up all others. With a canary the workers of the new code are the candidate's,
and the fresh ones of the old code the control's. The last column says why a worker was last restarted, other than
by a reload. The names in the JSON are promised. A php-fpm is one worker; its children are below it, as far as it
tells of them within a moment (PHP 8.0 and later).

With --check it says, as /readyz does, whether every pool has a worker that takes requests and every listener
serves; the exit status is 1, and the reasons are on standard error, if not.`,
		Example: `host status
host status --watch
host status --check || echo 'no traffic, please'
host status --json | jq '.pools[].workers[].pid'`,
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := hostFlags(f)
			view := viewFlags(f)
			check := f.Bool("check", false,
				"exit with 1 while a pool can't serve; with --json the status is printed, too")
			all := f.Bool("cluster", false, "show the hosts of the cluster, a line each")
			return func(t *Terminal, args []string) error {
				if *all {
					if *check || *view.watch {
						return Misused("--cluster looks once, at all hosts: --check and --watch mean nothing with it")
					}
					client, err := find()
					if err == nil {
						err = noArguments(args)
					}
					if err != nil {
						return err
					}
					return showCluster(t, client, *view.json)
				}
				draw := showStatus
				if *check {
					if *view.watch {
						return Misused("--check looks once, and --watch again and again: give one of them")
					}
					draw = func(*Terminal, control.Status) {}
				}
				var seen control.Status
				err := view.show(t, args, find, func(st control.Status) any {
					seen = st
					return st
				}, func(t *Terminal, st control.Status) {
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
func checkServing(t *Terminal, st control.Status, asJSON bool) error {
	if why := admin.Unready(st); len(why) > 0 {
		return &Ended{Outcome: control.NotDone, Text: strings.Join(why, "\n")}
	}
	if !asJSON {
		fmt.Fprintln(t.Out, strings.Join(append([]string{"ready"}, admin.Lacking(st)...), "\n"))
	}
	return nil
}

func showStatus(t *Terminal, st control.Status) {
	head := fmt.Sprintf("host %s  pid %d  up %s", st.Version, st.PID, HumanDuration(FromSeconds(st.Uptime)))
	if st.Config != "" {
		head += "  " + st.Config
	}
	if st.Stopping {
		head += "  " + t.Yellow("stopping")
	}
	fmt.Fprintf(t.Out, "%s\n", head)
	showUpgrade(t, st.Upgrade)
	if st.Maintenance != nil {
		showMaintenance(t, st.Maintenance)
	}
	fmt.Fprintln(t.Out)
	listeners := table{indent: "  "}
	for _, l := range st.Listen {
		protocol := l.Protocol
		if l.TLS {
			protocol += " over TLS"
		}
		if l.HTTP3 {
			protocol += ", and HTTP/3"
		}
		state := cell{}
		if !l.Serving {
			state = cell{"waits for its pool", t.Yellow}
			if st.Stopping {
				state = cell{"closed", t.Yellow}
			}
		} else if l.Problem != "" {
			state = cell{"turns clients away: " + l.Problem, t.Red}
		}
		listeners.add(cell{text: l.Address}, cell{text: protocol}, cell{text: leadsTo(l.Pool)}, state)
	}
	listeners.write(t.Out)
	for _, l := range st.Listen {
		showRoutes(t, l)
	}
	showCertificates(t, st.Certificates)
	showServices(t, st.Services)
	if text := byProtocol(st.Connections); text != "" {
		fmt.Fprintf(t.Out, "\n  %s\n", text)
	}
	if text := ofChannels(st.Channels); text != "" {
		fmt.Fprintf(t.Out, "\n  %s\n", text)
	}
	one := !slices.ContainsFunc(st.Pools, func(p control.Pool) bool { return p.Realm != st.Pools[0].Realm })
	for _, p := range st.Pools {
		if one {
			p.Realm = "" // it says nothing
		}
		showPool(t, p)
		if p.Canary != nil {
			fmt.Fprintf(t.Out, "\n  %s\n%s\n", canaryHead(p.Name, p.Canary),
				strings.Join(canaryLines(t, p.Canary), "\n"))
		}
	}
}

// showUpgrade says how this host took over from another one, if it did.
func showUpgrade(t *Terminal, u *control.Upgraded) {
	if u == nil {
		return
	}
	text := fmt.Sprintf("took over %s from pid %d, %s, with %s", u.Time.Local().Format(time.DateTime), u.PID,
		u.Version, Counted(u.Moved, "long-lived connection"))
	if u.Moved > 0 {
		text += " after a pause of " + HumanDuration(fromMillis(u.Paused))
	}
	if u.Stayed > 0 {
		text += fmt.Sprintf("; %d stayed", u.Stayed)
	}
	fmt.Fprintln(t.Out, text)
	switch {
	case u.Guests > 0 && u.Until != nil:
		fmt.Fprintln(t.Out, t.Yellow(fmt.Sprintf("by way of an old process until %s at most: %s",
			u.Until.Local().Format(time.DateTime), Counted(u.Guests, "connection"))))
	case u.Finishes:
		fmt.Fprintln(t.Out, t.Yellow("the old process still finishes what it has"))
	}
}

// leadsTo is what becomes of a listener's requests, those of its routes aside.
func leadsTo(pool string) string {
	if pool == "" {
		return "by routes alone"
	}
	return "→ " + pool
}

// showRoutes shows those of a listener, if there are any.
func showRoutes(t *Terminal, l control.Listener) {
	if len(l.Routes) == 0 {
		return
	}
	fmt.Fprintf(t.Out, "\n  routes of %s\n", l.Address)
	routes := table{indent: "    "}
	for _, r := range l.Routes {
		routes.add(plain(r.Name, "→ "+r.To, Counted(int(r.Requests), "request"))...)
	}
	routes.write(t.Out)
}

// showCertificates shows those of the host's own getting, if there are any.
func showCertificates(t *Terminal, all []control.Certificate) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(t.Out, "\n  certificates\n")
	list := table{indent: "    "}
	for _, c := range all {
		state, paint := "until "+c.Until, t.Faint
		if c.Until == "" {
			state, paint = "none yet", t.Yellow
		}
		problem := cell{}
		if c.Problem != "" {
			problem = cell{c.Problem, t.Red}
		}
		list.add(cell{text: c.Name}, cell{state, paint}, problem)
	}
	list.write(t.Out)
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
	return Counted(all, "long-lived connection") + ": " + strings.Join(parts, ", ")
}

func showPool(t *Terminal, p control.Pool) {
	head := fmt.Sprintf("\n%s  generation %d  %s  %d queued", t.Bold(p.Name), p.Generation, population(p), p.Queued)
	if p.Generation == 0 {
		head = fmt.Sprintf("\n%s  %s", t.Bold(p.Name), t.Yellow("starting"))
	}
	if p.Realm != "" {
		head += "  realm " + p.Realm
	}
	if p.Waiting > 0 {
		head += fmt.Sprintf(", %s waiting", Counted(p.Waiting, "event"))
	}
	if p.Reloading {
		text := "reloading"
		if p.Progress != nil && p.Progress.Workers > 0 {
			text = fmt.Sprintf("reloading: %d of %s replaced", p.Progress.Replaced,
				Counted(p.Progress.Workers, "worker"))
		}
		head += "  " + t.Yellow(text)
	}
	if p.Directory != "" {
		head += "  " + p.Directory
		if !p.Pinned {
			head += t.Faint(" (unpinned)")
		}
	}
	fmt.Fprintln(t.Out, head)
	if p.Failure != "" {
		fmt.Fprintf(t.Out, "  %s\n", t.Red(
			"the last start failed: "+strings.ReplaceAll(strings.TrimRight(p.Failure, "\n"), "\n", "\n  ")))
	}
	if p.LogDropped > 0 {
		text := fmt.Sprintf("lines missing from the log: %d, since a worker said more than log_rate", p.LogDropped)
		fmt.Fprintf(t.Out, "  %s\n", t.Yellow(text))
	}
	for _, o := range p.Templates {
		text := fmt.Sprintf("generation %d is forked from process %d, of %s", o.Generation, o.PID,
			HumanBytes(o.Memory))
		if o.Booting {
			text = fmt.Sprintf("generation %d is to be forked from process %d, which starts", o.Generation, o.PID)
		}
		fmt.Fprintf(t.Out, "  %s\n", text)
	}
	if p.Fetches != nil {
		fmt.Fprintf(t.Out, "  %s\n", fetching(t, p.Fetches))
	}
	if text := parked(p); text != "" {
		fmt.Fprintf(t.Out, "  %s\n", text)
	}
	showWorkers(t, p)
}

// parked says what of a pool is parked, and until when; "" if nothing is.
func parked(p control.Pool) string {
	workers, memory, left, generation := 0, int64(0), 0.0, uint64(0)
	for _, w := range p.Workers {
		if w.State == "parked" {
			workers++
			memory += w.Memory
			left, generation = max(left, w.Parked), w.Generation
		}
	}
	if workers == 0 {
		return ""
	}
	until := "the reload completes"
	if left > 0 {
		until = time.Now().Add(FromSeconds(left)).Format("15:04:05")
	}
	return fmt.Sprintf("generation %d is parked until %s: %s, %s; host rollback has it serve again", generation, until,
		Counted(workers, "worker"), HumanBytes(memory))
}

// showWorkers is the table alone.
func showWorkers(t *Terminal, p control.Pool) {
	all := allWorkers(p)
	if len(all) == 0 {
		return
	}
	list := table{indent: "  ", right: map[int]bool{0: true, 1: true, 3: true, 4: true, 5: true, 6: true, 7: true}}
	var header []cell
	for _, title := range []string{"WORKER", "PID", "STATE", "GENERATION", "REQUESTS", "MEMORY", "UPTIME", "RESTARTS",
		"LAST RESTART"} {
		header = append(header, cell{title, t.Faint})
	}
	list.add(header...)
	for _, w := range all {
		slot := strconv.Itoa(w.Slot)
		if w.Canary != "" {
			slot = w.Canary + " " + slot
		}
		pid, uptime := "-", "-"
		if w.PID != 0 {
			pid, uptime = strconv.Itoa(w.PID), HumanDuration(FromSeconds(w.Uptime))
		}
		list.add(
			cell{text: slot}, cell{text: pid}, stateCell(t, w.Worker),
			cell{text: strconv.FormatUint(w.Generation, 10)},
			cell{text: strconv.FormatUint(w.Requests, 10)}, cell{text: HumanBytes(w.Memory)}, cell{text: uptime},
			cell{text: strconv.Itoa(w.Restarts)}, cell{text: w.Restarted},
		)
	}
	list.write(t.Out)
	for _, w := range all {
		showChildren(t, w.Worker)
	}
}

// stateCell is a worker's state, with how many requests it has where it takes several, and whether one of them holds
// up the others.
func stateCell(t *Terminal, w control.Worker) cell {
	c := cell{w.State, stateColour(t, w.State)}
	if w.Blocked > 0 {
		c = cell{"blocked", t.Red}
	}
	if w.Inflight > 1 {
		c.text += fmt.Sprintf(" (%d)", w.Inflight)
	}
	return c
}

// showChildren is the table of the processes that a worker has of its own.
func showChildren(t *Terminal, w control.Worker) {
	if len(w.Children) == 0 {
		return
	}
	fmt.Fprintf(t.Out, "\n  %s\n", t.Faint(fmt.Sprintf("children of %d", w.PID)))
	list := table{indent: "  ", right: map[int]bool{0: true, 2: true, 3: true, 4: true, 5: true}}
	var header []cell
	for _, title := range []string{"PID", "STATE", "REQUESTS", "MEMORY", "UPTIME", "RUNNING", "REQUEST"} {
		header = append(header, cell{title, t.Faint})
	}
	list.add(header...)
	for _, c := range w.Children {
		running := ""
		if c.Request != "" {
			running = HumanDuration(FromSeconds(c.Running))
		}
		list.add(cell{text: strconv.Itoa(c.PID)}, cell{c.State, stateColour(t, c.State)},
			cell{text: strconv.FormatUint(c.Requests, 10)}, cell{text: HumanBytes(c.Memory)},
			cell{text: HumanDuration(FromSeconds(c.Uptime))}, cell{text: running}, cell{text: c.Request})
	}
	list.write(t.Out)
}

// population is how many workers the pool has, and how many it may have where that varies: 3 workers (2–8).
func population(p control.Pool) string {
	text := Counted(slots(p), "worker")
	if p.MinWorkers != p.MaxWorkers {
		text += fmt.Sprintf(" (%d–%d)", p.MinWorkers, p.MaxWorkers)
	}
	return text
}

// slots counts the workers that the pool is meant to have; those that drain have a successor already.
func slots(p control.Pool) int {
	seen := map[int]bool{}
	for _, w := range p.Workers {
		if w.State != "parked" {
			seen[w.Slot] = true
		}
	}
	return len(seen)
}

func stateColour(t *Terminal, state string) func(string) string {
	switch state {
	case "idle":
		return t.Green
	case "busy":
		return t.blue
	case "backing-off", "stopped":
		return t.Red
	}
	return t.Yellow
}
