// Package leaks finds out what one request leaves behind in a PHP worker for the next: it has the pool's one worker
// answer the same safe request again and again, and asks the PHP SDK what has grown or changed meanwhile. It knows how
// to ask; what there is to look at, the SDK knows (sdk-php/src/Internal/Leaks), which has to be told by [Variable].
//
// leaks.go has a series of repetitions and its report; watch.go repeats what clients ask for.
package leaks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Variable is set in the environment of workers that are to look for leaks. The twin of these names is
// sdk-php/src/Internal/Leaks/Inspector.php.
const Variable = "WORKERHOST_LEAKS"

const (
	header = "X-Worker-Leaks"
	report = "report"
	// repetitions are one that fills what fills once, and those that are compared.
	repetitions = 4
	// most is how long a worker may take for one of them: a stream may have no end.
	most = 20 * time.Second
	// mostReport bounds a report, in bytes.
	mostReport = 4 << 20
)

// Rank says how bad a finding is.
type Rank string

// The ranks.
const (
	Grows   Rank = "grows"   // with each request
	Left    Rank = "left"    // set by each request, and not set back
	Changes Rank = "changes" // with each request, and does not grow: a counter, or the last request's data
)

// Leaks says whether the finding is one that has to be mended; what changes may be meant.
func (r Rank) Leaks() bool { return r != Changes }

// Finding is something that outlives a request.
type Finding struct {
	Rank     Rank     `json:"rank"`
	Kind     string   `json:"kind"`     // value, list, memory, setting, transaction or buffer
	Path     string   `json:"path"`     // from a static property, a variable or the handler; or the setting's name
	Class    string   `json:"class"`    // whose property it is; "" for none
	Property string   `json:"property"` // the property or the variable; "" for none
	What     string   `json:"what"`     // what became of it, in words
	Places   []string `json:"places"`   // FILE:LINE that read as if they wrote it
	Before   *int     `json:"before,omitempty"`
	After    *int     `json:"after,omitempty"` // how many elements or bytes there were, of what grows
}

// Report is what a series has found.
type Report struct {
	Request    string    `json:"request"`    // "GET /path"
	Status     int       `json:"status"`     // that it was answered with
	Runs       int       `json:"runs"`       // how many repetitions were compared
	Incomplete bool      `json:"incomplete"` // there is more than was looked at
	Findings   []Finding `json:"findings"`   // the worst first
}

// Leaks is how many findings have to be mended.
func (r *Report) Leaks() (n int) {
	for _, f := range r.Findings {
		if f.Rank.Leaks() {
			n++
		}
	}
	return n
}

// Pool takes exchanges, as [workers.Pool] does. It has to have one worker, which does one thing at a time.
type Pool interface {
	Submit(x *protocol.Exchange) protocol.Ticket
}

// errSilent is about a worker that has answered the question for its findings as if it were a visitor's.
var errSilent = errors.New("its worker knows nothing of leaks: they are looked for with the PHP SDK; one that the " +
	"program brings has to be as new as the host (host sdk php DIR)")

// errReplaced is about a worker that has not seen the whole series.
var errReplaced = errors.New("its worker was replaced meanwhile, as one is that calls exit()")

// Inspect sends the request once, and then repeats it.
func Inspect(ctx context.Context, p Pool, r *protocol.Request) (*Report, error) {
	first, err := ask(ctx, p, r, "")
	if err != nil {
		return nil, err
	}
	found, err := Repeat(ctx, p, r)
	if err == nil {
		found.Status = first.status
	}
	return found, err
}

// Repeat repeats a request that was answered just now, and gives what the worker has found. The request is not
// changed, and may not be by others meanwhile.
func Repeat(ctx context.Context, p Pool, r *protocol.Request) (*Report, error) {
	for n := range repetitions {
		if _, err := ask(ctx, p, r, strconv.Itoa(n+1)); err != nil {
			return nil, err
		}
	}
	answer, err := ask(ctx, p, r, report)
	if err != nil {
		return nil, err
	}
	found := &Report{}
	if err := json.Unmarshal(answer.body, found); err != nil || found.Request == "" {
		return nil, errSilent
	}
	if found.Runs < repetitions-1 {
		return nil, errReplaced
	}
	found.Request = r.Method + " " + r.Target
	slices.SortStableFunc(found.Findings, func(a, b Finding) int { return weight(a.Rank) - weight(b.Rank) })
	return found, nil
}

func weight(r Rank) int { return slices.Index([]Rank{Grows, Left, Changes}, r) }

// ask has a copy of the request answered; word is for the SDK, "" for none.
func ask(ctx context.Context, p Pool, r *protocol.Request, word string) (*answer, error) {
	request := copyOf(r)
	switch word {
	case "":
	case report: // which has a body, and depends on nothing that the client has said
		request.Method, request.Headers = "GET", []string{header, word}
	default:
		request.Headers = append(request.Headers, header, word)
	}
	a := &answer{keep: word == report, finished: make(chan struct{})}
	ticket := p.Submit(&protocol.Exchange{Request: request, Sink: a})
	late, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	select {
	case <-a.finished:
	case <-late.Done():
		ticket.Cancel(protocol.ResetCancelled) // that it ends is not waited for: its code may not heed it
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("it did not end within %s, and can't be repeated", most)
	}
	if a.failure != nil {
		return nil, a.failure
	}
	return a, nil
}

// copyOf is the request as it was before a pool had it.
func copyOf(r *protocol.Request) *protocol.Request {
	return &protocol.Request{
		Flags: protocol.FlagEnd, Method: r.Method, Target: r.Target, Version: r.Version, Scheme: r.Scheme,
		Host: r.Host, Remote: r.Remote, Length: r.Length,
		Headers: slices.Clone(r.Headers), TLS: r.TLS, ID: r.ID, Local: r.Local,
	}
}

// answer is the sink of an exchange of ours. Its fields may be read once finished is closed.
type answer struct {
	keep     bool // the body is wanted
	stream   protocol.Stream
	status   int
	body     []byte
	failure  *protocol.Failure
	finished chan struct{}
}

func (a *answer) Begin(s protocol.Stream)  { a.stream, a.body = s, nil }
func (a *answer) Writable()                {}
func (a *answer) Inform(*protocol.Inform)  {}
func (a *answer) Fail(f *protocol.Failure) { a.failure = f }
func (a *answer) Finished()                { close(a.finished) }
func (a *answer) Respond(m *protocol.Response) {
	a.status = m.Status
	a.take(m.Body)
}

func (a *answer) Data(m *protocol.Data) {
	a.take(m.Bytes)
	a.stream.Consumed(len(m.Bytes))
}

func (a *answer) take(b []byte) {
	if a.keep {
		a.body = append(a.body, b[:min(len(b), mostReport-len(a.body))]...)
	}
}
