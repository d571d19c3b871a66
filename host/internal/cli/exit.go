// exit.go has the exit statuses, by cause, and turns errors into them.

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// exits are all exit statuses but those of signals. `host help exit` shows them, and README.md.
var exits = []struct {
	status  int
	outcome control.Outcome
	means   string
}{
	{0, control.Done, "done"},
	{1, control.NotDone,
		"it failed: the new code does not start, a pool can't serve, nobody was reached; what ran before runs on; " +
			"or answers differ in a rehearsal"},
	{2, control.Misused, "the command line is wrong: a flag, an argument, a pool's name"},
	{3, control.TurnedBack, "a canary did worse than the old code or had no verdict in time, or a command of " +
		"`after` failed, or the answers of a shadow or a rehearsal differ: old code serves; or a " +
		"request that is replayed still fails"},
	{4, control.Absent, "no host answers"},
	{5, control.Forbidden, "not allowed: by the host (another user, no token), or by the system (a port, a file)"},
	{6, control.BadConfig, "host.toml, or a file that it names, has a mistake or can't be applied"},
	{7, control.HalfWay,
		"a reload failed or was aborted, and what was replaced can't be put back: old and new code run side by side"},
	{8, control.WasAborted, "a reload was aborted, and what was replaced is put back"},
	{9, control.RequestsCut, "done, but with --strict: requests were cut at drain_timeout"},
	{10, control.HostStopped, "the host stops, or went away before the end"},
}

const exitSignal = 128 // and the signal's number

// The statuses by name.
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitUsage   = 2
)

// ExitStatus is the one of an outcome. An outcome that only a newer host knows is a failure.
func ExitStatus(o control.Outcome) int {
	for _, e := range exits {
		if e.outcome == o {
			return e.status
		}
	}
	return ExitFailure
}

// Ended is the end of a command for a cause. Without a text all has been said.
type Ended struct {
	Outcome control.Outcome
	Text    string
	told    bool // to people: the text is for programs
}

// Error implements error: what is said on standard error, "" if nothing more is.
func (e *Ended) Error() string { return e.Text }

// PassedExit is the status of another program, which has said why.
type PassedExit int

// Error implements error. It is empty, since the other program has said all.
func (p PassedExit) Error() string { return "" }

// EndedBy is the end of a command by its outcome, when people have been told all, and text is for programs; nil if it
// is done. Without a text they have, too.
func EndedBy(o control.Outcome, text string) error {
	if o == control.Done {
		return nil
	}
	return &Ended{o, text, true}
}

// meaning is what an outcome stands for; "" for one that only a newer host knows.
func meaning(o control.Outcome) string {
	for _, e := range exits {
		if e.outcome == o {
			return e.means
		}
	}
	return ""
}

// interrupted is the end of a command by a signal.
type interrupted struct {
	signal os.Signal
	text   string // what goes on all the same; "" is nothing
}

func (i *interrupted) Error() string { return strings.TrimSuffix("interrupted; "+i.text, "; ") }

// status is the exit status that shells give for the signal.
func (i *interrupted) status() int {
	if number, ok := i.signal.(syscall.Signal); ok {
		return exitSignal + int(number)
	}
	return ExitFailure
}

// causeOf gives the cause of an error, and its exit status.
func causeOf(err error) (control.Outcome, int) {
	var end *Ended
	var passed PassedExit
	var stop *interrupted
	var usage *usageError
	var refusal *control.Refusal
	var none *control.NoHost
	var problems config.Problems
	o := control.NotDone
	switch {
	case err == nil:
		o = control.Done
	case errors.As(err, &end):
		o = end.Outcome
	case errors.As(err, &passed):
		return control.NotDone, int(passed)
	case errors.As(err, &stop):
		return control.WasInterrupt, stop.status()
	case errors.As(err, &usage):
		o = control.Misused
	case errors.As(err, &refusal) && refusal.Outcome != "":
		o = refusal.Outcome
	case errors.Is(err, fs.ErrPermission):
		o = control.Forbidden
	case errors.As(err, &none):
		o = control.Absent
	case errors.Is(err, control.ErrCutOff):
		o = control.HostStopped
	case errors.As(err, &problems):
		o = control.Misused // all of it came from the command line
		for _, p := range problems {
			if p.Path != "" {
				o = control.BadConfig
			}
		}
	}
	return o, ExitStatus(o)
}

// report prints the error, if any, as text or as a line of JSON, and gives the exit status.
func report(t *Terminal, name string, asJSON bool, err error) int {
	_, status := causeOf(err)
	if err == nil {
		return status
	}
	var usage *usageError
	var problems config.Problems
	var end *Ended
	text := t.renamed(err.Error())
	switch {
	case text == "":
	case asJSON:
		encode(t.renaming(t.Out), FailureOf(err))
	case errors.As(err, &end) && end.told:
	case errors.As(err, &usage):
		fmt.Fprintf(t.Err, "%s: %s\n(`%s --help` shows how it is used)\n", name, text, name)
	case errors.As(err, &problems):
		fmt.Fprintln(t.Err, t.Red(text))
	default:
		fmt.Fprintf(t.Err, "%s: %s\n", name, t.Red(text))
	}
	return status
}

// Failure is the line of JSON of an error. Its first field tells it from whatever else the command prints.
type Failure struct {
	Kind    control.Kind    `json:"event"`
	Outcome control.Outcome `json:"outcome"`
	Status  int             `json:"status"` // the exit status
	Error   string          `json:"error"`

	Findings []placed `json:"findings,omitempty"` // of a bad configuration: one for each mistake
}

// FailureOf is the line of JSON of err, which is not nil.
func FailureOf(err error) Failure {
	outcome, status := causeOf(err)
	f := Failure{Kind: "error", Outcome: outcome, Status: status, Error: err.Error()}
	var bad *unfit
	var problems config.Problems
	switch {
	case errors.As(err, &bad):
		f.Findings = bad.findings
	case errors.As(err, &problems):
		f.Findings = place("error", problems)
	}
	return f
}

// encode writes a line of JSON.
func encode(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// exitTable writes the exit statuses.
func exitTable(w io.Writer) {
	fmt.Fprint(w, `How the commands end. With --json a command that does not end with 0 prints at last, on standard output, an object
{"event": "error", "outcome": …, "status": …, "error": …}; that of host doctor has its report in it, and that of a bad
configuration its "findings". The last event of a reload, before that, is {"event": "summary", …}.

`)
	list := table{indent: "  ", right: map[int]bool{0: true}}
	list.add(plain("STATUS", "OUTCOME", "")...)
	for _, e := range exits {
		list.add(plain(fmt.Sprint(e.status), string(e.outcome), e.means)...)
	}
	list.add(plain("128+N", string(control.WasInterrupt),
		"the command was, by signal N; what it asked for goes on")...)
	list.write(w)
}
