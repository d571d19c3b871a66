// realm.go: a realm's hub as one with those of other hosts.

package cluster

import (
	"errors"
	"slices"
	"sync/atomic"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Realm is a realm's hub, and those of the other hosts. It implements [protocol.Hub].
type Realm struct {
	room *Room
	hub  *hub.Hub
	name atomic.Value // string
}

var _ protocol.Hub = (*Realm)(nil)

// subjects is what all subjects of the realm begin with.
func (r *Realm) subjects() string {
	return r.room.prefix + "realm." + engine.Token(r.name.Load().(string)) + "."
}

// Rename has the realm be one with that of another name.
func (r *Realm) Rename(name string) {
	before := r.name.Load().(string)
	if before == name {
		return
	}
	r.room.wants.rename(r, name)
	r.room.mu.Lock()
	if r.room.realms[before] == r {
		delete(r.room.realms, before)
	}
	r.room.realms[name] = r
	r.room.mu.Unlock()
	r.room.speech.stir()
}

// subject is that of a kind, and of what of it.
func (r *Realm) subject(kind, name string) string {
	subject := r.subjects() + kind
	if kind == forAll {
		return subject
	}
	return subject + "." + engine.Token(name)
}

// act is one of SPEC.md §10.3, or a PURGE: its frame, and a SEND's bytes beside it, which may be more than a frame
// has.
type act struct {
	Frame []byte `msgpack:"frame"`
	Bytes []byte `msgpack:"bytes"`
}

// Commit implements [protocol.Hub]. Here acts take effect as without a cluster; if they do, others are told of those
// that are for their connections, too, and nobody waits for that.
func (r *Realm) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	var tell []telling
	for _, a := range acts {
		tell = r.tell(tell, subject, a)
	}
	if len(tell) == 0 {
		r.hub.Commit(subject, acts, done)
		return
	}
	r.hub.Commit(subject, acts, func(err error) {
		if err == nil {
			for _, t := range tell {
				r.room.say(saying{subjects: t.subjects, body: &t.act, size: len(t.act.Bytes) + len(t.act.Frame)})
			}
		}
		done(err)
	})
}

// telling is an act, and where it is told.
type telling struct {
	subjects []string
	act      act
}

// mostSubjects is for how many groups or users an act is told on their subjects; one for more goes to all hosts.
const mostSubjects = 16

// tell adds what others are to be told of an act.
func (r *Realm) tell(to []telling, subject protocol.Subject, a protocol.Act) []telling {
	own := ""
	if subject != nil {
		own = subject.ConnectionID()
	}
	switch m := a.(type) {
	case *protocol.Send:
		for _, each := range r.audiences(m.To, m.Names) {
			bare := *m
			bare.Names, bare.Except, bare.Bytes = each.names, named(m.Except, own), nil
			to = append(to, telling{each.subjects, act{bare.AppendFrame(nil), m.Bytes}})
		}
	case *protocol.Hangup:
		for _, each := range r.audiences(m.To, m.Names) {
			one := *m
			one.Names, one.Except = each.names, named(m.Except, own)
			to = append(to, telling{each.subjects, act{Frame: one.AppendFrame(nil)}})
		}
	case *protocol.Join:
		to = r.tellOf(to, m.Connection, a)
	case *protocol.Leave:
		to = r.tellOf(to, m.Connection, a)
	case *protocol.Bind:
		to = r.tellOf(to, m.Connection, a)
	case *protocol.Set:
		to = r.tellOf(to, m.Connection, a)
	}
	return to
}

// tellOf is for an act about a connection.
func (r *Realm) tellOf(to []telling, id string, a protocol.Act) []telling {
	if r.foreign(id) {
		to = append(to, telling{[]string{r.subject(byOrigin, hub.Origin(id))}, act{Frame: a.AppendFrame(nil)}})
	}
	return to
}

// foreign says whether another host may have the connection.
func (r *Realm) foreign(id string) bool {
	from := hub.Origin(id)
	return from != "" && from != r.hub.Prefix() && r.hub.Get(id) == nil
}

// named are ids in which the event's own connection has its name.
func named(ids []string, own string) []string {
	if !slices.Contains(ids, "") {
		return ids
	}
	ids = slices.Clone(ids)
	for i := range ids {
		if ids[i] == "" {
			ids[i] = own
		}
	}
	return ids
}

// audience is whom of an act's is told on which subjects.
type audience struct {
	subjects []string
	names    []string
}

func (r *Realm) audiences(to protocol.Audience, names []string) []audience {
	kind := byGroup
	switch to {
	case protocol.ToAll:
		return []audience{{subjects: []string{r.subject(forAll, "")}}}
	case protocol.ToConnections:
		return r.origins(names)
	case protocol.ToUsers:
		kind = byUser
	case protocol.ToSelf:
		return nil
	}
	switch {
	case len(names) == 0:
		return nil
	case len(names) > mostSubjects:
		return []audience{{[]string{r.subject(forAll, "")}, names}}
	}
	all := audience{names: names}
	for _, name := range names {
		if subject := r.subject(kind, name); !slices.Contains(all.subjects, subject) {
			all.subjects = append(all.subjects, subject)
		}
	}
	return []audience{all}
}

// origins sorts ids by the hosts that may have them.
func (r *Realm) origins(ids []string) (all []audience) {
	places := map[string]int{}
	for _, id := range ids {
		if !r.foreign(id) {
			continue
		}
		from := hub.Origin(id)
		i, known := places[from]
		if !known {
			i, places[from] = len(all), len(all)
			all = append(all, audience{subjects: []string{r.subject(byOrigin, from)}})
		}
		all[i].names = append(all[i].names, id)
	}
	return all
}

// Purge has the other hosts forget what their caches have of a realm. It does not wait.
func (r *Room) Purge(realm string, m *protocol.Purge) {
	subject := r.prefix + "realm." + engine.Token(realm) + "." + forAll
	frame := m.AppendFrame(nil)
	r.say(saying{subjects: []string{subject}, body: &act{Frame: frame}, size: len(frame), failed: func(err error) {
		r.unsaid.Warn(r.log, "other hosts were not told what to purge: they keep it until it is not fresh any more",
			"error", err)
	}})
}

// onTold carries out what another host's workers have asked for.
func (r *Realm) onTold(body []byte) error {
	var told act
	if err := msgpack.Unmarshal(body, &told); err != nil {
		return err
	}
	const length = 4 // before a frame's payload
	if len(told.Frame) < length {
		return errors.New("half a frame")
	}
	kind, _, err := protocol.Head(told.Frame[length:])
	if err != nil {
		return err
	}
	a := protocol.NewAct(kind)
	if a == nil {
		return errors.New("it is no act")
	}
	if err := a.Parse(told.Frame[length:]); err != nil {
		return err
	}
	switch m := a.(type) {
	case *protocol.Send:
		m.Bytes = told.Bytes
	case *protocol.Purge:
		if r.room.settings.Purge != nil {
			r.room.settings.Purge(r.name.Load().(string), m)
		}
		return nil
	}
	r.hub.Hear([]protocol.Act{a}, func(err error) {
		r.room.log.Warn("what another host's worker has asked for can't be done", "error", err)
	})
	return nil
}
