// A crowd of clients that notice everything: a message lost, one that comes twice or out of order, a connection that
// closes.

package harness

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Talker is a client that numbers its messages.
type Talker interface {
	Tell(text string) error
	Listen() (string, error)
	SetDeadline(t time.Time) error
	Close() error
}

// Crowd is talkers, each in its own goroutine.
type Crowd struct {
	complaints
	t      *testing.T
	over   chan struct{}
	All    sync.WaitGroup
	pause  time.Duration // between bursts
	heard  atomic.Int64
	again  atomic.Int64 // answers of a second attempt
	visits atomic.Int64
	events atomic.Int64
	count  sync.Mutex
	By     map[string]int // answers by version; guarded by count
}

// NewCrowd is a crowd whose talkers pause that long, on average, between bursts.
func NewCrowd(t *testing.T, pause time.Duration) *Crowd {
	return &Crowd{t: t, over: make(chan struct{}), pause: pause, By: map[string]int{}}
}

// joining is how many talkers connect at a time.
const joining = 16

// Join has n talkers speak until the end. All are connected when it returns, and none of them speaks before: each that
// connects would wait behind all that those before it say.
func (c *Crowd) Join(n int, name string, connect func() (Talker, error)) {
	c.t.Helper()
	all, failed := make([]Talker, n), make([]error, joining)
	var connecting sync.WaitGroup
	for from := range joining {
		connecting.Go(func() {
			for i := from; i < n && failed[from] == nil; i += joining {
				all[i], failed[from] = connect()
			}
		})
	}
	connecting.Wait()
	if err := errors.Join(failed...); err != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
	for i, k := range all {
		c.All.Go(func() {
			defer k.Close()
			if err := c.Speak(k); err != nil {
				c.Report("%s %d: %v", name, i, err)
			}
		})
	}
}

// answerTime is what the answers to a burst may take.
const answerTime = 60 * time.Second

// Speak sends bursts of one to three messages, and has the answers to each before the next. An answer says the number,
// the attempt, the version, and how many messages the session has counted, so that one which was lost, came twice, out
// of order or with half of what it did shows.
func (c *Crowd) Speak(k Talker) error {
	versions := map[string]int{}
	defer func() {
		c.count.Lock()
		for version, n := range versions {
			c.By[version] += n
		}
		c.count.Unlock()
	}()
	for n := 0; ; {
		burst := 1 + rand.IntN(3)
		k.SetDeadline(time.Now().Add(answerTime))
		for i := range burst {
			if err := k.Tell(fmt.Sprintf("n %d", n+i+1)); err != nil {
				return err
			}
		}
		for range burst {
			n++
			text, err := k.Listen()
			if err != nil {
				return fmt.Errorf("instead of the answer to message %d: %w", n, err)
			}
			var number, attempt, counted int
			var version string
			if _, err := fmt.Sscanf(text, "%d %d %s %d", &number, &attempt, &version, &counted); err != nil ||
				number != n || counted != n || attempt < 1 || attempt > 2 {
				return fmt.Errorf("the answer to message %d is %q", n, text)
			}
			versions[version]++
			c.heard.Add(1)
			if attempt == 2 {
				c.again.Add(1)
			}
		}
		select {
		case <-c.over:
			return nil
		case <-time.After(rand.N(2 * c.pause)):
		}
	}
}

// Visit has n clients come, say something, and leave, again and again: one who comes in the middle of a reload is not
// turned away either.
func (c *Crowd) Visit(n int, name string, connect func() (Talker, error)) {
	for range n {
		c.All.Go(func() {
			for {
				k, err := connect()
				if err == nil {
					if err = k.Tell("n 1"); err == nil {
						_, err = k.Listen()
					}
					k.Close()
				}
				if err != nil {
					c.Report("%s: %v", name, err)
					return
				}
				c.visits.Add(1)
				select {
				case <-c.over:
					return
				case <-time.After(rand.N(2 * c.pause / 10)):
				}
			}
		})
	}
}

// Watch has n clients listen to server-sent events, which a request a time sends to all of them, numbered: each gets
// every one of them, in order.
func (c *Crowd) Watch(k *Talk, n int) {
	c.t.Helper()
	var streams []*http.Response
	for range n {
		resp, err := http.Get(k.URL + "/events")
		if err != nil {
			c.t.Fatal(err)
		}
		streams = append(streams, resp)
	}
	k.Eventually("all of them are held", func() bool { return len(k.Connections("--protocol", "sse")) == n })
	last := make(chan int, 1)
	c.All.Go(func() {
		i := 0
		defer func() { last <- i }()
		for {
			select {
			case <-c.over:
				return
			case <-time.After(20 * time.Millisecond):
			}
			resp, err := http.Get(fmt.Sprintf("%s/event?text=event+%d&id=%d", k.URL, i+1, i+1))
			if err == nil {
				resp.Body.Close()
			}
			if err != nil || resp.StatusCode != 200 {
				c.Report("the request that sends event %d: %v %v", i+1, resp, err)
				return
			}
			i++
		}
	})
	var heard sync.WaitGroup
	for i, resp := range streams {
		heard.Go(func() {
			next := 1
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				text, ok := strings.CutPrefix(lines.Text(), "data: event ")
				if !ok {
					continue
				}
				if text != fmt.Sprint(next) {
					c.Report("stream %d of events: %s comes in place of %d", i, text, next)
				}
				next++
			}
			c.events.Add(int64(next - 1))
		})
	}
	c.All.Go(func() {
		sent := <-last
		if out, code := k.Run("close", "--group", "events"); code != 0 {
			c.Report("host close: exit %d, %s", code, out)
		}
		heard.Wait()
		if got := c.events.Load(); got != int64(sent*n) {
			c.Report("%d events were sent to each of %d streams, and they got %d together", sent, n, got)
		}
	})
}

// End waits for all talkers and fails the test for each that was let down.
func (c *Crowd) End() {
	c.t.Helper()
	close(c.over)
	c.All.Wait()
	complaints := c.tell(c.t)
	c.t.Logf("%d messages were answered, %d of them as a second attempt; by version: %v; %d visits, %d events; %d "+
		"complaints",
		c.heard.Load(), c.again.Load(), c.By, c.visits.Load(), c.events.Load(), complaints)
}
