// Command bench measures the host beside nginx + php-fpm, and beside any other server, in one run on one machine:
// CPU time per request, throughput, latency and memory under load, for the simplest requests and for a browser's, the
// latency at one connection, (--connections) what long-lived and idle connections cost, (--reload) what clients notice
// while workers are replaced, (--takeover) what they notice of that, and of another process, beside other servers,
// (--streams) what they see of answers that somebody else makes, token by token, and (--waiting) what many requests
// cost that wait at once.
//
// Machines are noisy, so servers are measured in turn, in rounds, and medians are taken. CPU time per request is the
// number to trust. It needs Linux, wrk, php, nginx and php-fpm, and starts and ends the servers itself:
//
//	go run ./host/internal/bench --rounds 3 --seconds 5 --json result.json
//	go run ./host/internal/bench --target workerman=http://127.0.0.1:8080/,4242
//	go run ./host/internal/bench --connections --target workerman=ws://127.0.0.1:7272/,4242
//	go run ./host/internal/bench --only hello-php --host-env GOMAXPROCS=1 --host-env GOGC=400
//	go run ./host/internal/bench --reload
//	go run ./host/internal/bench --streams --streaming 500
//	go run ./host/internal/bench --waiting --target workerman=http://127.0.0.1:8080/,4242
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options are the flags.
type options struct {
	host              string
	hostEnv           []string
	rounds            int
	seconds           int
	clients           int
	longLived         bool
	idle              int
	echoing           int
	audience          int
	workers           int
	nginxWorkers      int
	fpmKeepAlive      bool
	reload            bool
	takeover          bool
	streams           bool
	streaming         int
	waiting           bool
	waitingRequests   int
	reloads           int
	reloadSeconds     int
	reloadConnections []int
	only              []string
	targets           []server
	json              string
}

// sections are what --only chooses from.
var sections = []string{"hello-php", "hello-go", "nginx", "net-http", "browser", "one-connection", "connections"}

func (o options) runs(section string) bool {
	if o.longLived {
		return section == "connections"
	}
	return len(o.only) == 0 || slices.Contains(o.only, section)
}

func (o options) load(connections int) load {
	return load{connections: connections, duration: time.Duration(o.seconds) * time.Second}
}

func parseOptions(arguments []string) (options, error) {
	var o options
	var targets []string
	flags := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	flags.StringVar(&o.host, "host", "bin/host", "the host binary to measure")
	flags.StringArrayVar(&o.hostEnv, "host-env", nil, "measure the host with `NAME=VALUE` in its environment as "+
		"well, such as GOMAXPROCS=1 or GOGC=400 (repeatable)")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each server is measured; medians are shown")
	flags.IntVar(&o.seconds, "seconds", 5, "length of one measurement")
	flags.IntVar(&o.clients, "clients", 64, "keep-alive connections of the load")
	flags.BoolVar(&o.longLived, "connections", false, "measure long-lived connections alone")
	flags.IntVar(&o.idle, "idle", 15000, "long-lived connections whose memory is measured")
	flags.IntVar(&o.echoing, "echoing", 100, "long-lived connections whose messages are echoed")
	flags.IntVar(&o.audience, "audience", 10000, "long-lived connections that a broadcast goes to")
	flags.IntVar(&o.workers, "workers", runtime.NumCPU(), "worker processes of each server")
	flags.IntVar(&o.nginxWorkers, "nginx-workers", 1,
		"nginx processes before php-fpm; one costs the least CPU per request at this load")
	flags.BoolVar(&o.fpmKeepAlive, "fpm-keepalive", true,
		"keep connections from nginx to php-fpm, one for each child; false: a new one for each request")
	flags.StringArrayVar(&targets, "target", nil, "measure a running server too: NAME=URL,PID or "+
		"NAME=URL,PID,WORKERS-PID (repeatable); one at a ws:// URL has to echo each text, and to send one that "+
		"begins with \""+toAll+"\" to all of its connections")
	flags.StringSliceVar(&o.only, "only", nil, "measure only these, of "+strings.Join(sections, ","))
	flags.BoolVar(&o.reload, "reload", false, "measure reloads under load instead")
	flags.BoolVar(&o.takeover, "takeover", false, "replace the host, and nginx, HAProxy and Caddy where they are "+
		"installed, before clients of all kinds instead")
	flags.BoolVar(&o.streams, "streams", false, "measure answers that the host fetches, token by token, beside "+
		"nginx + php-fpm instead")
	flags.IntVar(&o.streaming, "streaming", 2000, "streams at once of --streams")
	flags.BoolVar(&o.waiting, "waiting", false, "measure requests that wait at once in PHP's fibers instead; a "+
		"--target has to answer what is asked for at URL"+waitPath+" after "+waitTime.String())
	flags.IntVar(&o.waitingRequests, "waiting-requests", 5000, "requests of --waiting at once")
	flags.IntVar(&o.reloads, "reloads", 5, "reloads during one run of --reload or --streams")
	flags.IntVar(&o.reloadSeconds, "reload-seconds", 10, "length of one run of --reload")
	flags.IntSliceVar(&o.reloadConnections, "reload-connections", []int{32, 256},
		"keep-alive connections of --reload, measured one after the other")
	flags.StringVar(&o.json, "json", "", "write the result, with every round, to this `file` as well")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: bench takes flags only (see --help)", flags.Arg(0))
	}
	for name, value := range map[string]int{
		"rounds": o.rounds, "seconds": o.seconds, "clients": o.clients, "workers": o.workers,
		"reloads": o.reloads, "reload-seconds": o.reloadSeconds, "nginx-workers": o.nginxWorkers,
		"waiting-requests": o.waitingRequests, "idle": o.idle, "echoing": o.echoing, "audience": o.audience,
		"streaming": o.streaming,
	} {
		if value < 1 {
			return o, fmt.Errorf("--%s %s: want at least 1", name, flags.Lookup(name).Value)
		}
	}
	for _, n := range o.reloadConnections {
		if n < 1 {
			return o, fmt.Errorf("--reload-connections %d: want at least 1", n)
		}
	}
	for _, name := range o.only {
		if !slices.Contains(sections, name) {
			return o, fmt.Errorf("--only %s: want one of %s", name, strings.Join(sections, ", "))
		}
	}
	for _, pair := range o.hostEnv {
		if name, _, ok := strings.Cut(pair, "="); !ok || name == "" {
			return o, fmt.Errorf("--host-env %s: want NAME=VALUE, such as GOMAXPROCS=1", pair)
		}
	}
	for _, text := range targets {
		target, err := parseTarget(text)
		if err != nil {
			return o, err
		}
		o.targets = append(o.targets, target)
	}
	return o, nil
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == plainHTTP {
		fmt.Fprintln(os.Stderr, servePlain(os.Args[2]))
		os.Exit(1)
	}
	if len(os.Args) == 3 && os.Args[1] == languageModel {
		fmt.Fprintln(os.Stderr, beModel(os.Args[2]))
		os.Exit(1)
	}
	if len(os.Args) == 3 && os.Args[1] == clientsProcess {
		if err := beClients(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	o, err := parseOptions(os.Args[1:])
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	// A second Ctrl-C must not end this program before it has ended its servers, so signals stay caught to the end.
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() { cancel(fmt.Errorf("stopped by %s", <-signals)) }()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures what o asks for, prints it, and leaves no process behind.
func run(ctx context.Context, o options) (err error) {
	if runtime.GOOS != "linux" {
		return errors.New("CPU time and memory are read from /proc, which only Linux has")
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk is not installed (Debian: apt-get install wrk, or make setup)")
	}
	s, err := newStage()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()

	result := newReport(o)
	if o.streams {
		result.Streams, err = measureStreams(ctx, s, o)
	} else if o.takeover {
		result.Takeovers, err = measureTakeovers(ctx, s, o)
	} else if o.waiting {
		result.Waiting, err = measureWaiting(ctx, s, o)
	} else if o.reload {
		result.Reloads, err = measureReloads(ctx, s, o)
	} else {
		err = measureServers(ctx, s, o, &result)
		if err == nil && o.runs("connections") {
			result.LongLived, err = measureConnections(ctx, s, o)
		}
	}
	if err != nil && ctx.Err() == nil { // after Ctrl-C they have all fallen
		err = errors.Join(err, s.fallen())
	}
	if err != nil {
		return err
	}
	result.print(os.Stdout)
	if o.json == "" {
		return nil
	}
	content, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(content, '\n'), 0o644)
}

// progress tells a person who waits what is going on; the result alone is on stdout.
func progress(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", arguments...)
}
