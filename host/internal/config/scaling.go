// scaling.go looks at how many workers a pool has: always the same number, or as many as there is work for.

package config

// Span is how few and how many workers the pool has; the same where their number is fixed.
func (p *Pool) Span() (least, most int) {
	if p.MaxWorkers == 0 {
		return p.Workers, p.Workers
	}
	return p.MinWorkers, p.MaxWorkers
}

// fix gives the pool a number of workers that does not change.
func (p *Pool) fix(workers int) {
	p.Workers, p.MaxWorkers, p.Unsized = workers, 0, false
}

// size has one worker of a Go package be enough, if nobody said how many there are to be: it uses all processors, and
// what it keeps in memory, sessions or counters, is there for all requests.
func (p *Pool) size() {
	if p.Unsized && p.Kind == GoPackage {
		p.Workers = 1
	}
}

// checkScaling refuses bounds that contradict each other, or that have no effect. Where the number of workers is not
// fixed, Workers becomes 0.
func (p *Pool) checkScaling(c *Config, fail fail) {
	p.Unsized = p.MaxWorkers == 0 && !c.has(p.at+".workers")
	if p.MaxWorkers == 0 {
		for _, key := range []string{"min_workers", "idle_timeout", "max_pool_memory"} {
			if c.has(p.at + "." + key) {
				fail(p.at+"."+key, "has no effect on a fixed number of workers: write max_workers, too, or remove it")
			}
		}
		return
	}
	if c.has(p.at + ".workers") {
		fail(p.at+".max_workers",
			"workers, which is always so many, is given as well: keep workers, or min_workers and max_workers")
	}
	if p.MinWorkers > p.MaxWorkers {
		fail(p.at+".max_workers", "%d is less than min_workers, %d: write at least %d, or lower min_workers",
			p.MaxWorkers, p.MinWorkers, p.MinWorkers)
	}
	p.Workers = 0
}
