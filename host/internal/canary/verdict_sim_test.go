// Whole canaries in no time: clients that come and go, service times with heavy tails, pages that differ, workers that
// differ, clients that are broken. What the verdict claims of its false alarms is held by thousands of them.

package canary

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

// world is where a canary takes place, and what its new code does.
type world struct {
	name     string
	arrivals float64 // clients that are placed with each of the two, a second
	visits   float64 // mean number of requests of one
	gap      float64 // seconds between them, in the mean
	keeps    bool    // the clients are there from the begin, and stay; arrivals is their number
	base     float64 // of the requests fail with old code
	broken   float64 // of the clients have half of all requests fail, whatever the code
	spread   float64 // of the logarithm of times within a page
	tail     float64 // share of requests whose time has a heavy tail (Pareto, 1.5)
	pages    int     // their times lie up to a hundredfold apart
	persons  float64 // spread of the logarithm between clients
	workers  float64 // spread of the logarithm between workers: where code came to lie in memory, and the like
	grow     float64 // bytes for each request that both grow by, in jumps of 2 MiB

	slower, fails, leaks float64 // new code: a factor, a share, bytes a request
	logs                 float64 // likewise: of its requests log an error
}

// usual is a site of middling size.
var usual = world{name: "usual", arrivals: 1.2, visits: 12, gap: 4, base: 0.002, broken: 0.01, spread: 0.7, tail: 0.05,
	pages: 20, persons: 0.2, workers: 0.03, grow: 2000}

type simulated struct {
	at      time.Duration
	verdict string
	seen    int // requests of the candidate
}

// simulate runs one canary.
func simulate(w world, l Limits, step, most time.Duration, random *rand.Rand) simulated {
	looks := Looks(step, 1, most)
	effect := [2]float64{random.NormFloat64() * w.workers, random.NormFloat64()*w.workers + math.Log(max(w.slower, 1))}
	type visit struct {
		at     float64
		client int
	}
	var clients []Client
	var persons, next []float64 // of each client; when it comes again
	var broken []bool
	come := func(at float64) {
		clients = append(clients, Client{Candidate: random.IntN(2) == 1})
		persons = append(persons, random.NormFloat64()*w.persons)
		broken = append(broken, random.Float64() < w.broken)
		next = append(next, at)
	}
	if w.keeps {
		for range int(2 * w.arrivals) {
			come(random.Float64() * w.gap)
		}
	}
	arrives := 0.0
	// until has all visits up to a time, in order
	until := func(end float64) (visits []visit) {
		for ; !w.keeps && arrives < end; arrives += random.ExpFloat64() / (2 * w.arrivals) {
			come(arrives)
		}
		for i := range next {
			for next[i] <= end {
				visits = append(visits, visit{next[i], i})
				next[i] += random.ExpFloat64() * w.gap
				if !w.keeps && random.Float64() < 1/w.visits {
					next[i] = math.Inf(1)
				}
			}
		}
		slices.SortFunc(visits, func(a, b visit) int { return cmp.Compare(a.at, b.at) })
		return visits
	}
	kinds := newKinds()
	var e Evidence
	var logs [2]float64
	var grown, last [2]float64
	var counted [2]int
	for _, look := range looks {
		for _, v := range until(look.Seconds()) {
			c, arm, side := &clients[v.client], 0, &e.Control
			if c.Candidate {
				arm, side = 1, &e.Candidate
			}
			page := min(random.IntN(w.pages), random.IntN(w.pages))
			took := -5 + 4.6*float64(page)/float64(w.pages) + persons[v.client] + effect[arm]
			took += random.NormFloat64() * w.spread
			if random.Float64() < w.tail {
				took += random.ExpFloat64() / 1.5
			}
			if c.Requests == 0 {
				side.Clients++
			}
			c.Requests++
			side.Requests++
			pace := kinds.pace(fmt.Sprint(page), math.Exp(took))
			c.Pace += (pace - c.Pace) / float64(c.Timed+1)
			c.Timed++
			logs[arm] += took
			fails := w.base
			if broken[v.client] {
				fails = 0.5
			}
			if arm == 1 {
				fails += w.fails
			}
			if random.Float64() < fails {
				c.Failed++
				side.Failed++
			}
			if logs := w.base; arm == 0 && random.Float64() < logs || arm == 1 && random.Float64() < logs+w.logs {
				c.Logged++
				side.Logged++
			}
			if random.Float64() < w.grow/(2<<20) {
				grown[arm] += 2 << 20
			}
			if arm == 1 {
				grown[arm] += w.leaks
			}
			if counted[arm]++; counted[0] >= leastWindow && counted[1] >= leastWindow {
				e.Windows = append(e.Windows, Window{(grown[0] - last[0]) / float64(counted[0]),
					(grown[1] - last[1]) / float64(counted[1])})
				last, counted = grown, [2]int{}
			}
		}
		for arm, side := range []*Side{&e.Control, &e.Candidate} {
			side.Typical = math.Exp(logs[arm] / max(1, float64(side.Requests)))
			side.Growth = grown[arm] / max(1, float64(side.Requests))
		}
		e.Clients = clients
		j := Judge(&e, l, len(looks), 1)
		switch {
		case j.Worse():
			return simulated{look, "worse", e.Candidate.Requests}
		case look >= step && j.Well():
			return simulated{look, "well", e.Candidate.Requests}
		}
	}
	return simulated{most, "undecided", e.Candidate.Requests}
}

var usualLimits = Limits{Errors: 0.01, Slower: 1.2, Growth: 20 << 10, Clients: 20, Requests: 200}

// fine are worlds in which new code is as the old: none of them may be turned back more often than Alpha.
func fine() []world {
	worlds := []world{usual}
	with := func(name string, change func(*world)) {
		w := usual
		w.name = name
		change(&w)
		worlds = append(worlds, w)
	}
	with("few clients", func(w *world) { w.arrivals = 0.2 })
	with("many clients", func(w *world) { w.arrivals = 10; w.visits = 2 })
	with("clients without memory", func(w *world) { w.arrivals = 15; w.visits = 1 })
	with("clients that stay", func(w *world) { w.keeps = true; w.arrivals = 50; w.gap = 0.5 })
	with("few that stay, and ask much", func(w *world) { w.keeps = true; w.arrivals = 25; w.gap = 0.2 })
	with("heavy tails", func(w *world) { w.tail = 0.5; w.spread = 1.5 })
	with("persons differ much", func(w *world) { w.persons = 1 })
	with("workers differ much", func(w *world) { w.workers = 0.06; w.arrivals = 3 })
	with("broken clients", func(w *world) { w.broken = 0.1 })
	with("much fails anyway", func(w *world) { w.base = 0.05; w.arrivals = 3 })
	with("both leak", func(w *world) { w.grow = 200e3 })
	return worlds
}

func TestFineCodeIsTurnedBackAtMostOnceInTwenty(t *testing.T) {
	runs := trials(10, 1000)
	for i, w := range fine() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, uint64(i)))
			var worse, undecided, well int
			for range runs {
				switch simulate(w, usualLimits, 2*time.Minute, 10*time.Minute, random).verdict {
				case "worse":
					worse++
				case "undecided":
					undecided++
				default:
					well++
				}
			}
			t.Logf("%-28s of %d: worse %d, undecided %d, well %d", w.name, runs, worse, undecided, well)
			if most := Alpha*float64(runs) + 3*math.Sqrt(Alpha*float64(runs)); float64(worse) > most {
				t.Errorf("%d of %d were turned back", worse, runs)
			}
		})
	}
}

// trials is how many runs a claim is held by. The race detector is shown one: there is nothing for it in numbers.
func trials(short, long int) int {
	if raceEnabled {
		return 1
	}
	if os.Getenv("LONG_TESTS") != "" {
		return long
	}
	return short
}

func TestWorseCodeIsTurnedBack(t *testing.T) {
	runs := trials(10, 200)
	for i, c := range []struct {
		name   string
		change func(*world)
	}{
		{"1.3 times as slow", func(w *world) { w.slower = 1.3 }},
		{"2 in a hundred fail", func(w *world) { w.fails = 0.02 }},
		{"2 in a hundred log an error", func(w *world) { w.logs = 0.02 }},
		{"100 KB leak with each request", func(w *world) { w.leaks = 100e3 }},
		{"twice as slow, few clients", func(w *world) { w.slower = 2; w.arrivals = 0.3 }},
		{"1.3 times as slow, clients that stay", func(w *world) {
			w.slower, w.keeps, w.arrivals, w.gap = 1.3, true, 100, 1
		}},
		{"2 in a hundred fail, clients that stay", func(w *world) {
			w.fails, w.keeps, w.arrivals, w.gap = 0.02, true, 50, 0.5
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := usual
			c.change(&w)
			random := rand.New(rand.NewPCG(2, uint64(i)))
			caught, well := 0, 0
			var took time.Duration
			seen := 0
			for range runs {
				switch s := simulate(w, usualLimits, 2*time.Minute, 10*time.Minute, random); s.verdict {
				case "worse":
					caught++
					took += s.at
					seen += s.seen
				case "well":
					well++
				}
			}
			t.Logf("%-40s of %d: turned back %d, promoted %d, undecided %d; %v, %d requests",
				c.name, runs, caught, well, runs-caught-well,
				(took / time.Duration(max(1, caught))).Round(time.Second), seen/max(1, caught))
			if caught*10 < runs*8 {
				t.Errorf("only %d of %d were turned back", caught, runs)
			}
		})
	}
}
