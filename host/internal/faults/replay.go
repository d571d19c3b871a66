// replay.go: a request that failed, asked once more of another backend.

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/protocol"
)

// Header says to code that it is asked once more what failed before. The host passes it on from no client.
const Header = "X-Worker-Replay"

// Answer is what came of a request that was asked once more.
type Answer struct {
	Took    time.Duration
	Status  int      // 0: there was none
	What    string   // went wrong, as in [Fault]; "": nothing
	Headers []string // name, value, name, value, …
	Body    []byte   // its beginning
	Length  int64
	Message string // what the worker logged first, if that is an error; or the host
	Trace   string
}

// Check says why a fault can't be asked once more.
func (f *Fault) Check() error {
	switch {
	case f.Request == nil:
		return fmt.Errorf("%s is an event (%s): only requests can be replayed", f.ID, f.Name)
	case f.Request.Form:
		return fmt.Errorf("the body of %s was a form, which is not kept: it can't be replayed", f.ID)
	case f.Length > int64(len(f.Body)):
		return fmt.Errorf("of the body of %s %d of %d bytes are kept: [faults] bodies = true keeps the first %d of "+
			"those that come; or give one with --body FILE", f.ID, len(f.Body), f.Length, longestBody)
	}
	return nil
}

// Ask submits the request of a fault that [Fault.Check] finds good, with more fields in its head, which take the place
// of those of their names. It returns when it is over, or given up with ctx.
func (f *Fault) Ask(ctx context.Context, of hub.Backend, fields []string, timeout time.Duration) (Answer, error) {
	m := &protocol.Request{Flags: protocol.FlagEnd, Method: f.Request.Method, Target: f.Request.Target,
		Version: f.Request.Version, Scheme: f.Request.Scheme, Host: f.Request.Host, Remote: f.Request.Remote,
		Length: int64(len(f.Body)), ID: f.RequestID, Body: f.Body}
	set := map[string]bool{"content-length": true, "transfer-encoding": true}
	for i := 0; i+1 < len(fields); i += 2 {
		set[strings.ToLower(fields[i])] = true
	}
	for i := 0; i+1 < len(f.Request.Headers); i += 2 {
		if name := f.Request.Headers[i]; !set[strings.ToLower(name)] {
			m.Headers = append(m.Headers, name, f.Request.Headers[i+1])
		}
	}
	m.Headers = append(append(m.Headers, fields...), Header, "1")
	if len(f.Body) > 0 {
		m.Headers = append(m.Headers, "Content-Length", fmt.Sprint(len(f.Body)))
	}
	if len(m.Body) > protocol.MaxData {
		return Answer{}, errors.New("the body is larger than one frame")
	}
	a := &asking{over: make(chan struct{})}
	ticket := of.Submit(&protocol.Exchange{Request: m, Timeout: timeout, Sink: a, ErrorLogged: a.errorLogged})
	defer context.AfterFunc(ctx, func() { ticket.Cancel(protocol.ResetCancelled) })()
	<-a.over
	return a.Answer, ctx.Err()
}

// asking takes the answer. It implements [protocol.Sink].
type asking struct {
	Answer
	began  time.Time
	stream protocol.Stream
	over   chan struct{}
}

func (a *asking) errorLogged(e *protocol.LoggedError) {
	if a.Message == "" {
		a.Message, a.Trace = describe(e)
	}
}

// Begin implements [protocol.Sink].
func (a *asking) Begin(s protocol.Stream) { a.stream, a.began = s, time.Now() }

// Writable implements [protocol.Sink].
func (a *asking) Writable() {}

// Inform implements [protocol.Sink].
func (a *asking) Inform(*protocol.Inform) {}

// Respond implements [protocol.Sink].
func (a *asking) Respond(m *protocol.Response) {
	a.Status = m.Status
	for _, text := range m.Headers {
		a.Headers = append(a.Headers, strings.Clone(text))
	}
	a.more(m.Body)
	if m.Status >= 500 {
		a.What = statusName(m.Status)
	}
}

func (a *asking) more(b []byte) {
	a.Length += int64(len(b))
	a.Body = append(a.Body, b[:min(len(b), longestBody-len(a.Body))]...)
}

// Data implements [protocol.Sink].
func (a *asking) Data(m *protocol.Data) {
	a.more(m.Bytes)
	a.stream.Consumed(len(m.Bytes))
}

// Fail implements [protocol.Sink].
func (a *asking) Fail(err *protocol.Failure) {
	a.Status, a.What = 0, err.Kind.String()
	if a.Message == "" {
		a.Message = redact.Text(strings.Clone(err.Detail))
	}
}

// Finished implements [protocol.Sink].
func (a *asking) Finished() {
	if !a.began.IsZero() {
		a.Took = time.Since(a.began)
	}
	close(a.over)
}
