// host check: reads the configuration as serve would, and shows what would run. It opens no socket, leaves no folder
// and starts no worker, unless leaks are asked for; to learn its version it starts php for a moment.

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/php"
)

// CheckCommand is host check. leaks is what it does with --leaks: it starts a worker of the pool ("" is that of the
// first HTTP listener), and has it answer the URLs.
func CheckCommand(leaks func(t *Terminal, c *config.Config, pool string, urls []string, asJSON bool) error) *Command {
	return &Command{
		Name:      "check",
		Arguments: "[WORKER | -- COMMAND...]",
		Summary:   "Validate the configuration and show what would run",
		Detail: `Takes what host serve takes, and changes nothing: no socket is opened, and no worker is started.
Every mistake is reported, with its line. The exit status is 0 if there is none.

With --json it prints one object, with what was found: for each the file, the line, the key, the level (error or
warning), what it is, and the remedy, as far as there are such.

With --route it says which route of which listener takes a request, and why not another one: the method may be
left out, and so may all before the path; a port chooses the listener.

With --leaks it does start a worker, has it answer GET of the URL several times, and shows what a request leaves
behind there for the next one: host help leaks. The exit status is 1 if something does.`,
		Example: "host check\nhost check -c /etc/app/host.toml --json\nhost check examples/hello-php\n" +
			"host check --route 'POST https://example.org/api/x'\nhost check --leaks / --leaks '/list?page=2' " +
			"worker.php",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			settings := SettingFlags(f)
			asJSON := f.Bool("json", false, "print a JSON object")
			urls := f.StringArray("leaks", nil, "start a worker, and show what GET of `URL` leaves behind in it; a "+
				"path will do, and it can be repeated")
			request := f.String("route", "", "say which route takes `REQUEST`, such as 'GET https://example.org/x'")
			pool := f.String("pool", "", "with --leaks, a worker of pool `NAME` (default: that of the first HTTP "+
				"listener)")
			return func(t *Terminal, args []string) error {
				c, err := settings(args)
				if err != nil {
					return err
				}
				if *pool != "" && len(*urls) == 0 {
					return Misused("--pool goes with --leaks")
				}
				if len(*urls) > 0 {
					return leaks(t, c, *pool, *urls, *asJSON)
				}
				if f.Changed("route") {
					return explainRoute(t, c, *request, *asJSON)
				}
				page := t
				if *asJSON {
					page = &Terminal{Out: io.Discard, Err: io.Discard}
				}
				findings, err := check(page, c)
				switch {
				case err != nil:
					return &unfit{err, findings}
				case *asJSON:
					return encode(t.Out, checkReport{"check", control.Done, ExitOK, findings})
				}
				return nil
			}
		},
	}
}

// placed is what was found at a place of the configuration.
type placed struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Key    string `json:"key,omitempty"` // "pool.web.workers"
	Level  string `json:"level"`         // error or warning
	What   string `json:"what"`
	Remedy string `json:"remedy,omitempty"`
}

func place(level string, problems config.Problems) []placed {
	all := []placed{}
	for _, p := range problems {
		all = append(all, placed{p.Path, p.Line, p.Key, level, p.Text, p.Remedy()})
	}
	return all
}

// checkReport is the JSON of a good configuration; that of a bad one is a [failure] with findings.
type checkReport struct {
	Kind     control.Kind    `json:"event"`
	Outcome  control.Outcome `json:"outcome"`
	Status   int             `json:"status"`
	Findings []placed        `json:"findings"`
}

// unfit is an error with all that was found, warnings too.
type unfit struct {
	error
	findings []placed
}

func (u *unfit) Unwrap() error { return u.error }

// check shows the configuration to people, and gives what it found. The error is of what keeps pools from running.
func check(t *Terminal, c *config.Config) (findings []placed, err error) {
	file := c.Path
	if file == "" {
		file = "none: flags and defaults"
	}
	head := table{}
	head.add(plain("configuration", file)...)
	socket := c.Control
	if mode, group := c.Remote.Access(); mode != 0 {
		socket += fmt.Sprintf(", mode %04o", mode)
		if group != nil {
			socket += ", group " + c.Remote.Group
		}
	}
	head.add(plain("control", socket)...)
	if c.Remote.Listen != "" {
		head.add(plain("control over TCP", c.Remote.Listen)...)
		for _, s := range c.Remote.Secrets() {
			head.add(plain("", "with "+s.Name+" for "+cmp.Or(strings.Join(s.Rights, ", "), "everything"))...)
		}
	}
	head.add(plain("state", cmp.Or(c.State, "none"))...)
	if c.StopDelay > 0 {
		head.add(plain("stop_delay", tomlDuration(c.StopDelay))...)
	}
	head.add(plain("log", c.Log.Level+", "+c.Log.Format)...)
	if c.Dev {
		head.add(cell{text: "dev"}, cell{"responses show errors with their trace", t.Yellow})
	}
	head.write(t.Out)

	fmt.Fprintf(t.Out, "\n%s\n", t.Bold("listeners"))
	listeners := table{indent: "  "}
	for _, l := range c.Listen {
		security := ""
		if l.TLS != nil {
			security = describeTLS(l.TLS)
		}
		protocol := l.Protocol
		if l.HTTP3 {
			protocol += ", and HTTP/3"
		} else if l.Delimiter != "" {
			protocol += fmt.Sprintf(", messages end with %q", l.Delimiter)
		} else if l.Framing != "" {
			protocol += ", framing " + l.Framing
		}
		listeners.add(plain(l.Address, protocol, leadsTo(l.Pool), security)...)
	}
	listeners.write(t.Out)
	for i := range c.Listen {
		checkRoutes(t, c, &c.Listen[i])
	}
	if names, _ := c.Certified(); len(names) > 0 || c.ACME.Ask != "" {
		fmt.Fprintf(t.Out, "\n%s\n", t.Bold("acme"))
		list := table{indent: "  "}
		list.add(plain("certificates for", cmp.Or(strings.Join(names, ", "), "none but those asked for"))...)
		list.add(plain("from", c.ACME.Directory)...)
		if c.ACME.DNS != nil {
			list.add(plain("proved by", "records of DNS")...)
		}
		list.add(plain("kept in", c.CertificatePlace())...)
		list.write(t.Out)
		showSettings(t, c.ACME)
	}
	fmt.Fprintf(t.Out, "\n%s\n", t.Bold("http"))
	showSettings(t, c.HTTP)
	if c.HTTP.RateLimit.Requests > 0 {
		fmt.Fprintf(t.Out, "\n%s\n", t.Bold("http.rate_limit"))
		showSettings(t, c.HTTP.RateLimit)
	}

	var problems []error
	var unable config.Problems
	for _, p := range c.Pools {
		title := t.Bold("pool " + p.Name)
		if len(c.Realms()) > 1 {
			title += ", in the realm " + p.InRealm()
		}
		fmt.Fprintf(t.Out, "\n%s\n", title)
		if err := checkPool(t, p); err != nil {
			problems = append(problems, err)
			unable = append(unable, c.ProblemAt("pool."+p.Name, err.Error()))
		}
	}
	warnings := c.WarningsAt(time.Now())
	if text := c.Remote.Unreachable(c.Control); text != "" {
		warnings = append(warnings, c.ProblemAt("control.group", text))
	}
	for _, w := range warnings {
		fmt.Fprintf(t.Err, "\n%s\n", t.Yellow("warning: "+w.Error()))
	}
	findings = append(place("error", unable), place("warning", warnings)...)
	if err := errors.Join(problems...); err != nil {
		fmt.Fprintln(t.Out)
		return findings, err
	}
	fmt.Fprintf(t.Out, "\n%s\n", t.Green("The configuration is good."))
	return findings, nil
}

// checkPool shows a pool, and finds what only its own language can tell.
func checkPool(t *Terminal, p *config.Pool) error {
	list := table{indent: "  "}
	row := func(name, value string) { list.add(plain(name, value)...) }
	var problem error
	command := p.Command
	switch p.Kind {
	case config.PHPFile:
		row("worker", "PHP file "+p.Worker)
		binary, err := php.Find(context.Background(), p)
		if err != nil {
			problem = fmt.Errorf("pool %s: %w", p.Name, err)
			row("php", "not found")
			break
		}
		row("php", fmt.Sprintf("%s, version %s, %s, %s", binary.Path, binary.Version,
			has("opcache", binary.Opcache, "php-opcache"), has("msgpack", binary.Msgpack, "php-msgpack")))
		command = php.Command(binary, p, "", php.Prelude(p))
	case config.GoPackage:
		row("worker", "Go main package "+p.Worker+", built for each generation")
		if _, err := exec.LookPath("go"); err != nil {
			problem = fmt.Errorf("pool %s needs `go` to build its worker, and there is none in $PATH: install it, "+
				"or give a program as command = [\"PROGRAM\"]", p.Name)
		}
	case config.FPM:
		row("worker", fmt.Sprintf(
			"PHP site, a php-fpm of %d children for each generation; a reload has two for a moment", p.Workers))
		binary, err := php.FindFPM(context.Background(), p)
		if err != nil {
			problem = fmt.Errorf("pool %s: %w", p.Name, err)
			row("php-fpm", "not found")
			break
		}
		row("php-fpm", fmt.Sprintf("%s, version %s", binary.Path, binary.Version))
		command = php.FPMCommand(binary, p, "")
	case config.FastCGI:
		row("worker", fmt.Sprintf("PHP site, %d requests at once for the server at %s", p.Workers, p.FastCGI))
	default:
		row("worker", "command")
	}
	row("directory", describeDirectory(p))
	if p.Park > 0 {
		row("parked", describeParking(p))
	}
	list.write(t.Out)
	if len(command) > 0 {
		fmt.Fprintf(t.Out, "  command\n    %s\n", wrapCommand(command))
	}
	showSettings(t, *p)
	if p.Rlimits != (config.Rlimits{}) {
		fmt.Fprintf(t.Out, "\n%s\n", t.Bold("pool "+p.Name+" rlimits"))
		showSettings(t, p.Rlimits)
	}
	if p.Canary.Share != nil {
		fmt.Fprintf(t.Out, "\n%s\n", t.Bold("pool "+p.Name+" canary"))
		showSettings(t, p.Canary)
	}
	if len(p.Fetch.Allow) > 0 {
		fmt.Fprintf(t.Out, "\n%s\n", t.Bold("pool "+p.Name+" fetch"))
		showSettings(t, p.Fetch)
	}
	if p.Confine != nil {
		fmt.Fprintf(t.Out, "\n%s\n", t.Bold("pool "+p.Name+" confine"))
		showSettings(t, *p.Confine)
	}
	return problem
}

func has(name string, loaded bool, debian string) string {
	if loaded {
		return name
	}
	return "no " + name + " (faster with it; on Debian: apt-get install " + debian + ")"
}
