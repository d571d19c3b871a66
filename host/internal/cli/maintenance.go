// host maintenance: sites that answer 503 while somebody works on them.

package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// MaintenanceCommand is host maintenance.
func MaintenanceCommand() *Command {
	return &Command{
		Name:      "maintenance",
		Arguments: "[on | off]",
		Summary:   "Answer 503 while somebody works on the site",
		Detail: `on has all requests answered 503 at once, with a page and Retry-After: no worker hears of them.
--route has it so for the requests of a route alone, and --allow lets those in who work on the site; --except
leaves paths alone, such as the one that a load balancer asks for. Requests under way go on, and so do connections
that are open. It stays so over reloads, upgrades and restarts of the host until off; host status shows it.

The page is error_pages' for 503, if there is one and no --text is given.

It takes root or the user of the host, whatever [control] group is, or over TCP a token with the right
"maintenance"; to look takes what host status takes.`,
		Example: "host maintenance on --retry-after 10m --allow 10.0.0.0/8 --except /up\n" +
			"host maintenance on --route shop --text 'The shop is back at nine.'\nhost maintenance\n" +
			"host maintenance off",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			asJSON := f.Bool("json", false, "print JSON")
			var m control.Maintenance
			f.StringVar(&m.Message, "text", "", "what clients read, in place of a `SENTENCE` of the host's")
			wait := f.Duration("retry-after", 0, "when clients may come again")
			f.StringArrayVar(&m.Allow, "allow", nil, "let clients of the `NETWORK` in, or \"unix\"; may be repeated")
			f.StringArrayVar(&m.Except, "except", nil,
				"leave the `PATH` alone, or with \"/x/*\" all below it; may be repeated")
			f.StringArrayVar(&m.Routes, "route", nil, "only requests of the route `NAME`; may be repeated")
			return func(t *Terminal, args []string) error {
				order := strings.Join(args, " ")
				given := m.Message != "" || *wait != 0 || len(m.Allow)+len(m.Except)+len(m.Routes) > 0
				switch {
				case order != "" && order != "on" && order != "off":
					return Misused("expected on, off or nothing, found %s", order)
				case order != "on" && given:
					return Misused("--text, --retry-after, --allow, --except and --route go with on")
				}
				client, err := find()
				if err != nil {
					return err
				}
				ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
				defer cancel()
				m.RetryAfter = wait.Seconds()
				switch order {
				case "on":
					err = client.SetMaintenance(ctx, &m)
				case "off":
					err = client.SetMaintenance(ctx, nil)
				}
				if err != nil {
					return err
				}
				now, err := client.Maintenance(ctx)
				if err != nil {
					return err
				}
				if *asJSON {
					return printJSON(t, now)
				}
				showMaintenance(t, now)
				return nil
			}
		},
	}
}

// showMaintenance shows what is in force; nil is nothing.
func showMaintenance(t *Terminal, m *control.Maintenance) {
	if m == nil {
		fmt.Fprintln(t.Out, "maintenance is off")
		return
	}
	what := "all requests are"
	if len(m.Routes) > 0 {
		what = "requests of " + strings.Join(m.Routes, ", ") + " are"
	}
	fmt.Fprintf(t.Out, "%s since %s: %s answered 503\n", t.Yellow("maintenance"),
		m.Since.Local().Format(time.DateTime), what)
	rows := table{indent: "  "}
	for _, row := range [][2]string{{"allowed", strings.Join(m.Allow, ", ")}, {"except", strings.Join(m.Except, ", ")},
		{"text", printable(m.Message)}} {
		if row[1] != "" {
			rows.add(plain(row[0], row[1])...)
		}
	}
	if m.RetryAfter > 0 {
		rows.add(plain("again after", HumanDuration(FromSeconds(m.RetryAfter)))...)
	}
	rows.write(t.Out)
}
