// verdict.go says whether new code does worse than old code, from what was seen of both in the same minutes. It knows
// no clock, and nothing of how the evidence came.

package canary

import (
	"fmt"
	"math"
	"strings"
)

// Alpha is how often, at most, code that does no worse may be turned back by chance, in one canary.
const Alpha = 0.05

// Limits are what new code may do worse, and how much has to be seen before it can be said to do well.
type Limits struct {
	Errors   float64 // more of the requests may fail than of the old code's: 0.01 is one more in a hundred
	Slower   float64 // times that it may take as long as the old code: 1.2
	Growth   float64 // bytes more that a worker may grow by with each request
	Clients  int     // that both have to have had
	Requests int     // likewise
}

// Client is what was seen of one client, whose requests, be they many, are no more than one witness: one that is
// broken breaks again and again.
type Client struct {
	Candidate        bool // its requests went to new code; else to the control's
	Requests, Failed int
	Logged           int // of which an error was logged
	Timed            int
	// Pace is the mean, over the Timed requests, of the logarithm of how many times as long each took as others of its
	// kind.
	Pace float64
}

// Side is what was seen of one of the two.
type Side struct {
	Clients, Requests, Failed int
	Logged                    int      // requests of which an error was logged
	Typical                   float64  // service time in seconds: the geometric mean
	Growth                    float64  // bytes by which workers grew with each request
	Deaths                    []string // of workers, without a cause outside of them: why
}

// Evidence is what was seen of a pool's new code and of its old code.
type Evidence struct {
	Clients            []Client
	Control, Candidate Side
	// Windows are stretches of time, and what each request made the workers grow by meanwhile, in bytes
	Windows []Window
	// Old is what is known of the old code's deaths beside the control: its workers', and among how many requests
	OldDeaths, OldRequests int
}

// Window is what a request made workers grow by in one stretch of time, in bytes.
type Window struct{ Control, Candidate float64 }

// Measure is one thing that was compared.
type Measure struct {
	Name               string
	Control, Candidate float64
	Limit              float64 // what Candidate may be at most, with this Control
	Chance             float64 // how often chance alone would do as much
	Beyond             bool    // Candidate is more than Limit
	Worse              bool    // and chance does not explain it
	Doubtful           bool    // and chance would not do that easily
}

// The measures, by their names in the API.
const (
	ErrorsMeasure = "failed"
	LoggedMeasure = "logged"
	PaceMeasure   = "service_time"
	GrowthMeasure = "growth"
)

// measures is how many of them share Alpha.
const measures = 4

// doubt is the chance below which what is beyond a limit is waited for, rather than promoted.
const doubt = 0.05

// Judgement is what the evidence says so far.
type Judgement struct {
	Measures []Measure
	Dead     string // why the candidate is turned back for its workers' deaths; "" if it is not
	Enough   bool   // there is enough evidence to say that it does well
}

// Worse says that new code does worse, and by which measures.
func (j *Judgement) Worse() bool {
	for _, m := range j.Measures {
		if m.Worse {
			return true
		}
	}
	return j.Dead != ""
}

// Well says that it does not, as far as can be seen.
func (j *Judgement) Well() bool {
	for _, m := range j.Measures {
		if m.Worse || m.Doubtful {
			return false
		}
	}
	return j.Dead == "" && j.Enough
}

// Judge weighs the evidence. It may be asked looks times in all for each of pools, whenever, and says of code that
// does no worse in at most [Alpha] of all canaries that it does: every look, of every measure, gets its part of that.
func Judge(e *Evidence, l Limits, looks, pools int) Judgement {
	share := Alpha / float64(measures*max(1, looks)*max(1, pools))
	j := Judgement{Measures: []Measure{failures(e, l), errorsLogged(e, l), pace(e, l), growth(e, l)}, Dead: dead(e)}
	for i := range j.Measures {
		m := &j.Measures[i]
		m.Worse = m.Beyond && m.Chance <= share
		m.Doubtful = m.Beyond && m.Chance <= doubt
	}
	j.Enough = min(e.Control.Clients, e.Candidate.Clients) >= l.Clients &&
		min(e.Control.Requests, e.Candidate.Requests) >= l.Requests
	return j
}

func failures(e *Evidence, l Limits) Measure {
	return faults(ErrorsMeasure, e, l, e.Control.Failed, e.Candidate.Failed, func(c *Client) int { return c.Failed })
}

// errorsLogged are those that the application knows of, also where its answer is a good one.
func errorsLogged(e *Evidence, l Limits) Measure {
	return faults(LoggedMeasure, e, l, e.Control.Logged, e.Candidate.Logged, func(c *Client) int { return c.Logged })
}

// faults takes each client that had more of them, for its requests, than all together. It is a coin: whether it came
// to new code or to the control's was drawn, with the same odds.
func faults(name string, e *Evidence, l Limits, control, candidate int, of func(*Client) int) Measure {
	m := Measure{Name: name, Control: part(control, e.Control.Requests),
		Candidate: part(candidate, e.Candidate.Requests)}
	m.Limit = m.Control + l.Errors
	m.Beyond = m.Candidate > m.Limit
	usual := part(control+candidate, e.Control.Requests+e.Candidate.Requests)
	coins, fell := 0, 0
	for i := range e.Clients {
		c := &e.Clients[i]
		if part(of(c), c.Requests) > usual {
			coins++
			if c.Candidate {
				fell++
			}
		}
	}
	m.Chance = heads(fell, coins, 0.5)
	return m
}

// steady is how many requests of a client tell half as much of its pace as very many would: times differ more from
// request to request than from client to client.
const steady = 10

// pace compares clients by their ranks. Half of the allowance, as a factor, is given before chance is asked: then a
// difference that is certain but small, such as where in memory a process came to lie, is no alarm.
func pace(e *Evidence, l Limits) Measure {
	var news, olds []float64
	allowed := math.Log(l.Slower) / 2
	sums, weights := [2]float64{}, [2]float64{}
	for _, c := range e.Clients {
		if c.Timed == 0 {
			continue
		}
		// who made few requests tells little, and is put nearer to the middle
		weight, arm := float64(c.Timed)/float64(c.Timed+steady), 0
		if c.Candidate {
			arm = 1
			news = append(news, weight*(c.Pace-allowed))
		} else {
			olds = append(olds, weight*c.Pace)
		}
		sums[arm] += weight * c.Pace
		weights[arm] += weight
	}
	m := Measure{Name: PaceMeasure, Control: e.Control.Typical, Chance: 1, Candidate: e.Candidate.Typical}
	m.Limit = m.Control * l.Slower
	if len(news) == 0 || len(olds) == 0 {
		return m
	}
	// times as long, freed of which kinds of requests, and how many, each of them had
	ratio := math.Exp(sums[1]/weights[1] - sums[0]/weights[0])
	m.Candidate = m.Control * ratio
	m.Beyond = ratio > l.Slower
	m.Chance = ranks(news, olds)
	return m
}

// growth has one coin for each stretch of time: did the new workers grow faster, by more than half of what they may?
func growth(e *Evidence, l Limits) Measure {
	m := Measure{Name: GrowthMeasure, Control: e.Control.Growth, Candidate: e.Candidate.Growth}
	m.Limit = m.Control + l.Growth
	m.Beyond = m.Candidate > m.Limit
	fell := 0
	for _, w := range e.Windows {
		if w.Candidate > w.Control+l.Growth/2 {
			fell++
		}
	}
	m.Chance = heads(fell, len(e.Windows), 0.5)
	return m
}

// dead says why the deaths of the candidate's workers end a canary, or "". One is enough where old code has not died;
// where it has, too, there have to be more than its share.
func dead(e *Evidence) string {
	died := len(e.Candidate.Deaths)
	if died == 0 {
		return ""
	}
	others := len(e.Control.Deaths) + e.OldDeaths
	why := strings.Join(e.Candidate.Deaths[max(0, died-3):], "; ")
	if others == 0 {
		return fmt.Sprintf("%d of the new workers died, and none of the old code's: %s", died, why)
	}
	share := part(e.Candidate.Requests, e.Candidate.Requests+e.Control.Requests+e.OldRequests)
	if heads(died, died+others, max(share, 0.001)) > 0.01 {
		return ""
	}
	return fmt.Sprintf("%d of the new workers died in %d requests, and %d of the old code's in %d: %s", died,
		e.Candidate.Requests, others, e.Control.Requests+e.OldRequests, why)
}

func part(of, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(of) / float64(all)
}
