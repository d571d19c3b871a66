package ledger

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// fakePeer is a client in memory.
type fakePeer struct {
	c    *hub.Connection
	code atomic.Int64 // that it was told at the end
}

func (p *fakePeer) Encoding() hub.Encoding { return nil }
func (p *fakePeer) TryWrite(b [][]byte) (n int, err error) {
	for _, each := range b {
		n += len(each)
	}
	return n, nil
}
func (p *fakePeer) Write([][]byte) error { return nil }
func (p *fakePeer) End(code int, reason string) {
	p.code.Store(int64(code))
	p.c.Closed(code, reason, true)
}
func (p *fakePeer) Abort() { p.c.Closed(protocol.CloseBroken, "", false) }

// process is one of a cluster: an engine of its own, which is the same for all, a hub, and workers.
type process struct {
	t      *testing.T
	engine *engine.Engine
	room   *Room
	hub    *hub.Hub
	terms  *hub.Terms
	takes  atomic.Bool

	mu     sync.Mutex
	closes []protocol.Close
	stays  chan struct{} // a CLOSE is not over before it is closed; nil: at once
}

// Traits implements [hub.Backend].
func (p *process) Traits() protocol.Traits {
	return protocol.Traits{Pool: "chat", Events: protocol.Events{Message: true, Close: true}}
}

// Submit implements [hub.Backend].
func (p *process) Submit(x *protocol.Exchange) protocol.Ticket {
	m, ok := x.Request.(*protocol.Close)
	p.mu.Lock()
	stays := p.stays
	if ok {
		p.closes = append(p.closes, *m)
	}
	p.mu.Unlock()
	if stays == nil {
		x.Sink.Finished()
		return ticket{}
	}
	go func() {
		<-stays
		x.Sink.Finished()
	}()
	return ticket{}
}

type ticket struct{}

func (ticket) Cancel(protocol.ResetCode) {}

// silence is short, and long enough for a machine that is busy.
const silence = 1500 * time.Millisecond

// start makes a process of the host of that name. All of one folder are of one cluster.
func start(t *testing.T, folder, name string) *process {
	t.Helper()
	log := hclog.New(&hclog.LoggerOptions{Name: name, Output: t.Output(), Level: hclog.Debug})
	p := &process{t: t, hub: hub.New(hclog.NewNullLogger())}
	p.engine = engine.New(engine.Settings{Folder: func() (string, error) { return folder, nil }, Name: name,
		MaxMemory: 256 << 20, MaxDisk: 64 << 20, Log: hclog.NewNullLogger()})
	t.Cleanup(p.engine.Close)
	if _, err := p.engine.Conn(t.Context()); err != nil { // the first has the server
		t.Fatal(err)
	}
	p.terms = &hub.Terms{Backend: p}
	p.takes.Store(true)
	p.room = New(Settings{Cluster: "a cluster", Host: name, Engine: p.engine, Log: log, Silence: silence,
		Station: func() (string, error) { return name, nil },
		Takes:   func(realm, pool string) bool { return p.takes.Load() && realm == "main" && pool == "chat" },
		Handle: func(_, _ string, v *protocol.Connection, done func()) error {
			return p.hub.Inherit(v, p.terms, done)
		}})
	p.room.Realm("main", p.hub)
	p.room.Enter()
	t.Cleanup(p.room.Close)
	return p
}

// open has a client come, who is somebody.
func (p *process) open(uid string, groups ...string) *hub.Connection {
	p.t.Helper()
	peer := &fakePeer{}
	c := p.hub.Add(peer, hub.Card{Protocol: protocol.ProtoWebSocket, Remote: "192.0.2.1:1", Listener: ":80"}, p.terms)
	peer.c = c
	c.Open(nil, func(hub.Admission) {})
	c.Opened()
	key, err := protocol.NewValue("value of " + uid)
	if err == nil {
		err = p.hub.Apply(nil, []protocol.Act{&protocol.Join{Connection: c.ID(), Groups: groups},
			&protocol.Bind{Connection: c.ID(), UID: uid},
			&protocol.Set{Connection: c.ID(), Set: []protocol.Entry{{Key: "k", Value: key}}}})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// noted waits until so many notes are there.
func (p *process) noted(want int) {
	p.t.Helper()
	p.eventually(fmt.Sprintf("%d notes", want), func() bool { return p.count("entry.*.*") == want })
}

// count is how much there is in the stream.
func (p *process) count(subject string) int {
	js, err := p.engine.JetStream(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	s, err := js.Stream(p.t.Context(), p.room.stream.name)
	if err != nil {
		return -1
	}
	info, err := s.Info(p.t.Context(), jetstream.WithSubjectFilter(p.room.stream.prefix+subject))
	if err != nil {
		return -1
	}
	return len(info.State.Subjects)
}

func (p *process) eventually(what string, ok func() bool) {
	p.t.Helper()
	for late := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			p.t.Fatalf("it never came to be that there are %s", what)
		}
	}
}

// handled are the CLOSEs that the process's workers had, in the order of users.
func (p *process) handled() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.closes {
		k := ""
		if len(m.Connection.Session) == 1 {
			v, _ := m.Connection.Session[0].Value.Decode()
			k, _ = v.(string)
		}
		c := m.Connection
		all = append(all, fmt.Sprintf("%s %v %q attempt %d code %d", c.UID, c.Groups, k, m.Attempt, m.Code))
	}
	slices.Sort(all)
	return all
}

// dies has a process be gone, as seen by others.
func (p *process) dies() { p.engine.Close() }

func left(uid, groups string) string {
	return fmt.Sprintf("%s [%s] %q attempt 2 code 1006", uid, groups, "value of "+uid)
}

func TestWhatADeadHostHasLeftIsHandledByOneOtherOnce(t *testing.T) {
	folder := t.TempDir()
	one, two, three := start(t, folder, "one"), start(t, folder, "two"), start(t, folder, "three")
	stays := two.open("stays")
	three.open("ada", "room", "hall")
	three.open("bob")
	gone := three.open("gone")
	one.noted(4)
	gone.Closed(protocol.CloseNormal, "", true)
	one.noted(3)
	three.dies()
	both := func() []string { return slices.Sorted(slices.Values(append(one.handled(), two.handled()...))) }
	one.eventually("two CLOSEs", func() bool { return len(both()) == 2 })
	one.eventually("two hosts left", func() bool { return one.count("life.*") == 2 }) // it was looked for more
	want := []string{left("ada", "room hall"), left("bob", "")}
	if got := both(); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	one.noted(1)
	stays.Closed(protocol.CloseNormal, "", true)
	one.noted(0)
	if got := len(both()); got != 3 {
		t.Fatalf("%d, want that of the one who left by itself too", got)
	}
	if n := one.hub.Open()[protocol.ProtoWebSocket]; n != 0 {
		t.Fatalf("%d are open", n)
	}
}

func TestAHostThatEndsInOrderLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	one, two := start(t, folder, "one"), start(t, folder, "two")
	c := two.open("ada")
	one.noted(1)
	c.Closed(protocol.CloseNormal, "", true)
	two.room.Close() // at once: what has not been noted yet is then
	if entries, lives := one.count("entry.*.*"), one.count("life.*"); entries != 0 || lives != 1 {
		t.Fatalf("%d notes and %d lives are left", entries, lives)
	}
}

func TestACloseThatWaitsForAWorkerIsNotedUntilItHasBeenHandled(t *testing.T) {
	folder := t.TempDir()
	one, two := start(t, folder, "one"), start(t, folder, "two")
	two.stays = make(chan struct{})
	defer close(two.stays)
	c := two.open("ada", "room")
	one.noted(1)
	c.Closed(protocol.CloseNormal, "", true)
	two.open("bob")
	one.noted(2)
	two.dies()
	want := []string{left("ada", "room"), left("bob", "")}
	one.eventually("two CLOSEs", func() bool { return slices.Equal(one.handled(), want) })
}

func TestOneThatWasTakenForDeadClosesItsConnectionsAndLivesOn(t *testing.T) {
	folder := t.TempDir()
	one, two := start(t, folder, "one"), start(t, folder, "two")
	c := two.open("ada", "room")
	one.noted(1)
	before := one.lives(t)["two"]
	data := one.room.encoded(&life{Host: "two", Station: "two", Dead: true, By: "another"})
	if _, err := one.room.stream.put(t.Context(), one.room.stream.sign(before), data, anyVersion); err != nil {
		t.Fatal(err)
	}
	peer := c.Peer().(*fakePeer)
	one.eventually("a goodbye", func() bool { return peer.code.Load() == protocol.CloseRestart })
	two.open("bob")
	var got []string
	one.eventually("its CLOSE", func() bool {
		got = append(one.handled(), two.handled()...)
		return len(got) > 0
	})
	one.noted(1)
	one.eventually("two lives", func() bool { return one.count("life.*") == 2 })
	if got = append(one.handled(), two.handled()...); !slices.Equal(got, []string{left("ada", "room")}) {
		t.Fatalf("%q", got)
	}
	if after := one.lives(t)["two"]; after == before || after == "" {
		t.Fatalf("it was %s, and is %s", before, after)
	}
}

// lives are the names of processes by those of their hosts.
func (p *process) lives(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	js, err := p.engine.JetStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, err := js.Stream(t.Context(), p.room.stream.name)
	if err != nil {
		t.Fatal(err)
	}
	for from := uint64(1); ; {
		m, err := next(t.Context(), in, p.room.stream.sign("*"), from)
		if err != nil {
			return all
		}
		from = m.Sequence + 1
		all[lifeOf(t, m.Data).Host] = m.Subject[len(p.room.stream.sign("")):]
	}
}

func TestNotesOfAPoolThatNobodyHasAreLeftUntilSomebodyHasIt(t *testing.T) {
	folder := t.TempDir()
	one, two := start(t, folder, "one"), start(t, folder, "two")
	one.takes.Store(false)
	two.open("ada")
	one.noted(1)
	two.dies()
	one.eventually("a declaration", func() bool { return one.declared(t) >= 1 })
	one.noted(1)
	one.takes.Store(true)
	one.eventually("a CLOSE", func() bool { return slices.Equal(one.handled(), []string{left("ada", "")}) })
	one.noted(0)
}

// declared is how often another process was declared dead.
func (p *process) declared(t *testing.T) (n int) {
	js, err := p.engine.JetStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, err := js.Stream(t.Context(), p.room.stream.name)
	if err != nil {
		t.Fatal(err)
	}
	for from := uint64(1); ; {
		m, err := next(t.Context(), in, p.room.stream.sign("*"), from)
		if err != nil {
			return n
		}
		from = m.Sequence + 1
		n += lifeOf(t, m.Data).Times
	}
}

func TestWhoTakesHasNoMoreUnderWayThanItsShare(t *testing.T) {
	folder := t.TempDir()
	one, two := start(t, folder, "one"), start(t, folder, "two")
	one.stays = make(chan struct{})
	const many = 3 * together
	for i := range many {
		two.open(fmt.Sprint(i))
	}
	one.noted(many)
	two.dies()
	one.eventually("as many as may be", func() bool { return len(one.handled()) == together })
	one.eventually("notes of the others", func() bool { return one.count("entry.*.*") == many-together })
	if n := len(one.handled()); n != together {
		t.Fatalf("%d are under way", n)
	}
	one.mu.Lock()
	close(one.stays)
	one.stays = nil
	one.mu.Unlock()
	one.eventually("all of them", func() bool { return len(one.handled()) == many })
	one.noted(0)
}

func TestTheLedgerIsWrittenAnewWhenTheEngineHasForgottenIt(t *testing.T) {
	one := start(t, t.TempDir(), "one")
	one.open("ada")
	one.noted(1)
	js, err := one.engine.JetStream(t.Context())
	if err == nil {
		err = js.DeleteStream(t.Context(), one.room.stream.name)
	}
	if err != nil {
		t.Fatal(err)
	}
	one.noted(1)
	if got := one.handled(); len(got) > 0 {
		t.Fatalf("%q", got)
	}
}

func lifeOf(t *testing.T, data []byte) (l life) {
	t.Helper()
	if err := msgpack.Unmarshal(data, &l); err != nil {
		t.Fatal(err)
	}
	return l
}
