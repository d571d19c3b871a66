// cron.go: what [[cron]] runs by the clock: commands, and requests to pools that the host makes itself.

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/cron"
	"github.com/workerhost/workerhost/host/internal/gate"
	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers"
)

// cronLogRate is how much one run may put into the log in a second, in the long run.
const cronLogRate = 1 << 20

// entriesOf translates what the file says.
func (h *host) entriesOf(c *config.Config) (all []cron.Entry) {
	for _, e := range c.Cron {
		entry := cron.Entry{Name: e.Name, What: redact.Text(e.What()), Schedule: e.Due, Overlap: e.Overlap,
			Jitter: e.Jitter, Timeout: e.Timeout, CatchUp: e.CatchUp}
		switch {
		case e.Path != "":
			entry.Do = func(ctx context.Context) (string, error) { return h.askByClock(ctx, e) }
		case e.Task != "":
			entry.Do = func(ctx context.Context) (string, error) { return h.pushByClock(ctx, e) }
		default:
			entry.Do = func(ctx context.Context) (string, error) { return h.runEntry(ctx, e) }
		}
		all = append(all, entry)
	}
	return all
}

// runEntry runs an entry's command once.
func (h *host) runEntry(ctx context.Context, e *config.Cron) (output string, err error) {
	b := h.newBeside("cron", e.Name, &e.SideProgram)
	defer b.close()
	launch, err := b.launch()
	if err != nil {
		return "", err
	}
	err = gate.Command{Launch: launch, Timeout: e.Timeout, StopTimeout: e.StopTimeout, Read: func(from io.Reader) {
		output = redact.Text(workers.Relay(from, b.own.log, cronLogRate))
	}}.Run(ctx)
	return lastLines(output), err
}

// mostLines is how much is kept of what a run has printed.
const mostLines = 20

func lastLines(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-mostLines):], "\n")
}

// askByClock makes an entry's request once.
func (h *host) askByClock(ctx context.Context, e *config.Cron) (output string, err error) {
	p := byName(h.pools(), e.Pool)
	if p == nil {
		return "", fmt.Errorf("there is no pool %q any more", e.Pool)
	}
	request := warmUp(e.Path)
	request.Host, request.ID = "localhost", "cron-"+e.Name
	if e.Host != "" {
		request.Host = e.Host
	}
	request.Headers = []string{"User-Agent", "workerhost/" + cli.Version(), "X-Worker-Cron", e.Name}
	sink := &cronSink{finished: make(chan struct{})}
	ticket := p.backend().Submit(&protocol.Exchange{Request: request, Timeout: e.Timeout, Sink: sink})
	select {
	case <-sink.finished:
		return sink.outcome()
	case <-ctx.Done():
	}
	if errors.Is(context.Cause(ctx), cron.ErrEnding{}) { // its pool has it ended, as any request
		select {
		case <-sink.finished:
			return sink.outcome()
		case <-h.now.Done():
		}
	}
	if ticket != nil {
		ticket.Cancel(protocol.ResetCancelled)
	}
	<-sink.finished
	return "", context.Cause(ctx)
}

// pushByClock pushes an entry's task once. Its id keeps it from being pushed while the one before is not over.
func (h *host) pushByClock(ctx context.Context, e *config.Cron) (output string, err error) {
	_, rooms := h.queues()
	room := rooms[e.Task]
	if room == nil {
		return "", fmt.Errorf("there is no queue %q any more", e.Task)
	}
	payload, err := protocol.NewValue(e.Payload.Value)
	if err != nil {
		return "", err
	}
	m := &protocol.Push{Queue: e.Task, Payload: payload}
	if !e.Overlap {
		m.ID = "cron " + e.Name
	}
	pushed, err := room.Offer(ctx, m)
	if err == nil && !pushed {
		err = cron.ErrLeftOut
	}
	return "", err
}

// cronSink takes a response and drops all but its beginning. Its fields may be read once finished is closed.
type cronSink struct {
	stream   protocol.Stream
	status   int
	body     []byte
	failure  *protocol.Failure
	finished chan struct{}
}

// mostAnswer is how much is kept of an answer's body.
const mostAnswer = 1 << 10

func (s *cronSink) Begin(stream protocol.Stream) { s.stream = stream }
func (s *cronSink) Writable()                    {}
func (s *cronSink) Inform(*protocol.Inform)      {}
func (s *cronSink) Fail(f *protocol.Failure)     { s.failure = f }
func (s *cronSink) Finished()                    { close(s.finished) }

func (s *cronSink) Respond(m *protocol.Response) {
	s.status = m.Status
	s.keep(m.Body)
}

func (s *cronSink) Data(m *protocol.Data) {
	s.keep(m.Bytes)
	s.stream.Consumed(len(m.Bytes))
}

func (s *cronSink) keep(b []byte) {
	s.body = append(s.body, b[:min(len(b), mostAnswer-len(s.body))]...)
}

func (s *cronSink) outcome() (output string, err error) {
	output = lastLines(redact.Text(strings.ToValidUTF8(string(s.body), "?")))
	switch {
	case s.failure != nil:
		return output, s.failure
	case s.status >= 400:
		return output, fmt.Errorf("it was answered with %d", s.status)
	}
	return output, nil
}

// startPrograms begins what runs beside the workers, once the host before has ended its own.
func (h *host) startPrograms() error {
	if !h.settled() {
		return nil
	}
	var handed cron.Handed
	quiet := make(<-chan struct{})
	if b := h.upgrade.before; b != nil {
		handed, quiet = b.cron, b.quiet
	}
	h.cron.Start(h.cronFile, handed)
	if h.upgrade.before != nil {
		select {
		case <-quiet:
		case <-h.stopping.Done():
			return nil
		}
	}
	h.services.startAll()
	return nil
}

// cronFile makes the place of what has run when.
func (h *host) cronFile() (string, error) {
	c := h.config()
	if _, err := c.StateFolder("cron"); err != nil {
		return "", err
	}
	return c.CronPath(), nil
}

// ran is the end of a run in the host before.
type ran struct {
	Name   string `msgpack:"name"`
	Result []byte `msgpack:"result"` // as JSON
}

// leaves is what the old host says with host.left. Those of before have said nothing.
type leavesWith struct {
	Cron cron.Handed `msgpack:"cron"`
}

// leavePrograms has the next host go on with cron from here, and tells it of what is still under way.
func (h *host) leavePrograms(n *next) leavesWith {
	h.cron.Tell(func(name string, result cron.Result) {
		data, err := json.Marshal(result)
		if err == nil {
			n.link.Send(sayRan, ran{name, data}) // an error is the link's end
		}
	})
	return leavesWith{h.cron.Leave(true)}
}

// hearPrograms is what the next host makes of that.
func (h *host) hearPrograms(b *before, by handover.Handlers) {
	by[sayRan] = func(m handover.Message) error {
		var r ran
		var result cron.Result
		err := m.Decode(&r)
		if err == nil {
			err = json.Unmarshal(r.Result, &result)
		}
		if err == nil {
			h.cron.Ended(r.Name, result)
		}
		return err
	}
	by[sayQuiet] = func(handover.Message) error { b.hush(); return nil }
}

// endPrograms ends what runs beside the workers: services at once, and runs of cron, too, unless another host has
// taken over. It returns a function that waits for the latter.
func (h *host) endPrograms() (wait func()) {
	n := h.upgrade.replaced.Load()
	if n == nil {
		h.cron.Leave(false)
		h.cron.End()
	}
	done := make(chan struct{})
	go func() { // ends with the services, each of which has a time-out
		defer close(done)
		h.services.end()
		if n != nil {
			n.link.Send(sayQuiet, nil)
		}
	}()
	return func() {
		<-done
		longest := time.Duration(0)
		for _, e := range h.config().Cron {
			longest = max(longest, e.Timeout+e.StopTimeout)
		}
		h.bounded("the runs of [[cron]]", longest, h.cron.Wait)
	}
}

// Cron implements [control.Host].
func (h *host) Cron() []control.CronEntry {
	all := []control.CronEntry{}
	for _, e := range h.cron.Status() {
		shown := control.CronEntry{Name: e.Name, What: e.What, Schedule: e.Schedule.String(),
			Zone: e.Schedule.Zone().String(), Running: e.Running, Runs: e.Runs, Failed: e.Failed, Skipped: e.Skipped,
			Missed: e.Missed, History: []control.CronRun{}}
		if !e.Next.IsZero() {
			shown.Next = &e.Next
		}
		for _, result := range slices.Backward(e.History) {
			shown.History = append(shown.History, cronRun(result))
		}
		all = append(all, shown)
	}
	return all
}

func cronRun(r cron.Result) control.CronRun {
	return control.CronRun{Began: r.Began, Took: control.Millis(r.Took), ByHand: r.ByHand, CaughtUp: r.CaughtUp,
		Error: redact.Text(r.Error), Output: r.Output}
}

// RunCron implements [control.Host].
func (h *host) RunCron(ctx context.Context, name string) (control.CronRun, error) {
	over, err := h.cron.Run(name)
	var unknown *cron.Unknown
	if errors.As(err, &unknown) {
		err = &control.Unknown{What: "entry of cron", Name: name, Known: unknown.Known}
	}
	if err != nil {
		return control.CronRun{}, err
	}
	select {
	case result := <-over:
		return cronRun(result), nil
	case <-ctx.Done():
		return control.CronRun{}, errors.New("whoever asked has left; the run goes on")
	}
}
