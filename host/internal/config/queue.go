// queue.go: [queue.NAME], where tasks wait for workers.

package config

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Queue is a queue of tasks.
type Queue struct {
	Name        string
	Pool        string        `key:"pool" absent:"the only pool" means:"pool whose workers handle its tasks, as those say by onTask(); it may have requests as well, which go first"`
	Concurrency int           `key:"concurrency" absent:"by share" min:"1" max:"10000" means:"tasks of it that are with workers at a time, on this host"`
	Share       *Share        `key:"share" holds:"number from 0 to 1" absent:"0.5 where the pool has a listener or a route, else 1" means:"without concurrency, the part of the pool's workers that its tasks may have at a time; one at least"`
	Attempts    int           `key:"attempts" default:"5" min:"1" max:"1000000" means:"how often a task is given out that fails, until it lies with the failed ones"`
	Backoff     []string      `key:"backoff" holds:"array of durations" absent:"[\"1s\", \"10s\", \"1m\", \"10m\"]" means:"pauses before the second attempt, the third and so on; the last one is for all that follow"`
	Timeout     time.Duration `key:"timeout" absent:"request_timeout of the pool" min:"1ms" max:"24h" means:"how long the worker may be silent about a task, which says by progress() that it goes on; then it is ended, and the attempt has failed"`
	KeepFailed  time.Duration `key:"keep_failed" default:"168h" min:"0" max:"87600h" means:"how long those that have failed are kept; 0 is for ever"`
	Rate        int           `key:"rate" default:"0" min:"0" max:"1000000" means:"tasks of it that begin in a second at most, on this host; 0 is without a limit"`

	// Pauses are what Backoff stands for.
	Pauses []time.Duration

	at string
}

// pauses are those of a queue that says nothing of them.
var pauses = []string{"1s", "10s", "1m", "10m"}

// mostPause bounds each of them.
const mostPause = 30 * 24 * time.Hour

// linkQueues looks at the queues, whose pools have been looked at. served are the pools that have a listener, a route
// or an entry of cron.
func (c *Config) linkQueues(names []string, served map[string]bool, fail fail) {
	reached := maps.Clone(served)
	for _, q := range c.Queues {
		if q.Pool == "" && len(c.Pools) == 1 {
			q.Pool = c.Pools[0].Name
		}
		p := c.Pool(q.Pool)
		switch {
		case q.Pool == "":
			fail(q.at, "whose workers handle its tasks? Write pool = %q", first(names))
			continue
		case p == nil:
			fail(q.at+".pool", "%s", noPool(c, q.Pool))
			continue
		case p.FPM || p.FastCGI != "":
			fail(q.at+".pool", "[pool.%s] is one of FastCGI, which knows no tasks: name a pool of workers", p.Name)
			continue
		}
		served[p.Name] = true
		for i, text := range q.backoff() {
			d, err := parseDuration(text)
			if err != nil || d < 0 || d > mostPause {
				fail(q.at+".backoff."+strconv.Itoa(i),
					"expected a duration of at most 720h, such as \"30s\", found %s", describe(text))
				continue
			}
			q.Pauses = append(q.Pauses, d)
		}
		if q.Concurrency == 0 {
			share := 1.0
			if q.Share != nil {
				share = float64(*q.Share)
			} else if reached[p.Name] {
				share = 0.5
			}
			rooms := max(p.Workers, p.MaxWorkers) * max(p.Concurrency, 1)
			q.Concurrency = max(1, int(math.Floor(share*float64(rooms))))
		} else if q.Share != nil {
			fail(q.at+".share", "has no effect beside concurrency: remove one of them")
		}
	}
}

// queueKey is a place below a queue's table, whose name may have dots.
var queueKey = regexp.MustCompile(`^(.+)\.(pool|concurrency|share|attempts|backoff(?:\.\d+)?|timeout|keep_failed|rate)$`)

// queueLabel writes a place below [queue.NAME] as it looks in the file.
func queueLabel(rest string) string {
	name, key := rest, ""
	if parts := queueKey.FindStringSubmatch(rest); parts != nil {
		name, key = parts[1], " "+parts[2]
	}
	if !poolName.MatchString(name) {
		name = strconv.Quote(name)
	}
	return "[queue." + name + "]" + key
}

func (q *Queue) backoff() []string {
	if q.Backoff == nil {
		return pauses
	}
	return q.Backoff
}

func (d *decoder) queues(at string, v any) (all []*Queue) {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table for each queue, found %s: write [queue.NAME], for example [queue.emails]",
			describe(v))
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		q := &Queue{Name: name, at: join(at, name)}
		if !protocol.IsQueueName(name) {
			d.fail(q.at, "%q is no name of a queue: it is of at most 64 letters, digits, dots, hyphens and "+
				"underscores, and begins with a letter or a digit", name)
			continue
		}
		setDefaults(q)
		d.table(q.at, table[name], q)
		all = append(all, q)
	}
	return all
}
