// Package doctor is host doctor: it looks at the machine as well as at the configuration, and says what to do about
// what it finds. diagnosis.go has what is looked at.
package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
)

// doctorTimeout bounds all of it, whatever hangs.
const doctorTimeout = time.Minute

// Command is host doctor.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Arguments: "[WORKER | -- COMMAND...]",
		Summary:   "Look for what keeps this machine from serving well",
		Detail: `Takes what host serve takes, and looks at the configuration, PHP and its settings, ports,
certificates, permissions, disk, memory and limits, and at the host that runs already. Each finding comes with what
to do about it. Run it as the user that is to serve, since permissions and limits are a user's.

The exit status is 1 if something is wrong; advice alone leaves it at 0. The names in the JSON are promised.`,
		Example: "host doctor\nhost doctor -c /etc/app/host.toml --json\nsudo -u www-data host doctor -c " +
			"/etc/app/host.toml",
		Define: func(f *pflag.FlagSet) func(*cli.Terminal, []string) error {
			settings := cli.SettingFlags(f)
			asJSON := f.Bool("json", false, "print JSON")
			return func(t *cli.Terminal, args []string) error {
				ctx, cancel := context.WithTimeout(context.Background(), doctorTimeout)
				defer cancel()
				d := &diagnosis{}
				c, err := settings(args)
				d.examine(ctx, c, err)
				if *asJSON {
					encoder := json.NewEncoder(t.Out)
					encoder.SetIndent("", "  ")
					if err := encoder.Encode(d.report()); err != nil {
						return err
					}
				} else {
					d.tell(t)
				}
				if d.count(wrong) > 0 {
					return cli.EndedBy(control.NotDone, "")
				}
				return nil
			}
		},
	}
}

// severity says how much a finding matters.
type severity string

const (
	good   severity = "good"
	advice severity = "advice" // it works, and could be better
	wrong  severity = "wrong"  // it can't work, or not for long
)

// finding is one thing that was looked at.
type finding struct {
	Topic    string   `json:"topic"`
	Pool     string   `json:"pool,omitempty"`
	Severity severity `json:"severity"`
	What     string   `json:"what"`
	Remedy   string   `json:"remedy,omitempty"`
}

// diagnosis collects findings.
type diagnosis struct {
	findings []finding
	pool     string // that is being looked at
}

func (d *diagnosis) good(topic, format string, args ...any) {
	d.findings = append(d.findings, finding{Topic: topic, Pool: d.pool, Severity: good,
		What: fmt.Sprintf(format, args...)})
}

func (d *diagnosis) advise(topic, remedy, format string, args ...any) {
	d.findings = append(d.findings, finding{Topic: topic, Pool: d.pool, Severity: advice,
		What: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (d *diagnosis) wrong(topic, remedy, format string, args ...any) {
	d.findings = append(d.findings, finding{Topic: topic, Pool: d.pool, Severity: wrong,
		What: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (d *diagnosis) count(s severity) int {
	n := 0
	for _, f := range d.findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// hanging indents all lines but the first one.
func hanging(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines[1:] {
		lines[i+1] = strings.TrimRight("          "+lines[i+1], " ")
	}
	return strings.Join(lines, "\n")
}

// doctorReport is the JSON. It is that of an error, too, if something is wrong.
type doctorReport struct {
	*cli.Failure
	Healthy  bool      `json:"healthy"`
	Findings []finding `json:"findings"`
}

func (d *diagnosis) report() doctorReport {
	r := doctorReport{Healthy: d.count(wrong) == 0, Findings: d.findings}
	if !r.Healthy {
		f := cli.FailureOf(&cli.Ended{Outcome: control.NotDone, Text: d.verdict()})
		r.Failure = &f
	}
	return r
}

// verdict counts what is wrong.
func (d *diagnosis) verdict() string {
	return cli.Counted(d.count(wrong), "thing") + " wrong"
}

// tell writes the findings for people, by topic.
func (d *diagnosis) tell(t *cli.Terminal) {
	topic := ""
	for _, f := range d.findings {
		if f.Topic != topic {
			if topic != "" {
				fmt.Fprintln(t.Out)
			}
			topic = f.Topic
			fmt.Fprintln(t.Out, t.Bold(topic))
		}
		mark := t.Green("good  ")
		switch f.Severity {
		case advice:
			mark = t.Yellow("advice")
		case wrong:
			mark = t.Red("wrong ")
		}
		what := f.What
		if f.Pool != "" {
			what = "pool " + f.Pool + ": " + what
		}
		fmt.Fprintf(t.Out, "  %s  %s\n", mark, hanging(what))
		if f.Remedy != "" {
			fmt.Fprintf(t.Out, "          → %s\n", hanging(f.Remedy))
		}
	}
	switch {
	case d.count(wrong) > 0:
		fmt.Fprintf(t.Out, "\n%s\n", t.Red(d.verdict()+"."))
	case d.count(advice) > 0:
		fmt.Fprintf(t.Out, "\n%s\n", t.Green("It can serve; the advice makes it better."))
	default:
		fmt.Fprintf(t.Out, "\n%s\n", t.Green("All is well."))
	}
}
