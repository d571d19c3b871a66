// workerman.go makes pools and listeners of what a program that was written for Workerman says of its Workers.

package config

import (
	"fmt"
	"maps"
	"slices"
)

// Declared is one of the Workers of a program that was written for Workerman.
type Declared struct {
	Name   string // of the Worker, unique in its program
	Count  int    // of processes
	Listen []DeclaredListener
}

// DeclaredListener is an address of a Worker.
type DeclaredListener struct {
	Address     string // as in host.toml
	Protocol    string // http, tcp or udp
	Framing     string // for tcp
	Message     int    // max_message, in bytes
	Session     int    // the least session_limit that it does with, in bytes
	Certificate string // for TLS; "" is without
	Key         string
}

// WorkermanWorker is the variable that tells a process of such a program which of the Workers it is.
const WorkermanWorker = "WORKERHOST_WORKERMAN"

// spread puts, in place of each pool of a program for Workerman, one pool for each of its Workers, and adds their
// listeners. What host.toml and the flags say of a listener of the same address, and of the pool, wins.
func (c *Config) spread(o Overrides, fail fail) {
	var pools []*Pool
	for _, p := range c.Pools {
		if p.API != Workerman || p.Kind != PHPFile {
			pools = append(pools, p)
			continue
		}
		declared, err := o.Declare(p)
		if err != nil {
			fail(p.at, "%v", err)
			continue
		}
		for _, d := range declared {
			one := p.forWorker(d, c, len(declared) == 1, o.Workers > 0)
			if slices.ContainsFunc(c.Pools, func(q *Pool) bool { return q != p && q.Name == one.Name }) {
				fail(p.at, "its Worker %q and another pool have the same name: give the Worker another $name",
					one.Name)
			}
			pools = append(pools, one)
			for _, l := range d.Listen {
				c.declare(l, one, len(declared) == 1 && len(d.Listen) == 1, len(o.Listen) > 0, fail)
			}
		}
	}
	c.Pools = pools
}

// forWorker is the pool for one of its program's Workers. alone says that it has no other, and fixed that the flags
// have said how many processes there are to be.
func (p *Pool) forWorker(d Declared, c *Config, alone, fixed bool) *Pool {
	one := *p
	if !alone && p.at == "" {
		one.Name = d.Name
	} else if !alone {
		one.Name = p.Name + "-" + d.Name
	}
	one.Env = maps.Clone(p.Env)
	if one.Env == nil {
		one.Env = map[string]string{}
	}
	one.Env[WorkermanWorker] = d.Name
	if !fixed && !c.has(p.at+".workers") && p.MaxWorkers == 0 {
		one.Workers, one.Unsized = d.Count, false
	}
	return &one
}

// declare adds a listener for the pool, or gives it the one of host.toml. only says that the program has no other, and
// moved that the flags have said which addresses there are to be: then it takes those.
func (c *Config) declare(d DeclaredListener, p *Pool, only, moved bool, fail fail) {
	address, err := parseAddress(d.Address, p.Directory)
	if err != nil {
		fail(p.at, "the Worker %s: %v", p.Name, err)
		return
	}
	if moved && !only {
		fail("", "-l: the program has several listeners of its own: change their addresses in it")
		return
	}
	made := flagListener(address)
	made.Protocol, made.Framing = d.Protocol, d.Framing
	if d.Message > 0 {
		made.MaxMessage = Size(d.Message)
	}
	made.SessionLimit = max(made.SessionLimit, Size(d.Session))
	if d.Protocol == "http" {
		made.AllowedOrigins = []string{"same-host"}
	}
	if d.Certificate != "" {
		made.TLS = &TLS{Certificate: Words{d.Certificate}, Key: Words{d.Key}}
		made.TLS.check(&Config{Folder: p.Directory}, p.at, func(_, format string, args ...any) {
			fail(p.at, "the Worker %s: %s", p.Name, fmt.Sprintf(format, args...))
		})
	}
	if moved {
		for i := range c.Listen {
			address := c.Listen[i].Address
			c.Listen[i] = made
			c.Listen[i].Address, c.Listen[i].Pool = address, p.Name
		}
		return
	}
	made.Pool = p.Name
	for i := range c.Listen {
		l := &c.Listen[i]
		if mine, theirs := l.takes(), made.takes(); len(mine) == 0 || len(theirs) == 0 || mine[0] != theirs[0] {
			continue
		}
		if l.Protocol != made.Protocol || l.Framing != made.Framing {
			fail(l.place("protocol"), "the program has protocol = %q, framing = %q for %s: write so", made.Protocol,
				made.Framing, l.Address)
		}
		l.Pool = p.Name
		l.SessionLimit = max(l.SessionLimit, made.SessionLimit)
		if !c.has(l.place("allowed_origins")) {
			l.AllowedOrigins = made.AllowedOrigins
		}
		if !c.has(l.place("max_message")) {
			l.MaxMessage = made.MaxMessage
		}
		return
	}
	c.Listen = append(c.Listen, made)
}
