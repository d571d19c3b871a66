// watch.go: what was seen of the candidate and of the control, and how it becomes evidence.

package canary

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Bounds of what a trial remembers. Beyond them there is evidence enough.
const (
	mostClients = 20000 // of each of the two
	mostPoints  = 60    // of a chart
)

// leastWindow is how many requests both have to have had for a stretch of time to count.
const leastWindow = 20

// unsteady is how many requests a worker's memory is not looked at for: it is still loading code.
const unsteady = 20

// watch is guarded by Trial.mu.
type watch struct {
	clients [3]map[string]*Client
	kinds   kinds
	sides   [3]tally
	workers [3]map[int]Worker // the last sample, by pid
	restart [3]map[int]int    // restarts, by slot
	deaths  [3][]string
	window  [3]struct { // since the last one ended
		requests int
		grown    float64
	}
	windows                []Window
	stableDied, stableDone int
	points                 []Point
	point                  [3]tally // since the last point
}

// tally adds up what one of the two had.
type tally struct {
	requests, failed, timed int
	logged                  int
	logs                    float64 // of service times in seconds
	grown                   float64 // bytes
	over                    int     // requests
}

// typical is the geometric mean of service times, in seconds; 0 without any.
func (t *tally) typical() float64 {
	if t.timed == 0 {
		return 0
	}
	return math.Exp(t.logs / float64(t.timed))
}

// Worker is one of a pool's processes, as its status has it.
type Worker struct {
	Slot, PID int
	Requests  uint64
	Memory    int64 // in bytes; 0 where it can't be known
	Restarts  int
	Restarted string // why another one took its place last: "exited (exit status 255)"
}

// Point is what was seen in one stretch of time, for a chart.
type Point struct {
	Failed  [2]float64 // share of the requests of the control's and of the candidate's
	Typical [2]float64 // service time in seconds
}

func newWatch() (w watch) {
	w.kinds = newKinds()
	for arm := range w.clients {
		w.clients[arm], w.workers[arm], w.restart[arm] = map[string]*Client{}, map[int]Worker{}, map[int]int{}
	}
	return w
}

// saw notes an exchange that has ended.
func (t *Trial) saw(arm Arm, client, kind string, took time.Duration, failed, logged bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.clients[arm][client]
	if c == nil {
		if len(t.clients[arm]) >= mostClients {
			return
		}
		c = &Client{Candidate: arm == Candidate}
		t.clients[arm][strings.Clone(client)] = c
	}
	c.Requests++
	if logged {
		c.Logged++
		t.sides[arm].logged++
	}
	for _, side := range []*tally{&t.sides[arm], &t.point[arm]} {
		side.requests++
		if failed {
			side.failed++
		} else {
			side.timed++
			side.logs += math.Log(max(took.Seconds(), 1e-6))
		}
	}
	if failed {
		c.Failed++
		return // a failure is not quick
	}
	c.Timed++
	c.Pace += (t.kinds.pace(kind, took.Seconds()) - c.Pace) / float64(c.Timed)
}

// Sample notes the workers of the candidate or of the control at one moment: which have died since, and by how much
// they grew.
func (t *Trial) Sample(of Arm, all []Worker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := make(map[int]Worker, len(all))
	for _, w := range all {
		if before, known := t.restart[of][w.Slot]; known && w.Restarts > before {
			for range w.Restarts - before {
				if byItself(w.Restarted) {
					t.deaths[of] = append(t.deaths[of], w.Restarted)
				}
			}
		}
		t.restart[of][w.Slot] = max(w.Restarts, t.restart[of][w.Slot])
		if w.PID == 0 {
			continue
		}
		now[w.PID] = w
		before, known := t.workers[of][w.PID]
		if !known || before.Requests < unsteady || w.Memory == 0 || before.Memory == 0 {
			continue
		}
		requests, grown := int(w.Requests-before.Requests), float64(w.Memory-before.Memory)
		t.window[of].requests += requests
		t.window[of].grown += grown
		t.sides[of].over += requests
		t.sides[of].grown += grown
	}
	t.workers[of] = now
	if a, b := &t.window[Control], &t.window[Candidate]; a.requests >= leastWindow && b.requests >= leastWindow {
		t.windows = append(t.windows, Window{a.grown / float64(a.requests), b.grown / float64(b.requests)})
		clear(t.window[:])
	}
}

// SetStable tells how many requests the stable backend's workers have had since their generation began, and how many
// of the workers have died.
func (t *Trial) SetStable(requests, died int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stableDone, t.stableDied = requests, died
}

// Dead says why deaths of the candidate's workers end the trial at once; "" if they do not.
func (t *Trial) Dead() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return dead(&Evidence{Control: t.side(Control), Candidate: t.side(Candidate), OldDeaths: t.stableDied,
		OldRequests: t.stableDone})
}

// byItself says whether a worker's end, in the words of its pool's status, was of its own doing. A signal that ends
// processes from outside (an operator, the kernel when memory is short) is no evidence, nor are limits of the pool's
// that every worker reaches, nor its own word that it has had enough.
func byItself(why string) bool {
	for _, outside := range []string{"killed", "terminated", "interrupt", "hangup", "quit"} {
		if strings.Contains(why, "signal: "+outside) || strings.Contains(why, "it said that it ends") {
			return false
		}
	}
	for _, doing := range []string{"exited", "boot failed", "link broken", "unresponsive", "max_memory_hard"} {
		if strings.HasPrefix(why, doing) {
			return true
		}
	}
	return false
}

// Point ends a stretch of time of the charts.
func (t *Trial) Point() {
	t.mu.Lock()
	defer t.mu.Unlock()
	var p Point
	for i, arm := range []Arm{Control, Candidate} {
		p.Failed[i] = part(t.point[arm].failed, t.point[arm].requests)
		p.Typical[i] = t.point[arm].typical()
	}
	clear(t.point[:])
	if len(t.points) == mostPoints {
		t.points = slices.Delete(t.points, 0, 1)
	}
	t.points = append(t.points, p)
}

// Points are those of the charts, the oldest first.
func (t *Trial) Points() []Point {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.points)
}

// Evidence is all that was seen so far. It is the caller's.
func (t *Trial) Evidence() Evidence {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := Evidence{Control: t.side(Control), Candidate: t.side(Candidate), Windows: slices.Clone(t.windows),
		OldDeaths: t.stableDied, OldRequests: t.stableDone}
	for _, arm := range []Arm{Control, Candidate} {
		for _, c := range t.clients[arm] {
			e.Clients = append(e.Clients, *c)
		}
	}
	return e
}

// Sides are the sums of the evidence.
func (t *Trial) Sides() (control, candidate Side) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.side(Control), t.side(Candidate)
}

func (t *Trial) side(arm Arm) Side {
	of := &t.sides[arm]
	return Side{Clients: len(t.clients[arm]), Requests: of.requests, Failed: of.failed, Logged: of.logged,
		Typical: of.typical(), Growth: of.grown / float64(max(1, of.over)), Deaths: slices.Clone(t.deaths[arm])}
}
