// beside.go: host cron and host service, about what runs beside the workers.

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// CronCommand is host cron.
func CronCommand() *Command {
	return &Command{
		Name:      "cron",
		Arguments: "[run NAME]",
		Summary:   "Show what runs by the clock, or run it now",
		Detail: `It shows each [[cron]] with its next run, and how the last one went. With run NAME that entry
runs now, and the command waits for its end; Ctrl+C leaves it running. The exit status says whether it went well.

To run one takes root or the user of the host, whatever [control] group is, or over TCP a token with the right
"run": host help cron.`,
		Example: "host cron\nhost cron --json\nhost cron run nightly",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			asJSON := f.Bool("json", false, "print JSON")
			return func(t *Terminal, args []string) error {
				if len(args) != 0 && (len(args) != 2 || args[0] != "run") {
					return Misused("expected nothing, or run NAME, and got %q", args)
				}
				client, err := find()
				if err != nil {
					return err
				}
				if len(args) == 2 {
					return runCron(t, client, args[1], *asJSON)
				}
				ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
				defer cancel()
				all, err := client.Cron(ctx)
				if err != nil {
					return err
				}
				if *asJSON {
					return printJSON(t, all)
				}
				showCron(t, all)
				return nil
			}
		},
	}
}

func printJSON(t *Terminal, value any) error {
	encoder := json.NewEncoder(t.Out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

func runCron(t *Terminal, client *control.Client, name string, asJSON bool) error {
	run, err := client.RunCron(context.Background(), name)
	if err != nil {
		return err
	}
	if asJSON {
		if err := printJSON(t, run); err != nil {
			return err
		}
	} else if run.Output != "" {
		fmt.Fprintln(t.Out, printable(run.Output))
	}
	if run.Error != "" {
		return errors.New(name + " failed after " + HumanDuration(fromMillis(run.Took)) + ": " + run.Error)
	}
	if !asJSON {
		fmt.Fprintf(t.Out, "%s is over, after %s\n", name, HumanDuration(fromMillis(run.Took)))
	}
	return nil
}

func showCron(t *Terminal, all []control.CronEntry) {
	if len(all) == 0 {
		fmt.Fprintln(t.Out, "there is no [[cron]] in the configuration: host help cron")
		return
	}
	list := table{right: map[int]bool{4: true, 5: true}}
	var header []cell
	for _, title := range []string{"NAME", "SCHEDULE", "NEXT", "LAST", "RUNS", "FAILED", "WHAT"} {
		header = append(header, cell{title, t.Faint})
	}
	list.add(header...)
	for _, e := range all {
		next := "-"
		if e.Next != nil {
			next = e.Next.Local().Format(time.DateTime)
		}
		list.add(cell{text: e.Name}, cell{text: e.Schedule}, cell{text: next}, lastRun(t, e),
			cell{text: fmt.Sprint(e.Runs)}, cell{text: fmt.Sprint(e.Failed)}, cell{text: Shortened(e.What, 50)})
	}
	list.write(t.Out)
	for _, e := range all {
		if len(e.History) > 0 && e.History[0].Error != "" {
			fmt.Fprintf(t.Out, "\n%s: %s\n", e.Name, printable(e.History[0].Error))
			if out := e.History[0].Output; out != "" {
				fmt.Fprintln(t.Out, printable(out))
			}
		}
	}
}

func lastRun(t *Terminal, e control.CronEntry) cell {
	switch {
	case e.Running > 0:
		return cell{"runs now", t.Green}
	case len(e.History) == 0:
		return cell{text: "-"}
	}
	last := e.History[0]
	text := last.Began.Local().Format(time.DateTime) + ", " + HumanDuration(fromMillis(last.Took))
	if last.Error != "" {
		return cell{text + ", failed", t.Red}
	}
	return cell{text: text}
}

// ServiceCommand is host service.
func ServiceCommand() *Command {
	return &Command{
		Name:      "service",
		Arguments: "restart NAME",
		Summary:   "Restart a service",
		Detail: `The process of [service.NAME] is asked to stop, killed after stop_timeout, and another one is
started. host status shows the services.

It takes root or the user of the host, whatever [control] group is, or over TCP a token with the right "run":
host help services.`,
		Example: "host service restart queue",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			return func(t *Terminal, args []string) error {
				if len(args) != 2 || args[0] != "restart" {
					return Misused("expected restart NAME, and got %q", args)
				}
				client, err := find()
				if err != nil {
					return err
				}
				v, err := client.RestartService(context.Background(), args[1])
				if err == nil {
					fmt.Fprintf(t.Out, "service %s was restarted, and is pid %d\n", v.Name, v.PID)
				}
				return err
			}
		},
	}
}

// showServices is their part of host status.
func showServices(t *Terminal, all []control.Service) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(t.Out)
	list := table{indent: "  "}
	for _, s := range all {
		state := cell{s.State, t.Green}
		if s.State != "running" {
			state = cell{s.State, t.Yellow}
		}
		text := fmt.Sprintf("pid %d for %s", s.PID, HumanDuration(time.Duration(s.Uptime*float64(time.Second))))
		if s.PID == 0 {
			text = Shortened(printable(s.Restarted), 80)
		}
		list.add(cell{text: "service " + s.Name}, state, cell{text: text}, cell{text: Counted(s.Restarts, "restart")},
			cell{text: fmt.Sprintf("%d MiB", s.Memory>>20)})
	}
	list.write(t.Out)
}
