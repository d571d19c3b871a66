// The host's end of protocol/vectors/transcripts: a pool in virtual time, whose one worker plays a worker's lines.

package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/protocol/transcript"
	"github.com/workerhost/workerhost/workers/internal/wait"
)

func TestThePoolKeepsToTheTranscripts(t *testing.T) {
	all, err := transcript.Load("../protocol/vectors/transcripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range all {
		if text.For == "worker" {
			continue
		}
		t.Run(text.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playWorker(t, text) })
		})
	}
}

// player plays a transcript's worker, and sees to it that the pool has reason to say what the host says in it.
type player struct {
	t        *testing.T
	pool     *Pool
	hub      strictHub
	log      lines
	sinks    map[uint32]*testSink
	tickets  map[uint32]protocol.Ticket
	underWay map[string]uint32 // by what opened it, the stream of the line that did
	taken    int               // how many of the hub's notes have been shown
}

// strictHub refuses what a HANGUP can't be sent with, and takes a second for a SEND of "slow".
type strictHub struct{ fakeHub }

func (h *strictHub) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	for _, a := range acts {
		if m, ok := a.(*protocol.Hangup); ok && m.Code < 1000 {
			done(fmt.Errorf("the code %d can't be sent to a client", m.Code))
			return
		}
	}
	if m, ok := acts[0].(*protocol.Send); ok && string(m.Bytes) == "slow" {
		time.AfterFunc(time.Second, func() { h.fakeHub.Commit(subject, acts, done) })
		return
	}
	h.fakeHub.Commit(subject, acts, done)
}

// playWorker runs one transcript. The worker that is started after its own answers everything with its generation.
func playWorker(t *testing.T, text transcript.Transcript) {
	p := &player{
		t: t, sinks: map[uint32]*testSink{}, tickets: map[uint32]protocol.Ticket{}, underWay: map[string]uint32{},
	}
	played := make(chan struct{})
	set := Settings{
		Workers: 1, RequestTimeout: 30 * time.Second, Hub: &p.hub,
		Logger: hclog.New(&hclog.LoggerOptions{Output: &p.log, Level: hclog.Debug}),
	}
	start := make(chan struct{})
	p.pool, _ = newFakePool(t, set, func(n int) script {
		if n > 1 {
			return serve(1, generationWorker)
		}
		return func(w *fakeWorker) {
			<-start
			sound := p.play(w, text.Lines)
			close(played)
			if sound {
				p.rest(w)
			}
		}
	})
	close(start)
	<-played
	p.pool.Stop(context.Background())
}

// play says what the worker says, awaits what the host says, and looks at what comes of it.
func (p *player) play(w *fakeWorker, all []transcript.Line) (sound bool) {
	hello, err := w.conn.Accept()
	if err != nil {
		p.t.Error(err)
		return false
	}
	w.hello = hello
	if len(all) == 0 || all[0].Type != protocol.TypeReady {
		features := []string{"open", "message", "close"}
		w.conn.Send(&protocol.Ready{Version: 1, PID: w.id, SDK: "transcript", Features: features})
	}
	defer time.AfterFunc(time.Hour, func() { w.die("the transcript came to a halt") }).Stop()
	for _, l := range all {
		if err := p.line(w, &l); err != nil {
			p.t.Errorf("line %d: %v\nthe log:\n%s", l.Number, err, p.log.String())
			w.die("transcript failed")
			return false
		}
	}
	return true
}

// rest is after the last line: what comes now is not in the transcript.
func (p *player) rest(w *fakeWorker) {
	for {
		payload, err := w.conn.Read()
		if err != nil {
			return
		}
		t, stream, _ := protocol.Head(payload)
		switch t {
		case protocol.TypePing:
			p.pong(w, payload)
		case protocol.TypeDrain:
		default:
			p.t.Errorf("%s on stream %d comes after the transcript's end", t, stream)
		}
	}
}

func (p *player) pong(w *fakeWorker, payload []byte) {
	var m protocol.Ping
	m.Parse(payload)
	w.conn.Send(&protocol.Pong{Token: m.Token})
}

func (p *player) line(w *fakeWorker, l *transcript.Line) error {
	switch l.Kind {
	case '<':
		if l.Type != 0 {
			w.conn.Send(raw(l.Frame())) // a link that is broken shows in what comes of it
			return nil
		}
		if l.Text != "exit 0" {
			return fmt.Errorf("a worker's sign is %q: unknown", l.Text)
		}
		w.conn.Flush()
		w.die("exit status 0")
		return nil
	case '>':
		return p.host(w, l)
	case '~':
		time.Sleep(l.Pause)
		return nil
	}
	synctest.Wait()
	switch l.Kind {
	case '=':
		var stream uint32
		number, want, _ := strings.Cut(l.Text, " ")
		fmt.Sscan(number, &stream)
		if s := p.sinks[stream]; s == nil {
			return fmt.Errorf("nothing was opened on stream %d", stream)
		} else if got := s.outcome(); got != want {
			return fmt.Errorf("stream %d: expected %s, got %s", stream, want, got)
		}
	case '+':
		all := p.hub.all()
		got := strings.Join(all[p.taken:], "; ")
		p.taken = len(all)
		if got == "" {
			got = "nothing"
		}
		if got != l.Text {
			return fmt.Errorf("expected that %s has taken effect, got %s", l.Text, got)
		}
	case '!':
		text := p.log.String()
		if l.Text == "nothing" {
			if strings.Contains(text, "[WARN]") || strings.Contains(text, "[ERROR]") {
				return errors.New("expected no warning and no error in the log")
			}
		} else if !strings.Contains(text, l.Text) {
			return fmt.Errorf("expected %q in the log", l.Text)
		}
	}
	return nil
}

// host has the pool say what the line shows, where it would not of itself, and awaits it.
func (p *player) host(w *fakeWorker, l *transcript.Line) error {
	if l.Type == 0 {
		return p.sign(w, l.Text)
	}
	synctest.Wait() // what the worker has said has been heard
	switch l.Type {
	case protocol.TypeRequest, protocol.TypeOpen, protocol.TypeMessage, protocol.TypeClose, protocol.TypeBuffer:
		p.open(l)
	case protocol.TypeData:
		var m protocol.Data
		if err := m.Parse(l.Frame()[4:]); err != nil {
			return err
		}
		p.sinks[m.Stream].stream.Send(m.Bytes, m.Flags&protocol.FlagEnd != 0, m.Trailers)
	case protocol.TypeReset:
		var m protocol.Reset
		if err := m.Parse(l.Frame()[4:]); err != nil {
			return err
		}
		if ticket := p.tickets[m.Stream]; m.Code == protocol.ResetCancelled && ticket != nil {
			ticket.Cancel(m.Code)
		}
	case protocol.TypeDrain:
		go p.pool.Stop(context.Background()) // playWorker waits for it
	}
	for {
		payload, err := w.conn.Read()
		if err != nil {
			return fmt.Errorf("expected %s, got the end: %v", l.Text, err)
		}
		if t, _, _ := protocol.Head(payload); t == protocol.TypePing && l.Type != protocol.TypePing {
			p.pong(w, payload)
			continue
		}
		_, err = l.Check(payload)
		return err
	}
}

// sign awaits what the host does that is no frame.
func (p *player) sign(w *fakeWorker, what string) error {
	switch what {
	case "end":
		if payload, err := w.conn.Read(); err != io.EOF {
			return fmt.Errorf("expected the end of the input, got %x and %v", payload, err)
		}
	case "TERM", "KILL":
		<-w.died
		if want := map[string]string{"TERM": "signal: terminated", "KILL": "signal: killed"}[what]; w.how != want {
			return fmt.Errorf("expected %s, got %s", want, w.how)
		}
	default:
		return fmt.Errorf("a host's sign is %q: unknown", what)
	}
	return nil
}

// open submits what the line opens, unless that is under way already and is tried again.
func (p *player) open(l *transcript.Line) {
	key := identity(l)
	if first, again := p.underWay[key]; again && !wait.Within(p.sinks[first].finished, 0) {
		p.sinks[l.Stream()], p.tickets[l.Stream()] = p.sinks[first], p.tickets[first]
		return
	}
	payload := l.Frame()[4:]
	var m protocol.Opening
	var err error
	x := &protocol.Exchange{Patient: true, Repeatable: true}
	switch l.Type {
	case protocol.TypeRequest:
		r := new(protocol.Request)
		err = r.Parse(payload)
		m = r
		x.Patient, x.Repeatable = false, r.Method == "GET" || r.Method == "HEAD"
	case protocol.TypeOpen:
		o := new(protocol.Open)
		m, err = o, o.Parse(payload)
	case protocol.TypeMessage:
		i := new(protocol.Incoming)
		m, err = i, i.Parse(payload)
	case protocol.TypeClose:
		c := new(protocol.Close)
		m, err = c, c.Parse(payload)
	default:
		b := new(protocol.Buffer)
		m, err = b, b.Parse(payload)
	}
	if err != nil {
		p.t.Error(err)
		return
	}
	s := newSink()
	if x.Patient {
		x.Subject = connection("c1")
	}
	x.Request, x.Sink = m, s
	p.sinks[l.Stream()], p.underWay[key] = s, l.Stream()
	p.tickets[l.Stream()] = p.pool.Submit(x)
}

// identity is what two openings of the same thing share: all but stream and attempt.
func identity(l *transcript.Line) string {
	elements := append([]any(nil), l.Elements...)
	elements[1] = nil
	at := 3 // where the attempt is
	switch l.Type {
	case protocol.TypeRequest:
		at = 14
	case protocol.TypeMessage:
		at = 4
	}
	if at < len(elements) {
		elements[at] = nil
	}
	key, _ := json.Marshal(elements)
	return string(key)
}

// outcome is what has come of the exchange so far.
func (s *testSink) outcome() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := ""
	if s.status != 0 {
		head = fmt.Sprintf("%d %q", s.status, s.body)
	}
	switch {
	case s.failure != nil && head != "":
		return head + ", then " + s.failure.Kind.String()
	case s.failure != nil:
		return s.failure.Kind.String()
	case s.ended:
		return head
	case head != "":
		return head + " and not its end"
	}
	select {
	case <-s.finished:
		return "done"
	default:
		return "nothing"
	}
}
