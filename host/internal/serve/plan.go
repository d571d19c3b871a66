// plan.go: what a reload of the configuration changes, found by comparing what runs with what the file says now.

package serve

import (
	"reflect"
	"slices"

	"github.com/workerhost/workerhost/host/internal/config"
)

// plan leads from what runs to the new configuration.
type plan struct {
	config  *config.Config // the new one, but for what waits for a restart
	log     []change       // of [log], and others that take effect without a listener
	http    []change       // of [http], that listeners can take over while they serve
	routes  []change       // of [[route]]
	restart []change       // what waits for a restart

	pools   []plannedPool // those of the file, in its order
	removed []*pool
	listen  []plannedListener // likewise
	gone    []*listener
}

// plannedPool is a pool of the new file.
type plannedPool struct {
	config  *config.Pool
	old     *pool  // nil: it is new
	back    uint64 // the generation that a roll back leads to; 0: it is none
	moved   *pool  // the one that it takes the place of, in another realm; nil: none
	changes []change
}

// plannedListener is a listener of the new file.
type plannedListener struct {
	config  config.Listen
	old     *listener // nil: it is new
	changes []change
}

// makePlan compares.
func makePlan(now *setup, c *config.Config) *plan {
	p := &plan{config: inEffect(now.config, c)}
	p.sort(&p.log, now.config.Log, differences(change{table: "[log]"}, now.config.Log, c.Log))
	p.sort(&p.log, now.config.Faults, differences(change{table: "[faults]"}, now.config.Faults, c.Faults))
	p.sort(&p.log, now.config.Engine, differences(change{table: "[engine]"}, now.config.Engine, c.Engine))
	p.sort(&p.http, now.config.HTTP, differences(change{table: "[http]"}, now.config.HTTP, c.HTTP))
	p.sort(&p.log, now.config.ACME, differences(change{table: "[acme]"}, now.config.ACME, c.ACME))
	course := change{table: "[reload]", live: true}
	p.log = append(p.log, differences(course, now.config.Reload.Course, c.Reload.Course)...)
	limits := change{table: "[http.rate_limit]", live: true}
	p.http = append(p.http, differences(limits, now.config.HTTP.RateLimit, c.HTTP.RateLimit)...)
	p.planTracing(now.config.Tracing, c.Tracing)
	p.sort(&p.log, *now.config, otherDifferences(now.config, c))
	p.planPools(now)
	p.planListeners(now)
	p.planErrorPages(now.config)
	p.planRoutes(now)
	p.planPushers(now.config)
	p.planPrograms(now.config)
	p.planDials(now.config)
	p.planStores(now.config)
	p.planChannels(now.config)
	p.planQueues(now.config)
	return p
}

// sort puts those changes of a table that take effect while the host serves into live, and the others to what waits
// for a restart.
func (p *plan) sort(live *[]change, table any, changes []change) {
	keys := liveKeys(reflect.TypeOf(table))
	for _, c := range changes {
		if c.live = slices.Contains(keys, c.key); c.live {
			*live = append(*live, c)
		} else {
			p.restart = append(p.restart, c)
		}
	}
}

// liveKeys are the keys of a table that a reload puts into effect. The setting's tag says so, where it is declared.
func liveKeys(table reflect.Type) (keys []string) {
	for _, f := range reflect.VisibleFields(table) {
		if f.Tag.Get("live") != "" {
			keys = append(keys, f.Tag.Get("key"))
		}
	}
	return keys
}

// takeLive gives a table what another one has for those keys.
func takeLive[T any](to *T, from T) {
	into, of := reflect.ValueOf(to).Elem(), reflect.ValueOf(from)
	for _, f := range reflect.VisibleFields(into.Type()) {
		if f.Tag.Get("live") != "" {
			into.FieldByIndex(f.Index).Set(of.FieldByIndex(f.Index))
		}
	}
}

func (p *plan) planPools(now *setup) {
	for _, c := range p.config.Pools {
		next := plannedPool{config: c, old: byName(now.pools, c.Name)}
		switch {
		case next.old == nil:
		case now.moves(next.old, c, p.config):
			next.moved, next.old = next.old, nil
			p.removed = append(p.removed, next.moved)
		default:
			next.changes = poolDifferences(next.old.config(), c)
		}
		p.pools = append(p.pools, next)
	}
	for _, old := range now.pools {
		if p.config.Pool(old.name) == nil {
			p.removed = append(p.removed, old)
		}
	}
}

// ofPool says that a change is the pool's.
func ofPool(name string) change { return change{table: "pool " + name + ":", pool: name, live: true} }

// poolDifferences are those of a pool and of the tables in it.
func poolDifferences(old, new *config.Pool) []change {
	pool := ofPool(new.Name)
	rlimits, confine, gates, canary, fetch := pool, pool, pool, pool, pool
	rlimits.inner, confine.inner, gates.inner, canary.inner = "rlimits", "confine", "reload", "canary"
	fetch.inner = "fetch"
	found := slices.Concat(differences(pool, *old, *new), differences(rlimits, old.Rlimits, new.Rlimits),
		differences(gates, old.Gates, new.Gates), differences(canary, old.Canary, new.Canary),
		differences(fetch, old.Fetch, new.Fetch))
	if !reflect.DeepEqual(old.Fetch.Secrets, new.Fetch.Secrets) {
		found = append(found, fetch.with("secrets", "", ""))
	}
	if (old.Confine == nil) != (new.Confine == nil) {
		return append(found, pool.with("confine", onOff(old.Confine != nil), onOff(new.Confine != nil)))
	}
	if new.Confine != nil {
		found = append(found, differences(confine, *old.Confine, *new.Confine)...)
	}
	return found
}

func (p *plan) planListeners(now *setup) {
	left := slices.Clone(now.listeners)
	for _, c := range p.config.Listen {
		next := plannedListener{config: c}
		if i := slices.IndexFunc(left, func(l *listener) bool { return sameSocket(&l.config, &c) }); i >= 0 {
			next.old = left[i]
			left = slices.Delete(left, i, i+1)
			p.compareListener(&next)
		}
		p.listen = append(p.listen, next)
	}
	p.gone = left
}

// sameSocket says whether two listeners have the same address, of one network: UDP has ports of its own.
func sameSocket(a, b *config.Listen) bool {
	return a.Address == b.Address && (a.Protocol == "udp") == (b.Protocol == "udp")
}

// ofListener says that a change is the listener's.
func ofListener(address string) change {
	return change{table: "listener " + address + ":", address: address, live: true}
}

// compareListener finds the changes of a listener that stays. What it can't take over it keeps as it was.
func (p *plan) compareListener(next *plannedListener) {
	old, c := next.old.config, &next.config
	live := ofListener(c.Address)
	waits, tls := live, live
	waits.live, tls.inner = false, "tls"
	if old.Protocol != c.Protocol { // its other keys belong to the new one
		p.restart = append(p.restart, waits.with("protocol", old.Protocol, c.Protocol))
		pool := c.Pool
		*c = old
		c.Pool = pool
	}
	if (old.TLS == nil) != (c.TLS == nil) {
		p.restart = append(p.restart, waits.with("tls", onOff(old.TLS != nil), onOff(c.TLS != nil)))
		if old.HTTP3 != c.HTTP3 {
			p.restart = append(p.restart, waits.with("http3", onOff(old.HTTP3), onOff(c.HTTP3)))
		}
		c.TLS, c.HTTP3 = old.TLS, old.HTTP3
	}
	next.changes = append(next.changes, differences(live, old, *c)...)
	switch {
	case old.TLS == nil:
	case c.TLS != nil:
		next.changes = append(next.changes, differences(tls, *old.TLS, *c.TLS)...)
	}
}

// otherDifferences are those of the top of the file and of the tables that are read only once.
func otherDifferences(old, new *config.Config) []change {
	found := differences(change{}, *old, *new)
	control := change{table: "[control]"}
	if len(differences(control, old.Remote, new.Remote)) == 0 &&
		!reflect.DeepEqual(old.Remote.Secrets(), new.Remote.Secrets()) {
		found = append(found, control.with("tokens", "", "")) // in their files, perhaps
	}
	before, after := reflect.ValueOf(*old), reflect.ValueOf(*new)
	for _, f := range reflect.VisibleFields(before.Type()) {
		key := f.Tag.Get("key")
		if key == "" || key == "log" || key == "http" || key == "acme" || key == "reload" ||
			key == "deploy" || f.Type.Kind() != reflect.Struct {
			continue
		}
		a, b := before.FieldByIndex(f.Index).Interface(), after.FieldByIndex(f.Index).Interface()
		found = append(found, differences(change{table: "[" + key + "]"}, a, b)...)
	}
	return found
}

// inEffect is what holds after a reload: the pools, the listeners and what else can change are those of the new file,
// and the rest stays.
func inEffect(old, new *config.Config) *config.Config {
	c := *old
	c.Pools, c.Listen, c.Routes, c.Warnings = new.Pools, new.Listen, new.Routes, new.Warnings
	c.Tracing, c.Services, c.Cron, c.Dials = new.Tracing, new.Services, new.Cron, new.Dials
	c.Pushers, c.Stores = new.Pushers, new.Stores
	c.Channels, c.ErrorFiles = new.Channels, new.ErrorFiles
	c.Queues = new.Queues
	takeLive(&c, *new)
	takeLive(&c.Log, new.Log)
	takeLive(&c.Faults, new.Faults)
	takeLive(&c.HTTP, new.HTTP)
	c.ACME = new.ACME
	c.Reload, c.Deploy = new.Reload, new.Deploy
	return &c
}

// waiting lists what a reload of the chosen pools alone leaves for a full one.
func (p *plan) waiting(chosen []*pool) []change {
	all := slices.Concat(p.log, p.http, p.routes, p.restart)
	for _, next := range p.pools {
		switch {
		case next.moved != nil:
			all = append(all, ofPool(next.config.Name).whole("in another realm"))
		case next.old == nil:
			all = append(all, ofPool(next.config.Name).whole("added"))
		case !slices.Contains(chosen, next.old):
			all = append(all, next.changes...)
		}
	}
	for _, old := range p.removed {
		if p.config.Pool(old.name) == nil {
			all = append(all, ofPool(old.name).whole("removed"))
		}
	}
	for _, next := range p.listen {
		if next.old == nil {
			all = append(all, ofListener(next.config.Address).whole("added"))
		} else {
			all = append(all, next.changes...)
		}
	}
	for _, l := range p.gone {
		all = append(all, ofListener(l.config.Address).whole("removed"))
	}
	return all
}
