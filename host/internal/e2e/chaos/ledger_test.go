//go:build linux

// The ledger of the chaos test: each request that was made, how it ended, and by whose fault if it did not end well.

package chaos

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// ledger is safe for concurrent use.
type ledger struct {
	h    *harness.Host
	next atomic.Int64

	// bodies reach workers as they come, so that a large one can't be sent to a second worker; set before the first
	// request
	streamed bool

	mu     sync.Mutex
	made   map[string]int // by kind; guarded by mu, as all below
	well   map[string]int
	failed []entry
	blamed map[string]int // failures by kind and fault, once settled
}

// entry is a request that did not end well.
type entry struct {
	id, kind string
	safe     bool
	status   int   // 0: there was none
	err      error // what the client saw
	expected []string
}

func newLedger(h *harness.Host) *ledger {
	return &ledger{h: h, made: map[string]int{}, well: map[string]int{}, blamed: map[string]int{}}
}

// kind is a request and what is right about its answer.
type kind struct {
	name    string
	method  string
	target  string
	body    string
	steps   int           // in which the body is sent
	pause   time.Duration // between them
	correct func(text string) bool
}

func (k *kind) safe() bool { return k.method == "GET" }

var (
	smallBody, smallSum = harness.Body(2_000)
	largeBody, largeSum = harness.Body(300_000)
	hugeBody, hugeSum   = harness.Body(3 << 20)

	kindGet  = &kind{name: "GET", method: "GET", target: "/hello", correct: matches(`^hello \d+$`)}
	kindPost = &kind{name: "POST", method: "POST", target: "/sum", body: smallBody, steps: 1,
		correct: matches(`^\d+ 2000 ` + smallSum + `$`)}
	kindUpload = &kind{name: "upload", method: "POST", target: "/sum", body: largeBody, steps: 8,
		pause: 40 * time.Millisecond, correct: matches(`^\d+ 300000 ` + largeSum + `$`)}
	kindStream = &kind{name: "stream", method: "GET", target: "/steps?n=5&ms=60",
		correct: matches(`^step 1\nstep 2\nstep 3\nstep 4\nstep 5\nend \d+\n$`)}
	kindBlocks = &kind{name: "large response", method: "GET", target: "/string?bytes=2000000",
		correct: func(text string) bool {
			return text == strings.Repeat("s", 2_000_000)
		}}
	kindSlow = &kind{name: "GET of a crowd", method: "GET", target: "/slow?ms=40", correct: matches(`^slow \d+$`)}
	kindHuge = &kind{name: "upload of a crowd", method: "POST", target: "/sum", body: hugeBody, steps: 6,
		pause: 60 * time.Millisecond, correct: matches(`^\d+ 3145728 ` + hugeSum + `$`)}
	kindPrint = &kind{name: "POST that prints", method: "POST", target: "/print", body: "x", steps: 1,
		correct: matches(`^read 0 0$`)}
)

func matches(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

// load has a client of each usual kind for a while; all has to go well or be accounted for.
func (l *ledger) load(d time.Duration) {
	finished := l.begin()
	time.Sleep(d)
	finished()
}

// begin runs the usual clients until finished is called.
func (l *ledger) begin() (finished func()) {
	over := make(chan struct{})
	var clients sync.WaitGroup
	run := func(n int, k *kind, rest time.Duration) {
		for range n {
			clients.Go(func() {
				var c *harness.Client
				for {
					c = l.ask(c, k)
					select {
					case <-over:
						if c != nil {
							c.Close()
						}
						return
					case <-time.After(rand.N(2 * rest)):
					}
				}
			})
		}
	}
	run(12, kindGet, 8*time.Millisecond)
	run(4, kindPost, 15*time.Millisecond)
	run(3, kindUpload, 50*time.Millisecond)
	run(2, kindStream, 50*time.Millisecond)
	run(1, kindBlocks, 50*time.Millisecond)
	return func() { close(over); clients.Wait() }
}

// ask makes a request on the connection, or on a new one, and notes how it went. It returns the connection if it can
// be used again.
func (l *ledger) ask(c *harness.Client, k *kind) *harness.Client {
	id := fmt.Sprintf("chaos-%d", l.next.Add(1))
	status, reusable, err := 0, false, error(nil)
	fresh := c == nil
	if fresh {
		if c, err = l.h.TryDial(); err != nil {
			l.note(id, k, 0, err)
			return nil
		}
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	sent := request(c, k, id) // an answer may come before all of it went out
	var a harness.Answer
	if a, err = c.Try(k.method); err == nil {
		status = a.StatusCode
		reusable = sent == nil && !a.Close
		if status != 200 || !k.correct(a.Text) {
			err = fmt.Errorf("%s %.200q", a.Status, a.Text)
		}
		if status == 200 && err != nil {
			l.h.T.Errorf("%s %s was answered wrongly: %v", k.name, id, err)
		}
		if status == 503 && a.Header.Get("Retry-After") == "" {
			l.h.T.Errorf("%s %s: 503 without Retry-After", k.name, id)
		}
		if a.Header.Get("X-Request-Id") != id {
			l.h.T.Errorf("%s %s was answered for %q", k.name, id, a.Header.Get("X-Request-Id"))
		}
	} else if a.Response != nil {
		status = a.StatusCode
	}
	l.note(id, k, status, err)
	if !reusable {
		c.Close()
		return nil
	}
	return c
}

// request sends it.
func request(c *harness.Client, k *kind, id string) error {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: here\r\nX-Request-Id: %s\r\n", k.method, k.target, id)
	if k.method != "GET" {
		head += fmt.Sprintf("Content-Type: text/plain\r\nContent-Length: %d\r\n", len(k.body))
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		return err
	}
	for i := range k.steps {
		if i > 0 {
			time.Sleep(k.pause)
		}
		if _, err := io.WriteString(c, k.body[i*len(k.body)/k.steps:(i+1)*len(k.body)/k.steps]); err != nil {
			return err
		}
	}
	return nil
}

func (l *ledger) note(id string, k *kind, status int, err error, expected ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made[k.name]++
	if err == nil {
		l.well[k.name]++
		return
	}
	l.failed = append(l.failed, entry{id: id, kind: k.name, safe: k.safe(), status: status, err: err,
		expected: expected})
}

func (l *ledger) askOnce(k *kind) {
	if c := l.ask(nil, k); c != nil {
		c.Close()
	}
}

// crowd makes n requests at once.
func (l *ledger) crowd(n int, k *kind) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() { l.askOnce(k) })
	}
	all.Wait()
}

// suffer makes a request that breaks its worker.
func (l *ledger) suffer(method, target string, faults ...string) {
	id := fmt.Sprintf("chaos-%d", l.next.Add(1))
	k := &kind{name: method + " " + target, method: method, target: target, correct: func(string) bool {
		return false
	}}
	c, err := l.h.TryDial()
	if err != nil {
		l.note(id, k, 0, err)
		return
	}
	defer c.Close()
	request(c, k, id)
	a, err := c.Try(method)
	status := 0
	if err == nil {
		status, err = a.StatusCode, errors.New(a.Status)
	}
	l.note(id, k, status, err, append(faults, overloads...)...)
}

// hangUp has clients leave in the middle of an upload, of a response, and of the wait for one.
func (l *ledger) hangUp(random *rand.Rand) {
	for range 1 + random.IntN(4) {
		c, err := l.h.TryDial()
		if err != nil {
			l.h.T.Error(err)
			return
		}
		switch random.IntN(3) {
		case 0:
			fmt.Fprintf(c, "POST /sum HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%s", len(largeBody),
				largeBody[:len(largeBody)/2])
		case 1:
			io.WriteString(c, "GET /steps?n=100&ms=10 HTTP/1.1\r\nHost: here\r\n\r\n")
			c.Reader.ReadString('\n')
		default:
			io.WriteString(c, "GET /slow?ms=20 HTTP/1.1\r\nHost: here\r\n\r\n")
		}
		if random.IntN(2) == 0 {
			c.Conn.(*net.TCPConn).SetLinger(0) // leaves with a reset
		}
		c.Close()
	}
}

// overloads are the faults that are nobody's: the client is to come again.
var overloads = []string{"queue full", "queue timeout", "no room on disk", "no worker"}

// itsOwn is an answer of 500 that the worker itself gave, in good order.
const itsOwn = "500 of the worker's own"

// statuses are what a client may be told of a fault; 0 is a response that broke off.
var statuses = map[string][]int{
	"queue full": {503}, "queue timeout": {503}, "no room on disk": {503}, "no worker": {503},
	"request timeout": {504, 0, 200}, "worker died": {502, 0, 200}, "link broken": {502, 0, 200},
	"reset by worker": {500, 502, 0, 200}, "drain deadline": {502, 0, 200}, itsOwn: {500},
}

// settle fails the test for every failure that no line of the logs accounts for. It is called when all is over.
func (l *ledger) settle(accessLog string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.h.T
	faults := map[string]string{}
	missing := func() bool {
		faults = readFaults(accessLog)
		return slices.ContainsFunc(l.failed, func(e entry) bool {
			return faults[e.id] == "" && !slices.Contains(e.expected, itsOwn)
		})
	}
	for deadline := time.Now().Add(5 * time.Second); missing() && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	named, again := map[string]bool{}, map[string]bool{}
	id := regexp.MustCompile(`request_id=(chaos-\d+)`)
	for line := range strings.Lines(l.h.Logs.String()) {
		if found := id.FindStringSubmatch(line); found != nil {
			named[found[1]] = true
			again[found[1]] = again[found[1]] || strings.Contains(line, "tried once more")
		}
	}
	for _, e := range l.failed {
		fault := faults[e.id]
		if fault == "" && e.status == 500 && slices.Contains(e.expected, itsOwn) {
			fault = itsOwn
		}
		l.blamed[e.kind+": "+fault]++
		allowed := e.expected
		if allowed == nil {
			allowed = append([]string{"request timeout", "worker died", "drain deadline"}, overloads...)
		}
		if e.expected == nil && l.streamed && strings.HasPrefix(e.kind, "upload") {
			allowed = append(allowed, "reset by worker")
		}
		mild := slices.Contains(overloads, fault)
		switch {
		case fault == "":
			t.Errorf("%s %s failed, and the access log does not say why: %v", e.kind, e.id, e.err)
		case !slices.Contains(allowed, fault):
			t.Errorf("%s %s failed for what must not happen here: %s: %v", e.kind, e.id, fault, e.err)
		case !slices.Contains(statuses[fault], e.status):
			t.Errorf("%s %s: %q was told as %d: %v", e.kind, e.id, fault, e.status, e.err)
		case fault == "worker died" && e.safe && e.status == 502 && !again[e.id]:
			t.Errorf("%s %s is safe, and was not tried once more: %v", e.kind, e.id, e.err)
		case !mild && !named[e.id]:
			t.Errorf("%s %s: no line of the log names the request that failed of %q", e.kind, e.id, fault)
		}
	}
}

// readFaults is what the access log blames, by request id.
func readFaults(path string) map[string]string {
	faults := map[string]string{}
	f, err := os.Open(path)
	if err != nil {
		return faults
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct {
			ID    string `json:"request_id"`
			Fault string
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Fault != "" {
			faults[line.ID] = line.Fault
		}
	}
	return faults
}

// String is the account: how many requests of each kind were made, how many went well, and the faults of the others.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	b.WriteString("requests:")
	for _, k := range slices.Sorted(maps.Keys(l.made)) {
		fmt.Fprintf(&b, "\n  %-20s %6d made, %6d answered", k, l.made[k], l.well[k])
		for _, why := range slices.Sorted(maps.Keys(l.blamed)) {
			if fault, ok := strings.CutPrefix(why, k+": "); ok {
				fmt.Fprintf(&b, ", %d %s", l.blamed[why], fault)
			}
		}
	}
	return b.String()
}

func counts(of map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d %s", of[k], k))
	}
	return strings.Join(parts, ", ")
}
