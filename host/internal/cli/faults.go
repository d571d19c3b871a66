// host faults and host replay: what failed, and whether the code as it is now still fails.

package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// FaultsCommand is host faults.
func FaultsCommand() *Command {
	return &Command{
		Name:      "faults",
		Arguments: "[POOL] | show ID | export ID",
		Summary:   "Show the requests and events that failed",
		Detail: `With [faults] keep in host.toml the host keeps the latest requests and events that ended in a
status from 500 on, an error, the death of their worker or a time-out: what was asked, without the secrets that it
knows, and what was logged of it. They are listed by kind, those that came last first; a kind that no older
generation had, though it was watched, is "new since" one. show has one of them whole; export writes it as JSON,
for a colleague, and for host replay FILE.

Only root and the user of the host may do this, whatever [control] group is, and over TCP only a token with the
right "faults".`,
		Example: "host faults\nhost faults show f12\nhost faults export f12 >f12.json",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := hostFlags(f)
			asJSON := f.Bool("json", false, "print JSON")
			return func(t *Terminal, args []string) error {
				act, id := "", ""
				switch {
				case len(args) == 2 && (args[0] == "show" || args[0] == "export"):
					act, id = args[0], args[1]
				case len(args) > 1 || len(args) == 1 && (args[0] == "show" || args[0] == "export"):
					return Misused("expected [POOL], show ID or export ID, found %s", strings.Join(args, " "))
				}
				client, err := find()
				if err != nil {
					return err
				}
				ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
				defer cancel()
				if act == "" {
					all, err := client.Faults(ctx, strings.Join(args, ""))
					if err != nil {
						return withRemedy(err)
					}
					if *asJSON {
						return printJSON(t, all)
					}
					t.showFaults(all)
					return nil
				}
				one, err := client.Fault(ctx, id)
				if err != nil {
					return withRemedy(err)
				}
				if *asJSON || act == "export" {
					return printJSON(t, one)
				}
				t.showFault(&one)
				return nil
			}
		},
	}
}

// ReplayCommand is host replay.
func ReplayCommand() *Command {
	return &Command{
		Name:      "replay",
		Arguments: "ID|FILE",
		Summary:   "Ask the code as it is on disk a request that failed",
		Detail: `A worker of the pool's code as it is now starts beside the pool, gets the request, and ends;
clients notice nothing, and nothing goes live. What that code asks of the host (to send to connections, say) is
refused and counted, unless there is --acts; what it writes elsewhere, to a database, stays. The request has the
header X-Worker-Replay, which no client can send. Secrets are not kept, so give those again that it takes: --header
"Cookie: …".

The status is 0 if the request does not fail any more, and 3 if it does. Only requests can be replayed, not
events. FILE is what host faults export has written, here or elsewhere.

Only root and the user of the host may do this, whatever [control] group is, and over TCP only a token with the
right "replay".`,
		Example: "host replay f12\nhost replay f12 --header 'Authorization: Bearer …' --body order.json\n" +
			"host replay f12.json --pool shop --debug",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			o := control.Replay{}
			f.StringVar(&o.Pool, "pool", "", "ask the code of the pool `NAME`, and not of that where it failed")
			fields := f.StringArray("header", nil, "`'NAME: VALUE'` in place of what is kept (repeatable)")
			body := f.String("body", "", "`FILE` with the body; - is standard input")
			f.BoolVar(&o.Acts, "acts", false, "do what the code asks of the host")
			f.BoolVar(&o.Debug, "debug", false,
				"start the worker with Xdebug's step debugger on, which PHP has to have, and let it take its time")
			asJSON := f.Bool("json", false, "print JSON")
			return func(t *Terminal, args []string) error {
				if len(args) != 1 {
					return Misused("expected one ID or FILE, found %d", len(args))
				}
				for _, field := range *fields {
					name, value, ok := strings.Cut(field, ":")
					if name = strings.TrimSpace(name); !ok || name == "" {
						return Misused("--header: expected 'NAME: VALUE', found %q", field)
					}
					o.Headers = append(o.Headers, name, strings.TrimSpace(value))
				}
				if err := readReplay(t, &o, args[0], *body); err != nil {
					return err
				}
				client, err := find()
				if err != nil {
					return err
				}
				ctx, done := UntilInterrupted()
				defer done()
				came, err := client.Replay(ctx, o)
				if err != nil {
					return withRemedy(err)
				}
				if *asJSON {
					err = printJSON(t, came)
				} else {
					t.showReplayed(&came)
				}
				if err == nil && came.What != "" {
					return EndedBy(control.TurnedBack, "it still fails: "+came.What)
				}
				return err
			}
		},
	}
}

// readReplay finds out whether what stands for the fault is a file, and reads that and the body.
func readReplay(t *Terminal, o *control.Replay, what, body string) error {
	o.ID = what
	if text, err := os.ReadFile(what); err == nil {
		o.ID, o.Fault = "", &control.Fault{}
		if err := json.Unmarshal(text, o.Fault); err != nil || o.Fault.What == "" {
			return errors.Join(fmt.Errorf("%s is not what host faults export writes", what), err)
		}
	} else if strings.ContainsAny(what, "./") {
		return err
	}
	if body == "" {
		return nil
	}
	from := io.Reader(os.Stdin)
	if body != "-" {
		file, err := os.Open(body)
		if err != nil {
			return err
		}
		defer file.Close()
		from = file
	}
	var err error
	if o.Body, err = io.ReadAll(io.LimitReader(from, mostReplayed+1)); err == nil && len(o.Body) > mostReplayed {
		err = fmt.Errorf("--body: at most %s can be replayed", config.Size(mostReplayed))
	}
	return err
}

// mostReplayed is how large a body may be that is replayed.
const mostReplayed = 64 << 10

func (t *Terminal) showFaults(all control.Faults) {
	if all.Keep == 0 {
		fmt.Fprintln(t.Out, "no faults are kept: set keep in [faults] of host.toml, to 200 for example, and reload")
		return
	}
	if len(all.Kinds) == 0 {
		fmt.Fprintln(t.Out, "nothing has failed since faults are kept")
		return
	}
	for _, k := range all.Kinds {
		fmt.Fprintf(t.Out, "%s  %s, %s in pool %s, the last %s", t.Bold(orDash(first(k.IDs))), t.Red(k.What),
			Counted(k.Count, "time"), k.Pool, ago(k.Last))
		if k.Count > 1 {
			fmt.Fprintf(t.Out, ", the first %s", ago(k.First))
		}
		if k.New {
			fmt.Fprintf(t.Out, ", %s", t.Yellow(fmt.Sprintf("new since generation %d", k.Generation)))
		}
		fmt.Fprintf(t.Out, "\n    %s\n", withPlace(cmp.Or(k.Message, "no error was logged"), k.Place, t.width()-5))
	}
	if all.Forgotten > 0 {
		fmt.Fprintf(t.Out, "%s more were forgotten for newer ones\n", Counted(all.Forgotten, "kind"))
	}
}

// withPlace is a message in one line with its place, or, where that is longer than most, a line for each; the place is
// whole in any case.
func withPlace(message, place string, most int) string {
	message = oneLine(message)
	if text := Shortened(message, most); place == "" || strings.Contains(text, place) {
		return text
	}
	where := "in " + printable(place)
	return Shortened(strings.TrimSuffix(message, " "+where), most) + "\n      " + where
}

func ago(at time.Time) string {
	if passed := time.Since(at).Truncate(time.Second); passed > 0 {
		return HumanDuration(passed) + " ago"
	}
	return "just now"
}

// first is the first of a list, or "".
func first(list []string) string {
	for _, one := range list {
		return one
	}
	return ""
}

// logged is what was logged of a fault. PHP's trace begins with what was thrown.
func (t *Terminal) logged(message, trace string, more []string) {
	if strings.HasPrefix(trace, message) {
		message = ""
	}
	for _, text := range append([]string{message, trace}, more...) {
		if text != "" {
			fmt.Fprintf(t.Out, "\n%s\n", printable(text))
		}
	}
}

func oneLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return printable(line)
}

func (t *Terminal) showFault(f *control.Fault) {
	fmt.Fprintf(t.Out, "%s  %s of pool %s, %s\n", t.Bold(f.ID), t.Red(f.What), f.Pool,
		f.Time.Local().Format(time.DateTime))
	fmt.Fprintf(t.Out, "%s  id %s, generation %d, worker %d, %s\n", printable(f.Name), orDash(f.RequestID),
		f.Generation, f.Worker, HumanDuration(fromMillis(f.Took)))
	t.logged(f.Message, f.Trace, f.Log)
	if r := f.Request; r != nil {
		fmt.Fprintf(t.Out, "\n%s %s HTTP/%s\nHost: %s\n", r.Method, printable(r.Target), r.Version, printable(r.Host))
		t.showHeaders(r.Headers)
		if r.Form {
			fmt.Fprintln(t.Out, t.Faint("its body was a form, which is not kept"))
		}
	}
	t.showBody(f.Body, f.Length)
}

func (t *Terminal) showHeaders(headers []string) {
	for i := 0; i+1 < len(headers); i += 2 {
		fmt.Fprintf(t.Out, "%s: %s\n", printable(headers[i]), printable(headers[i+1]))
	}
}

func (t *Terminal) showBody(body []byte, length int64) {
	switch {
	case length == 0:
	case utf8.Valid(body) && len(body) > 0:
		fmt.Fprintf(t.Out, "\n%s\n", printable(string(body)))
	case len(body) > 0:
		fmt.Fprintf(t.Out, "\n%s\n", t.Faint(fmt.Sprintf("%d bytes that are no text", len(body))))
	}
	if length > int64(len(body)) {
		fmt.Fprintln(t.Out, t.Faint(fmt.Sprintf("%d of %d bytes of the body are kept", len(body), length)))
	}
}

func (t *Terminal) showReplayed(r *control.Replayed) {
	switch {
	case r.What == "":
		fmt.Fprintf(t.Out, "%s %s: %s then, status %d now", t.Bold(r.ID), t.Green("does not fail any more"), r.Before,
			r.Status)
	case r.Same:
		fmt.Fprintf(t.Out, "%s %s: %s", t.Bold(r.ID), t.Red("still fails as it did"), r.What)
	default:
		fmt.Fprintf(t.Out, "%s %s: %s then, %s now", t.Bold(r.ID), t.Red("fails in another way"), r.Before, r.What)
	}
	fmt.Fprintf(t.Out, ", in %s, by the code in %s\n", HumanDuration(fromMillis(r.Took)), r.Directory)
	for _, what := range slices.Sorted(maps.Keys(r.Refused)) {
		fmt.Fprintf(t.Out, "refused: %s, %s (--acts has it done)\n", what, Counted(r.Refused[what], "time"))
	}
	t.logged(r.Message, r.Trace, nil)
	if r.Status > 0 {
		fmt.Fprintf(t.Out, "\nHTTP %d\n", r.Status)
		t.showHeaders(r.Headers)
		t.showBody(r.Body, r.Length)
	}
}
