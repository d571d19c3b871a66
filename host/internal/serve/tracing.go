// tracing.go makes a host's tracer from [tracing], and has a span of each reload.

package serve

import (
	"cmp"
	"maps"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/host/internal/trace/otlp"
)

// traces are where the spans of a host go. The zero value is off. They never change; see edge.
type traces struct {
	settings *config.Tracing
	tracer   *trace.Tracer // nil is off
	tally    *trace.Tally  // of all tracers that the host has had
}

// newTraces makes those that come after old, or takes that tracer if it would be the same.
func newTraces(c *config.Tracing, old traces, log hclog.Logger) traces {
	t := traces{settings: c, tracer: old.tracer, tally: cmp.Or(old.tally, new(trace.Tally))}
	if reflect.DeepEqual(c, old.settings) {
		return t
	}
	t.tracer = nil
	if c == nil || c.Off {
		return t
	}
	attributes := maps.Clone(c.Attributes)
	for name, value := range map[string]string{"telemetry.sdk.name": "workerhost", "telemetry.sdk.language": "go",
		"telemetry.sdk.version": cli.Version(), "host.name": hostName()} {
		if attributes[name] == "" {
			attributes[name] = value
		}
	}
	t.tracer = trace.New(trace.Settings{Share: float64(*c.Sample), ParentBased: *c.ParentBased},
		otlp.New(otlp.Settings{URL: c.URL, Headers: c.Headers, Timeout: *c.Timeout, Attributes: attributes,
			Version: cli.Version()}), t.tally, log)
	return t
}

func hostName() string {
	name, _ := os.Hostname()
	return name
}

// retire ends the tracer, unless next has it, too.
func (t traces) retire(next traces) {
	if t.tracer != next.tracer {
		t.tracer.Retire()
	}
}

// planTracing finds the changes of [tracing].
func (p *plan) planTracing(before, after *config.Tracing) {
	table := change{table: "[tracing]", live: true}
	switch {
	case before == nil && after == nil:
	case before == nil:
		p.http = append(p.http, table.whole("added"))
	case after == nil:
		p.http = append(p.http, table.whole("removed"))
	default:
		p.http = append(p.http, differences(table, *before, *after)...)
	}
}

// mostReloadEvents is how many events a reload's span has; a pool may have thousands of workers.
const mostReloadEvents = 500

// trace has a span of a reload that is over, whatever the share: there are few of them, and whoever looks for what
// changed looks for them.
func (p *pass) trace(began time.Time, outcome control.Outcome) {
	tracer := p.host.setup.Load().edge.traces.tracer
	span := tracer.Always()
	r := span.Record(began)
	if r == nil {
		return
	}
	r.Name, r.Kind = "reload", trace.Internal
	r.Attributes.Word("workerhost.outcome", string(outcome))
	r.Attributes.Word("workerhost.pool", strings.Join(p.ask.Pools, " "))
	if outcome != control.Done {
		r.Failed, r.Fault = true, string(outcome)
		r.Attributes.Word("error.type", r.Fault)
	}
	for e := range p.account.Events() {
		if len(r.Events) == mostReloadEvents {
			r.Attributes.Word("workerhost.events", "more than are here: the host's log has all")
			break
		}
		r.Events = append(r.Events, trace.Event{At: e.At, Name: string(e.Kind), Attributes: reloadAttributes(&e)})
	}
	span.End(r)
}

// reloadAttributes are what a span says of an event: no text, since there may be secrets in what a worker printed.
func reloadAttributes(e *control.Event) (a trace.Attributes) {
	a.Word("workerhost.pool", e.Pool)
	a.Word("workerhost.listener", e.Address)
	a.Word("workerhost.setting", e.Key)
	if e.Generation > 0 {
		a.Whole("workerhost.generation", int64(e.Generation))
	}
	if e.Slot != nil {
		a.Whole("workerhost.worker", int64(*e.Slot))
	}
	if e.NewPID > 0 {
		a.Whole("process.pid", int64(e.NewPID))
	}
	if e.OldPID > 0 {
		a.Whole("workerhost.old_pid", int64(e.OldPID))
	}
	if e.Boot > 0 {
		a.Millis("workerhost.boot_ms", time.Duration(float64(time.Millisecond)*float64(e.Boot)))
	}
	if e.Replaced > 0 {
		a.Whole("workerhost.replaced", int64(e.Replaced))
	}
	if len(e.Cut) > 0 {
		a.Whole("workerhost.cut", int64(len(e.Cut)))
	}
	return a
}
