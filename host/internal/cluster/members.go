// members.go: which hosts there are.

package cluster

import (
	"cmp"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// Beat is how often a host says that it is there; one that has said nothing for Lost is lost.
const (
	Beat = time.Second
	Lost = 4 * time.Second
	// forgotten is when nobody is told of a lost host any more.
	forgotten = 10 * time.Minute
)

// Member is a host of the cluster.
type Member struct {
	Station string
	Host    string
	Version string
	State   string    // as that host says: serving, stopping …; "lost": it says nothing any more
	Since   time.Time // when this host first heard of that process
	Seen    time.Time // when it last did; zero for this host itself
	Here    bool      // it is this host
}

// StateLost is the state of a host that says nothing any more.
const StateLost = "lost"

type member struct {
	Member
	life string
	lost bool
}

// beatMessage is what a host says of itself.
type beatMessage struct {
	Host    string `msgpack:"host"`
	Version string `msgpack:"version"`
	State   string `msgpack:"state"`
	Life    string `msgpack:"life"`
	Gone    bool   `msgpack:"gone"` // it says farewell
}

// beat says again and again that this host is there, and looks who is not. It ends with the room.
func (r *Room) beat() {
	tick := time.NewTicker(Beat)
	defer tick.Stop()
	for {
		if !r.yielded.Load() {
			r.sayBeat()
		}
		r.lookForLost()
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Room) about() beatMessage {
	return beatMessage{Host: r.settings.Host, Version: r.settings.Version, State: r.settings.State(), Life: r.life}
}

func (r *Room) sayBeat() {
	r.say(saying{subjects: []string{r.prefix + subjectBeats}, body: r.about(), failed: func(error) {}})
}

func (r *Room) sayGone() {
	about := r.about()
	about.Gone = true
	r.say(saying{subjects: []string{r.prefix + subjectBeats}, body: about, failed: func(error) {}})
}

func (r *Room) onBeat(from string, body []byte) error {
	var b beatMessage
	if err := msgpack.Unmarshal(body, &b); err != nil {
		return err
	}
	r.mu.Lock()
	m, known := r.members[from]
	back := known && m.lost
	now := time.Now()
	switch {
	case b.Gone:
		if known && m.life == b.Life {
			delete(r.members, from)
		}
	case !known || m.life != b.Life || m.lost:
		m = &member{Member: Member{Station: from, Since: now}, life: b.Life}
		r.members[from] = m
		fallthrough
	default:
		m.Host, m.Version, m.State, m.Seen = b.Host, b.Version, b.State, now
	}
	r.mu.Unlock()
	switch {
	case b.Gone && known:
		r.log.Info("another host has left the cluster", "host", b.Host)
	case !b.Gone && (!known || back):
		text := "another host is in the cluster"
		if back {
			text = "another host of the cluster is back"
		}
		r.log.Info(text, "host", b.Host, "version", b.Version)
		r.sayBeat() // it knows of this one now, too
	}
	return nil
}

// lookForLost notes which hosts are silent.
func (r *Room) lookForLost() {
	var lost []Member
	r.mu.Lock()
	for station, m := range r.members {
		switch silent := time.Since(m.Seen); {
		case silent > forgotten:
			delete(r.members, station)
		case silent > Lost && !m.lost:
			m.lost = true
			lost = append(lost, m.Member)
		}
	}
	r.mu.Unlock()
	for _, m := range lost {
		r.log.Warn("another host of the cluster is lost: it says nothing any more", "host", m.Host, "for", Lost)
		r.silent(m.Station)
	}
}

// others are the stations that are there besides this one, with their hosts' names.
func (r *Room) others() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]string, len(r.members))
	for station, m := range r.members {
		if !m.lost {
			all[station] = m.Host
		}
	}
	return all
}

// process is that of a station that is there, with its host's name.
func (r *Room) process(station string) (host, life string, there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[station]
	if m == nil || m.lost {
		return "", "", false
	}
	return m.Host, m.life, true
}

// Members are the hosts of the cluster, this one first, as far as it knows.
func (r *Room) Members() []Member {
	about := r.about()
	all := []Member{{Station: r.own(), Host: about.Host, Version: about.Version, State: about.State, Here: true}}
	r.mu.Lock()
	for _, m := range r.members {
		one := m.Member
		if m.lost {
			one.State = StateLost
		}
		all = append(all, one)
	}
	r.mu.Unlock()
	slices.SortFunc(all[1:], func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Station, b.Station))
	})
	return all
}
