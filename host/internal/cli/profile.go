// host profile: what a worker, or the host itself, spends its time and memory on.

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/protocol"
)

// ProfileCommand is host profile.
func ProfileCommand() *Command {
	return &Command{
		Name:      "profile",
		Arguments: "[POOL[/SLOT]]",
		Summary:   "Take a profile of a worker, or of the host itself",
		Detail: `Without POOL it is of the host. Of workers in Go it is one, of pprof, for go tool pprof: the
first of the pool, or that of SLOT, as host workers counts them. A worker in PHP, with ext-pcntl, is asked a
hundred times a second where its code stands while it has a request; that makes folded stacks, text that
flamegraph.pl and speedscope.app read, of all workers of the pool together, or of that of SLOT. Each sample is a
signal, which cuts short a sleep() or a wait for several streams: host help profiling.

The profile goes to standard output, or, if that is a terminal, to a file in the working directory, named after
what it is of. It says how to look at it. Ctrl+C ends it, in the worker as well. When a reload replaces the
worker meanwhile, it is of the time until then. A worker has one at a time.

Only root and the user of the host may do this, whatever [control] group is, and over TCP only a token with the
right "profile".`,
		Example: "host profile web                    # ten seconds of its processor time\nhost profile web/3 --cpu " +
			"1m -o cpu.pb.gz\nhost profile api --heap\nhost profile --goroutine -o host.pb.gz",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			cpu := f.Duration("cpu", 10*time.Second, "for `TIME`, at most 5m: where processor time goes; for PHP, "+
				"where the time of requests goes")
			heap := f.Bool("heap", false, "what memory in use was allocated by, after a garbage collection")
			goroutine := f.Bool("goroutine", false, "where all goroutines stand")
			output := f.StringP("output", "o", "", "write to `FILE`; - is standard output")
			return func(t *Terminal, args []string) error {
				o := control.ProfileOrder{Kind: protocol.ProfileCPU, Seconds: cpu.Seconds()}
				switch {
				case *heap && *goroutine || (*heap || *goroutine) && f.Changed("cpu"):
					return Misused("one profile at a time: --cpu, --heap or --goroutine")
				case *heap:
					o.Kind, o.Seconds = protocol.ProfileHeap, 0
				case *goroutine:
					o.Kind, o.Seconds = protocol.ProfileGoroutine, 0
				case *cpu <= 0 || *cpu > protocol.MaxProfileTime:
					return Misused("--cpu: expected more than 0s, and at most 5m, found %v", *cpu)
				}
				if err := whose(&o, args); err != nil {
					return err
				}
				client, err := find()
				if err != nil {
					return err
				}
				return profile(t, client, o, *output)
			}
		},
	}
}

// whose reads POOL or POOL/SLOT.
func whose(o *control.ProfileOrder, args []string) error {
	if len(args) > 1 {
		return Misused("expected one POOL or POOL/SLOT at most, and got %s", strings.Join(args, " "))
	}
	if len(args) == 0 {
		return nil
	}
	pool, number, numbered := strings.Cut(args[0], "/")
	o.Pool = pool
	slot, err := strconv.Atoi(number)
	if pool == "" || numbered && (err != nil || slot < 0) {
		return Misused("expected POOL or POOL/SLOT, as in web/0, found %q", args[0])
	}
	if numbered {
		o.Slot = &slot
	}
	return nil
}

func profile(t *Terminal, client *control.Client, o control.ProfileOrder, output string) error {
	ctx, done := UntilInterrupted()
	defer done()
	made, err := client.Profile(ctx, o)
	var stop *interrupted
	switch {
	case errors.As(context.Cause(ctx), &stop):
		stop.text = "the profile has ended, and nothing is kept of it"
		return stop
	case err != nil:
		return withRemedy(err)
	case made.Format == control.FormatFolded && made.Samples == 0:
		return fmt.Errorf("no request ran within %v in pool %s, so there is nothing to see: take it under load",
			o.Lasts(), o.Pool)
	}
	file := output
	if file == "" && t.isTerminal() {
		file = profileName(&made, time.Now())
	}
	if file == "" || file == "-" {
		_, err = t.Out.Write(made.Bytes)
	} else if err = os.WriteFile(file, made.Bytes, 0o600); err == nil { // it shows the code
		fmt.Fprintf(t.Err, "%s is %s\n", file, describe(&o, &made))
		t.tellViewer(&made, file)
	}
	return err
}

// isTerminal says whether output goes to a terminal.
func (t *Terminal) isTerminal() bool {
	f, ok := t.Out.(*os.File)
	return ok && IsTerminal(f)
}

// profileName is that of a file for a profile: "web-0-cpu-20300131-235900.pb.gz".
func profileName(made *control.Profile, now time.Time) string {
	parts := []string{cmp.Or(made.Pool, "host")}
	if len(made.Workers) == 1 {
		parts = append(parts, strconv.Itoa(made.Workers[0].Slot))
	}
	ending := ".pb.gz"
	if made.Format == control.FormatFolded {
		ending = ".folded"
	}
	return strings.Join(append(parts, made.Kind, now.Format("20060102-150405")), "-") + ending
}

// describe says what a profile is, as "a profile of cpu for 10s, of worker 0 of pool web (pid 4711, generation 3)".
func describe(o *control.ProfileOrder, made *control.Profile) string {
	lasted := time.Duration(made.Seconds * float64(time.Second))
	text := "a profile of " + made.Kind
	if made.Kind == protocol.ProfileCPU {
		text += " for " + HumanDuration(lasted)
	}
	switch n := len(made.Workers); {
	case made.Pool == "":
		text += ", of the host"
	case n == 1:
		w := made.Workers[0]
		text += fmt.Sprintf(", of worker %d of pool %s (pid %d, generation %d)", w.Slot, made.Pool, w.PID,
			w.Generation)
	default:
		text += fmt.Sprintf(", of the %s of pool %s", Counted(n, "worker"), made.Pool)
	}
	if made.Format == control.FormatFolded {
		text += fmt.Sprintf(": %s, while requests ran %d %% of the time", Counted(made.Samples, "sample"),
			100*made.Samples/(made.Samples+made.Idle))
	}
	if lasted < o.Lasts()-time.Second {
		text += "; it ended early, as its worker did"
	}
	return text
}

// tellViewer says how to look at a profile.
func (t *Terminal) tellViewer(made *control.Profile, file string) {
	if made.Format == control.FormatFolded {
		fmt.Fprintf(t.Err, "Look at it with\n    flamegraph.pl %s > %[1]s.svg\nor open it at "+
			"https://www.speedscope.app, which keeps it in the browser\n", file)
		return
	}
	fmt.Fprintf(t.Err, "Look at it with\n    go tool pprof -http localhost: %s\n", file)
}
