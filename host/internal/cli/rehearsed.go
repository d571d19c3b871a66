// rehearsed.go: which stack is the new one of a rehearsal: the host that runs here, or one that is started for it.

package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/php"
	"github.com/workerhost/workerhost/host/internal/rehearse"
)

// RehearsedSettings say which part of a configuration is started for a rehearsal.
type RehearsedSettings struct {
	Pool  string // the listener leads to it; "": the first one of HTTP
	Leaks bool   // each pool has one worker, which can be asked what it keeps
}

// Rehearsed is a host that was started for a rehearsal. Close has to follow.
type Rehearsed struct {
	Address string   // of its listener, HOST:PORT, in cleartext
	Pools   []string // that it leads to
	// Leaks asks what the requests leave behind; nil: it can't be known
	Leaks func(ctx context.Context, requests []rehearse.Request) (*RehearsedLeaks, error)
	Close func()
}

// RehearsedLeaks is what requests leave behind.
type RehearsedLeaks struct {
	Count   int // of those that have to be mended
	Reports any // for JSON
	Show    func(t *Terminal)
}

// StartRehearsed starts a host for a rehearsal, which ends with the context or by its Close.
type StartRehearsed func(ctx context.Context, c *config.Config, o RehearsedSettings) (*Rehearsed, error)

// newStack is the new one of the two, by its name for people.
type newStack struct {
	*rehearse.Site
	name  string
	close func()
	// pids are the processes whose time counts, themselves or their descendants alone; none: it is not known
	pids       []int
	themselves bool
	leaks      func(ctx context.Context, requests []rehearse.Request) (*RehearsedLeaks, error)
}

// Name implements [rehearse.Stack].
func (n *newStack) Name() string { return n.name }

// newStack finds it, or starts it.
func (o *rehearsing) newStack(ctx context.Context, old *rehearse.Site) (*newStack, error) {
	if o.at != "" {
		site, err := o.site("at", rehearse.SiteSettings{URL: o.at, Fallback: old.Host()})
		if err != nil {
			return nil, err
		}
		return &newStack{Site: site, name: site.Name(), close: site.Close}, nil
	}
	if !o.own && !o.leaks {
		client, err := o.find()
		if err == nil {
			var made *newStack
			made, err = o.running(ctx, client, old)
			var none *control.NoHost
			if err == nil || !errors.As(err, &none) || none.PID != 0 || none.Remote() {
				return made, withRemedy(err)
			}
		}
	}
	return o.started(ctx, old)
}

// running is the host that the client asks.
func (o *rehearsing) running(ctx context.Context, client *control.Client, old *rehearse.Site) (*newStack, error) {
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range status.Listen {
		if l.Protocol != "http" || !l.Serving || o.pool != "" && !leadsToPool(&l, o.pool) {
			continue
		}
		s := rehearse.SiteSettings{URL: "http://localhost", Fallback: old.Host()}
		if l.TLS {
			s.URL, s.Insecure = "https://localhost", true // it is known by its control socket
		}
		if s.Address, err = reachable(l.Address, client); err != nil {
			return nil, err
		}
		site, err := o.site("beside", s)
		if err != nil {
			return nil, err
		}
		made := &newStack{Site: site, name: "the host that runs here, at " + l.Address, close: site.Close,
			themselves: true}
		if _, remote := client.Address(); !remote {
			made.pids = []int{status.PID}
		}
		return made, nil
	}
	if o.pool != "" {
		return nil, Misused("--pool: no listener of HTTP that serves now leads to pool %q", o.pool)
	}
	return nil, errors.New("the host that runs here serves no HTTP now: host status says why; --start starts one " +
		"for this")
}

func leadsToPool(l *control.Listener, pool string) bool {
	if l.Pool == pool {
		return true
	}
	for _, r := range l.Routes {
		if r.To == "pool "+pool || strings.HasSuffix(r.To, ", pool "+pool) {
			return true
		}
	}
	return false
}

// reachable is where a listener can be reached from here.
func reachable(address string, client *control.Client) (string, error) {
	at, remote := client.Address()
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if remote {
			return "", fmt.Errorf("its listener %s can't be reached from here: name one with --at", address)
		}
		return path, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("its listener %s can't be reached: name it with --at", address)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if host = "127.0.0.1"; remote {
			host, _, _ = net.SplitHostPort(at)
		}
	}
	return net.JoinHostPort(host, port), nil
}

// started is one that is started from host.toml.
func (o *rehearsing) started(ctx context.Context, old *rehearse.Site) (*newStack, error) {
	c, err := config.Load(o.file, os.LookupEnv)
	if err == nil {
		err = c.Apply(config.Overrides{
			Declare: func(p *config.Pool) ([]config.Declared, error) { return php.Declare(ctx, p) }})
	}
	if err != nil {
		return nil, fmt.Errorf("no host was asked, and none can be started for this: %w", err)
	}
	made, err := o.start(ctx, c, RehearsedSettings{Pool: o.pool, Leaks: o.leaks})
	if err != nil {
		return nil, err
	}
	s := rehearse.SiteSettings{URL: "http://" + made.Address, Fallback: old.Host()}
	if old.Secure() {
		o.headers = append(slices.Clone(o.headers), "X-Forwarded-Proto", "https") // the old one's clients speak it
	}
	site, err := o.site("beside", s)
	if err != nil {
		made.Close()
		return nil, err
	}
	name := "a host for this alone, with pool " + strings.Join(made.Pools, ", ")
	return &newStack{Site: site, name: name, pids: []int{os.Getpid()}, leaks: made.Leaks, close: func() {
		site.Close()
		made.Close()
	}}, nil
}

// processors looks at the processor times, and says how to note what was spent until then.
func (o *rehearsing) processors(new *newStack) (func(*rehearse.Report, *rehearse.Rehearsal), error) {
	var before [2]time.Duration
	var err error
	if len(o.pids) > 0 {
		if before[0], err = rehearse.ProcessorTime(o.pids, true); err != nil {
			return nil, Misused("--beside-pid: %v", err)
		}
	}
	if len(new.pids) > 0 {
		if before[1], err = rehearse.ProcessorTime(new.pids, new.themselves); err != nil {
			new.pids = nil // a system that does not tell
		}
	}
	return func(report *rehearse.Report, r *rehearse.Rehearsal) {
		old, asked := r.Answers()
		each := func(pids []int, themselves bool, before time.Duration, answers int) *float64 {
			after, err := rehearse.ProcessorTime(pids, themselves)
			if len(pids) == 0 || err != nil || answers == 0 {
				return nil
			}
			ms := control.Millis(after-before) / float64(answers)
			return &ms
		}
		report.Old.CPU = each(o.pids, true, before[0], old)
		report.New.CPU = each(new.pids, new.themselves, before[1], asked)
	}, nil
}

// ofEachRoute is the first request of each route.
func ofEachRoute(picked []rehearse.Picked) (some []rehearse.Request) {
	seen := map[string]bool{}
	for _, p := range picked {
		if !seen[p.Route] && p.Method == "GET" {
			seen[p.Route] = true
			some = append(some, p.Request)
		}
	}
	return some
}

// showLeft is about what requests leave behind.
func (t *Terminal) showLeft(leaks *RehearsedLeaks) {
	leaks.Show(t)
	if leaks.Count > 0 {
		fmt.Fprintln(t.Out, t.Red(Counted(leaks.Count, "leak")+"."))
		return
	}
	fmt.Fprintln(t.Out, t.Green("Nothing leaks."))
}
