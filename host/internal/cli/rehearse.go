// host rehearse: another stack and this one are asked the same, and what differs is shown.

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/rehearse"
)

// rehearsing is what host rehearse was told.
type rehearsing struct {
	start           StartRehearsed
	find            func() (*control.Client, error)
	file            string // of the configuration, "" for the default one
	beside, at      string
	own, leaks      bool
	pool            string
	pids            []int
	methods, fields []string
	requests        int
	insecure        bool
	asJSON          bool
	junit           string
	timeout         time.Duration
	settings        rehearse.Settings

	headers []string // name, value, name, value, …
	host    string   // that --header names
}

// RehearseCommand is host rehearse. start starts a host for it where none runs.
func RehearseCommand(start StartRehearsed) *Command {
	return &Command{
		Name:      "rehearse",
		Arguments: "LOG",
		Summary:   "Ask another stack and this one the same, and show what differs",
		Detail: `Takes the safe requests of LOG, an access log of nginx, Apache, Caddy or this host (gzip or not;
- is standard input), a list of URLs, or a HAR file, asks both stacks, and shows where their answers differ:
status, headers that matter, length, and body. --beside is the old one. The new one is the host that runs here;
without one, the pools of host.toml are started for this alone, behind a port that nobody else knows; --at names
another one. What changes from request to request by itself, such as a date or a token, is no difference: the old
one is asked before the new one and after it, and what varies in its own answers is left out. What differs is asked
once more, and shown only if it differs again.

Each request is asked once, however often the log has it; of more than --requests those of all routes come first.
Only GET and HEAD are asked unless --method says more, at --rate, and without the cookies and passwords of the
log: --header gives those that are needed.

The exit status is 0 if no answer differs, and 1 if one does. ` + "`host help rehearse`" + ` has a page about it.`,
		Example: "host rehearse /var/log/nginx/access.log --beside http://127.0.0.1:8080\n" +
			"host rehearse urls.txt --beside https://shop.example --at http://127.0.0.1:9000 --junit rehearsal.xml",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			o := rehearsing{start: start}
			o.find = hostFlags(f)
			f.StringVar(&o.beside, "beside", "", "the old stack, at `URL`")
			f.StringVar(&o.at, "at", "", "the new stack, at `URL` (default: the host that runs here, or one that is "+
				"started for this)")
			f.BoolVar(&o.own, "start", false, "start one, though a host runs here")
			f.StringVar(&o.pool, "pool", "", "ask the listener that leads to pool `NAME` (default: the first of HTTP)")
			f.BoolVar(&o.leaks, "leaks", false, "start one, and look for what a request of each route leaves behind "+
				"in a worker of PHP: host help leaks")
			f.IntSliceVar(&o.pids, "beside-pid", nil, "`PID` of the old stack, whose processor time counts with that "+
				"of its children; such as nginx's and php-fpm's (Linux)")
			compared := rehearsalFlags(f)
			f.StringArrayVar(&o.fields, "header", nil, "send `'NAME: VALUE'` to both (repeatable); Host is the name "+
				"that both are asked for, whatever the log says")
			f.StringArrayVar(&o.methods, "method", nil, "ask requests of `METHOD`, too, with the bodies of a HAR "+
				"file (repeatable): several times each, whatever they change")
			f.IntVar(&o.requests, "requests", 500, "ask `N` requests at most")
			f.DurationVar(&o.settings.For, "for", 2*time.Minute, "begin none any more after `TIME`")
			f.Float64Var(&o.settings.Rate, "rate", 10, "begin `N` of them in a second, each of which is asked twice "+
				"of the old stack and once of the new")
			f.IntVar(&o.settings.Parallel, "concurrency", 4, "have `N` of them under way at a time")
			f.DurationVar(&o.timeout, "timeout", 10*time.Second, "wait `TIME` for an answer")
			f.BoolVar(&o.insecure, "insecure", false, "do not look at the certificates of https://")
			f.StringVar(&o.junit, "junit", "", "write the result to `FILE`, too, as JUnit's XML")
			f.BoolVar(&o.asJSON, "json", false, "print a JSON object")
			return func(t *Terminal, args []string) (err error) {
				if o.settings.Rules, err = compared(); err != nil {
					return err
				}
				if err := o.check(args); err != nil {
					return err
				}
				o.file = f.Lookup("config").Value.String()
				return o.run(t, args[0])
			}
		},
	}
}

// rehearsalFlags are those that say how answers are compared.
func rehearsalFlags(f *pflag.FlagSet) func() (rehearse.Rules, error) {
	parts := compareFlag(f)
	ignore := f.StringArray("ignore", nil, "take what the regular expression `PATTERN` (RE2) matches out of both "+
		"bodies, and of each \"name: value\" of the headers, before they are compared (repeatable)")
	return func() (rehearse.Rules, error) { return rehearsalRules(*parts, *ignore) }
}

func compareFlag(f *pflag.FlagSet) *[]string {
	return f.StringSlice("compare", nil, "in a rehearsal, compare these `PARTS` alone, of status, headers and body "+
		"(default: all)")
}

func rehearsalRules(parts, ignore []string) (r rehearse.Rules, err error) {
	for _, part := range parts {
		if !slices.Contains(rehearse.Parts(), part) {
			return r, Misused("--compare: expected some of %s, found %q", strings.Join(rehearse.Parts(), ", "), part)
		}
	}
	r.Parts = parts
	r.Ignore, err = patterns(ignore)
	return r, err
}

// patterns are those of --ignore.
func patterns(texts []string) (all []*regexp.Regexp, err error) {
	for _, text := range texts {
		pattern, err := regexp.Compile(text)
		if err != nil {
			return nil, Misused("--ignore: %v", err)
		}
		all = append(all, pattern)
	}
	return all, nil
}

// check looks at the flags by themselves.
func (o *rehearsing) check(args []string) error {
	switch {
	case len(args) != 1:
		return Misused("expected one LOG, found %d", len(args))
	case o.beside == "":
		return Misused("--beside URL says which stack is asked the same")
	case o.at != "" && (o.own || o.leaks || o.pool != ""):
		return Misused("--at names a stack, so --start, --leaks and --pool mean nothing with it")
	case o.requests < 1 || o.settings.Parallel < 1 || o.settings.Rate <= 0 || o.timeout <= 0 || o.settings.For <= 0:
		return Misused("--requests, --for, --rate, --concurrency and --timeout are more than 0")
	case o.settings.Rate > 10_000 || o.settings.Parallel > 1000:
		return Misused("--rate is at most 10000, and --concurrency 1000")
	}
	for i, method := range o.methods {
		if o.methods[i] = strings.ToUpper(method); o.methods[i] == "CONNECT" {
			return Misused("--method: %q can't be rehearsed", method)
		}
	}
	o.methods = append(o.methods, "GET", "HEAD")
	var err error
	o.headers, o.host, err = givenHeaders(o.fields)
	return err
}

// givenHeaders are those of --header, NAME, VALUE, NAME, VALUE, …, and the host that one of them names.
func givenHeaders(fields []string) (headers []string, host string, err error) {
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || strings.ContainsAny(name+value, "\r\n") {
			return nil, "", Misused("--header: expected 'NAME: VALUE', found %q", field)
		}
		if strings.EqualFold(name, "Host") {
			host = value
			continue
		}
		headers = append(headers, name, value)
	}
	return headers, host, nil
}

// readRehearsed reads the requests of a log.
func readRehearsed(path string, methods []string) (*rehearse.Source, error) {
	from, name := io.Reader(os.Stdin), "standard input"
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from, name = file, path
	}
	source, err := rehearse.Read(from, methods)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return source, nil
}

// site is a stack at a URL, as the flags have it asked.
func (o *rehearsing) site(flag string, s rehearse.SiteSettings) (*rehearse.Site, error) {
	s.Host, s.Headers, s.Timeout, s.Insecure = o.host, o.headers, o.timeout, s.Insecure || o.insecure
	s.Parallel, s.Agent = o.settings.Parallel, "host-rehearse/"+Version()
	site, err := rehearse.NewSite(s)
	if err != nil {
		return nil, Misused("--%s: %v", flag, err)
	}
	return site, nil
}

func (o *rehearsing) run(t *Terminal, log string) error {
	ctx, done := UntilInterrupted()
	defer done()
	old, err := o.site("beside", rehearse.SiteSettings{URL: o.beside})
	if err != nil {
		return err
	}
	defer old.Close()
	source, err := readRehearsed(log, o.methods)
	if err != nil {
		return err
	}
	new, err := o.newStack(ctx, old)
	if err != nil {
		return err
	}
	defer new.close()
	report, leaks, err := o.ask(ctx, t, old, new, source)
	if report == nil {
		return err
	}
	return errors.Join(err, o.tell(t, source, report, leaks))
}

// ask asks both. Without a report there is nothing to tell but the error.
func (o *rehearsing) ask(ctx context.Context, t *Terminal, old *rehearse.Site, new *newStack,
	source *rehearse.Source) (*rehearse.Report, *RehearsedLeaks, error) {
	picked := rehearse.Pick(source.Requests, o.requests)
	r := rehearse.NewRehearsal(old, new, o.settings)
	enough := t.progress(func() string {
		return fmt.Sprintf("%d of %s asked", r.Asked(), Counted(len(picked), "request"))
	})
	defer enough()
	spent, err := o.processors(new)
	if err != nil {
		return nil, nil, err
	}
	if err := r.Run(ctx, picked); err != nil {
		return nil, nil, err
	}
	enough()
	report := r.Report()
	spent(report, r)
	var stop *interrupted
	if errors.As(context.Cause(ctx), &stop) {
		return report, nil, stop
	}
	if new.leaks == nil {
		return report, nil, nil
	}
	found, err := new.leaks(ctx, ofEachRoute(picked))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return report, found, err
}

// rehearsed is the JSON of host rehearse.
type rehearsed struct {
	Kind    control.Kind    `json:"event"`
	Outcome control.Outcome `json:"outcome"`
	Log     rehearsedLog    `json:"log"`
	*rehearse.Report
	Leaks any `json:"leaks,omitempty"` // as host check --leaks has its reports
}

// rehearsedLog is what was read.
type rehearsedLog struct {
	Format   string         `json:"format"`
	Entries  int            `json:"entries"`
	Distinct int            `json:"distinct_requests"`
	LeftOut  map[string]int `json:"left_out"` // entries, by why
}

// tell shows what was found. The error is that of the command.
func (o *rehearsing) tell(t *Terminal, source *rehearse.Source, report *rehearse.Report,
	leaks *RehearsedLeaks) error {
	if o.junit != "" {
		if err := writeJUnit(o.junit, report); err != nil {
			return err
		}
	}
	outcome := control.Done
	what := ""
	switch {
	case report.Differ > 0:
		outcome = control.NotDone
		what = fmt.Sprintf("%d of %s differ", report.Differ, Counted(report.Asked, "answer"))
	case report.Asked == 0:
		outcome, what = control.NotDone, "nothing was asked"
	case leaks != nil && leaks.Count > 0:
		outcome, what = control.NotDone, Counted(leaks.Count, "leak")
	}
	var reports any
	if leaks != nil {
		reports = leaks.Reports
	}
	log := rehearsedLog{source.Format, source.Entries, len(source.Requests), source.Left}
	if o.asJSON {
		if err := printJSON(t, rehearsed{control.Rehearsed, outcome, log, report, reports}); err != nil {
			return err
		}
		return quietly(outcome)
	}
	fmt.Fprintf(t.Out, "%s: %s", log.Format, entries(log.Format, log.Entries))
	if len(log.LeftOut) > 0 {
		fmt.Fprintf(t.Out, ", left out: %s", rehearse.Counts(log.LeftOut))
	}
	fmt.Fprintf(t.Out, "; %s\n", Counted(log.Distinct, "different request"))
	t.showRehearsal(report)
	if leaks != nil {
		t.showLeft(leaks)
	}
	return EndedBy(outcome, what)
}

// quietly is the end of a command that has printed its outcome.
func quietly(o control.Outcome) error {
	if o == control.Done {
		return nil
	}
	return &Ended{Outcome: o}
}

func entries(format string, n int) string {
	switch {
	case format == "HAR" && n == 1:
		return "1 entry"
	case format == "HAR":
		return fmt.Sprintf("%d entries", n)
	}
	return Counted(n, "line")
}

func writeJUnit(path string, report *rehearse.Report) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(report.JUnit(file), file.Close())
}
