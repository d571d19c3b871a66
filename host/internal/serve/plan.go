// plan.go: what a reload of the configuration changes, found by comparing what runs with what the file says now.

package serve

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// plan leads from what runs to the new configuration.
type plan struct {
	config  *config.Config  // the new one, but for what waits for a restart
	log     []control.Event // changes of [log], and others that take effect without a listener
	http    []control.Event // of [http], that listeners can take over while they serve
	restart []control.Event // what waits for a restart

	pools   []plannedPool // those of the file, in its order
	removed []*pool
	listen  []plannedListener // likewise
	gone    []*listener
}

// plannedPool is a pool of the new file.
type plannedPool struct {
	config  *config.Pool
	old     *pool // nil: it is new
	changes []control.Event
}

// plannedListener is a listener of the new file.
type plannedListener struct {
	config  config.Listen
	old     *listener // nil: it is new
	changes []control.Event
}

// makePlan compares.
func makePlan(now *setup, c *config.Config) *plan {
	p := &plan{config: inEffect(now.config, c)}
	p.sort(&p.log, now.config.Log, differences("[log]", now.config.Log, c.Log))
	p.sort(&p.http, now.config.HTTP, differences("[http]", now.config.HTTP, c.HTTP))
	p.http = append(p.http, differences("[http.rate_limit]", now.config.HTTP.RateLimit, c.HTTP.RateLimit)...)
	p.sort(&p.log, *now.config, otherDifferences(now.config, c))
	p.planPools(now)
	p.planListeners(now)
	return p
}

// sort puts those changes of a table that take effect while the host serves into live, and the others to what waits
// for a restart.
func (p *plan) sort(live *[]control.Event, table any, changes []control.Event) {
	keys := liveKeys(reflect.TypeOf(table))
	for _, e := range changes {
		if slices.Contains(keys, e.Key) {
			*live = append(*live, e)
		} else {
			p.restart = append(p.restart, e)
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
		if next.old != nil {
			next.changes = poolDifferences(next.old.config(), c)
			for i := range next.changes {
				next.changes[i].Pool = c.Name
			}
		}
		p.pools = append(p.pools, next)
	}
	for _, old := range now.pools {
		if p.config.Pool(old.name) == nil {
			p.removed = append(p.removed, old)
		}
	}
}

// poolDifferences are those of a pool and of the tables in it.
func poolDifferences(old, new *config.Pool) []control.Event {
	section := "pool " + new.Name + ":"
	found := slices.Concat(differences(section, *old, *new), differences(section+" rlimits", old.Rlimits, new.Rlimits))
	if (old.Confine == nil) != (new.Confine == nil) {
		return append(found, changed(section, "confine", onOff(old.Confine != nil), onOff(new.Confine != nil)))
	}
	if new.Confine != nil {
		found = append(found, differences(section+" confine", *old.Confine, *new.Confine)...)
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

// compareListener finds the changes of a listener that stays. What it can't take over it keeps as it was.
func (p *plan) compareListener(next *plannedListener) {
	old, c := next.old.config, &next.config
	section := "listener " + c.Address + ":"
	if old.Protocol != c.Protocol { // its other keys belong to the new one
		e := changed(section, "protocol", old.Protocol, c.Protocol)
		e.Address = c.Address
		p.restart = append(p.restart, e)
		pool := c.Pool
		*c = old
		c.Pool = pool
	}
	for _, e := range differences(section, old, *c) {
		e.Address = c.Address
		next.changes = append(next.changes, e)
	}
	switch {
	case (old.TLS == nil) != (c.TLS == nil):
		e := changed(section, "tls", onOff(old.TLS != nil), onOff(c.TLS != nil))
		e.Address = c.Address
		p.restart = append(p.restart, e)
		c.TLS = old.TLS
	case c.TLS != nil:
		for _, e := range differences(section+" tls", *old.TLS, *c.TLS) {
			e.Address, e.Key = c.Address, "tls."+e.Key
			next.changes = append(next.changes, e)
		}
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// differences lists the keys of a table that have other values.
func differences(section string, old, new any) []control.Event {
	var found []control.Event
	before, after := reflect.ValueOf(old), reflect.ValueOf(new)
	for _, f := range reflect.VisibleFields(before.Type()) {
		key := f.Tag.Get("key")
		if key == "" || f.Tag.Get("means") == "" {
			continue
		}
		a, b := before.FieldByIndex(f.Index).Interface(), after.FieldByIndex(f.Index).Interface()
		if reflect.DeepEqual(a, b) {
			continue
		}
		found = append(found, changed(section, key, shown(f, a), shown(f, b)))
	}
	return found
}

// shown is a value as people read it.
func shown(f reflect.StructField, value any) string {
	text, _ := cli.DescribeField(f, value)
	return text
}

// changed is the event of one key. Values that look the same are those that are not for showing, such as an environment's.
func changed(section, key, from, to string) control.Event {
	e := control.Event{Kind: control.Changed, Key: key, From: from, To: to, What: fmt.Sprintf("%s %s %s → %s", section, key, from, to)}
	if from == to || strings.Contains(key, "token") {
		e.From, e.To, e.What = "", "", fmt.Sprintf("%s %s changed", section, key)
	}
	return e
}

// otherDifferences are those of the top of the file and of the tables that are read only once.
func otherDifferences(old, new *config.Config) []control.Event {
	found := differences("", *old, *new)
	if e := differences("[control]", old.Remote, new.Remote); len(e) == 0 && !reflect.DeepEqual(old.Remote.Secrets(), new.Remote.Secrets()) {
		found = append(found, changed("[control]", "tokens", "", "")) // in their files, perhaps
	}
	for i := range found {
		found[i].What = strings.TrimSpace(found[i].What)
	}
	before, after := reflect.ValueOf(*old), reflect.ValueOf(*new)
	for _, f := range reflect.VisibleFields(before.Type()) {
		key := f.Tag.Get("key")
		if key == "" || key == "log" || key == "http" || f.Type.Kind() != reflect.Struct {
			continue
		}
		found = append(found, differences("["+key+"]", before.FieldByIndex(f.Index).Interface(), after.FieldByIndex(f.Index).Interface())...)
	}
	return found
}

// inEffect is what holds after a reload: the pools, the listeners and what else can change are those of the new file, and the rest stays.
func inEffect(old, new *config.Config) *config.Config {
	c := *old
	c.Pools, c.Listen, c.Warnings = new.Pools, new.Listen, new.Warnings
	takeLive(&c, *new)
	takeLive(&c.Log, new.Log)
	takeLive(&c.HTTP, new.HTTP)
	return &c
}

// waiting lists what a reload of the chosen pools alone leaves for a full one.
func (p *plan) waiting(chosen []*pool) []control.Event {
	all := slices.Concat(p.log, p.http, p.restart)
	for _, next := range p.pools {
		switch {
		case next.old == nil:
			all = append(all, control.Event{Pool: next.config.Name, What: "pool " + next.config.Name + " added"})
		case !slices.Contains(chosen, next.old):
			all = append(all, next.changes...)
		}
	}
	for _, old := range p.removed {
		all = append(all, control.Event{Pool: old.name, What: "pool " + old.name + " removed"})
	}
	for _, next := range p.listen {
		if next.old == nil {
			all = append(all, control.Event{Address: next.config.Address, What: "listener " + next.config.Address + " added"})
		} else {
			all = append(all, next.changes...)
		}
	}
	for _, l := range p.gone {
		all = append(all, control.Event{Address: l.config.Address, What: "listener " + l.config.Address + " removed"})
	}
	for i := range all {
		all[i].Kind = control.Waits
	}
	return all
}
