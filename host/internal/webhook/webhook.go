// Package webhook posts JSON to addresses that others have chosen, and keeps nobody waiting for it: what can't be
// delivered now is tried again, and in the end given up with a line in the log. Addresses are secrets, since whoever
// knows one may post there; of an address only its host is ever told.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	most     = 16               // deliveries that may wait
	attempts = 5                // for each of them
	patience = 10 * time.Second // for an answer
	parting  = 2 * time.Second  // for all that waits when Close comes
)

// Sender posts one delivery after the other. It is safe for concurrent use.
type Sender struct {
	agent  string
	log    hclog.Logger
	client http.Client
	pause  time.Duration // before the second attempt; twice as long before each that follows

	once   sync.Once
	queue  chan delivery
	quit   chan struct{} // closed by Close
	done   chan struct{} // closed when the last delivery is over
	ctx    context.Context
	cancel context.CancelFunc
}

type delivery struct {
	address string
	body    []byte
}

// New makes a sender; agent is its name in User-Agent. It starts nothing before the first Send.
func New(agent string, log hclog.Logger) *Sender {
	s := &Sender{agent: agent, log: log, pause: time.Second, queue: make(chan delivery, most),
		quit: make(chan struct{}), done: make(chan struct{})}
	s.client.Timeout = patience
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Send has entry posted as JSON, and returns at once. It is not to be called after Close.
func (s *Sender) Send(address string, entry any) {
	body, err := json.Marshal(entry)
	if err != nil {
		s.log.Error("the webhook is not told", "error", err)
		return
	}
	s.once.Do(func() { go s.run() }) // ends after Close
	select {
	case s.queue <- delivery{address, body}:
	default:
		s.log.Warn("the webhook is not told: too much waits for it already", "webhook", Shown(address))
	}
}

// Close gives what waits a last, short chance, and returns when nothing is under way any more.
func (s *Sender) Close() {
	s.once.Do(func() { close(s.done) }) // there was nothing
	close(s.quit)
	defer s.cancel()
	defer time.AfterFunc(parting, s.cancel).Stop()
	<-s.done
}

func (s *Sender) run() {
	defer close(s.done)
	for {
		select {
		case d := <-s.queue:
			s.deliver(d)
			continue
		default:
		}
		select {
		case d := <-s.queue:
			s.deliver(d)
		case <-s.quit:
			if len(s.queue) == 0 {
				return
			}
		}
	}
}

// deliver tries until it is told, as often as makes sense.
func (s *Sender) deliver(d delivery) {
	var err error
	for attempt, pause := 1, s.pause; ; attempt, pause = attempt+1, 2*pause {
		again := false
		if again, err = s.post(d); err == nil {
			return
		}
		if !again || attempt == attempts || s.quits(pause) {
			break
		}
	}
	s.log.Warn("the webhook was not told", "webhook", Shown(d.address), "error", err)
}

// quits waits, and says whether Close came.
func (s *Sender) quits(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-s.quit:
		return true
	}
}

// post is one attempt. again says whether another one may do better.
func (s *Sender) post(d delivery) (again bool, err error) {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, d.address, bytes.NewReader(d.body))
	if err != nil {
		return false, errors.New("its address is no URL")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", s.agent)
	w, err := s.client.Do(r)
	if err != nil {
		var whole *url.Error // it has the address
		if errors.As(err, &whole) {
			err = whole.Err
		}
		return true, err
	}
	defer w.Body.Close()
	io.Copy(io.Discard, io.LimitReader(w.Body, 64<<10)) // so that the connection can be used again
	switch {
	case w.StatusCode < 300:
		return false, nil
	case w.StatusCode < 400:
		return false, fmt.Errorf("it answered %s, and is not followed: write the address that it leads to", w.Status)
	}
	again = w.StatusCode >= 500 || w.StatusCode == http.StatusTooManyRequests ||
		w.StatusCode == http.StatusRequestTimeout
	return again, fmt.Errorf("it answered %s", w.Status)
}

// Shown is what may be told of an address.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "(no URL)"
	}
	return u.Scheme + "://" + u.Host + "/…"
}
