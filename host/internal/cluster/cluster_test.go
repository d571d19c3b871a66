package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/goroutines"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

func TestMain(m *testing.M) { os.Exit(goroutines.Main(m, "/cluster.")) }

// fakePeer is a client in memory.
type fakePeer struct {
	mu   sync.Mutex
	got  bytes.Buffer
	news chan struct{}
	c    *hub.Connection
}

func (p *fakePeer) Encoding() hub.Encoding { return nil }

func (p *fakePeer) TryWrite(b [][]byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range b {
		p.got.Write(each)
		n += len(each)
	}
	select {
	case p.news <- struct{}{}:
	default:
	}
	return n, nil
}

func (p *fakePeer) Write(b [][]byte) error       { _, err := p.TryWrite(b); return err }
func (p *fakePeer) End(code int, reason string)  { p.c.Closed(code, reason, true) }
func (p *fakePeer) Abort()                       { p.c.Closed(protocol.CloseBroken, "", false) }
func (p *fakePeer) said() string                 { p.mu.Lock(); defer p.mu.Unlock(); return p.got.String() }
func (p *fakePeer) hears(t *testing.T, w string) { t.Helper(); p.waits(t, w) }

func (p *fakePeer) waits(t *testing.T, want string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for p.said() != want {
		select {
		case <-p.news:
		case <-late:
			t.Fatalf("got %.200q, expected %.200q", p.said(), want)
		}
	}
}

// backend handles nothing.
type backend struct{}

func (backend) Submit(x *protocol.Exchange) protocol.Ticket {
	x.Sink.Finished()
	return ticket{}
}
func (backend) Traits() protocol.Traits { return protocol.Traits{Pool: "web"} }

type ticket struct{}

func (ticket) Cancel(protocol.ResetCode) {}

// host is one of a cluster.
type host struct {
	t      *testing.T
	engine *engine.Engine
	room   *Room
	hub    *hub.Hub
	realm  *Realm
	log    *logged

	settings engine.Settings
	purges   chan string // that others were asked for
	obey     atomic.Pointer[func(Order, func(Part))]
}

func (h *host) obeys(by func(o Order, part func(Part))) { h.obey.Store(&by) }

// hosts are several that know each other.
func hosts(t *testing.T, n int) (all []*host) {
	t.Helper()
	var routes []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		routes = append(routes, l.Addr().String())
		l.Close()
	}
	for i, address := range routes {
		folder := t.TempDir()
		settings := engine.Settings{Folder: func() (string, error) { return folder, nil }, Name: t.Name(),
			Cluster:   &engine.Cluster{Name: "c", Listen: address, Routes: routes, Hosts: n},
			MaxMemory: 16 << 20, MaxDisk: 64 << 20, Log: hclog.NewNullLogger()}
		e := engine.New(settings)
		t.Cleanup(e.Close)
		h := &host{t: t, settings: settings, engine: e, hub: hub.New(hclog.NewNullLogger()), log: &logged{},
			purges: make(chan string, 8)}
		h.room = New(Settings{Cluster: "a cluster", Host: fmt.Sprintf("host-%d", i), Version: "1", Conn: e.Conn,
			Station: func() (string, error) { return engine.Station(folder) },
			State:   func() string { return "serving" },
			Obey:    func(_ context.Context, o Order, part func(Part)) { (*h.obey.Load())(o, part) },
			Purge:   func(realm string, m *protocol.Purge) { h.purges <- fmt.Sprint(realm, m.Tags, m.URLs, m.All) },
			Log: hclog.New(&hclog.LoggerOptions{Output: io.MultiWriter(t.Output(), h.log),
				Level: hclog.Info})})
		t.Cleanup(h.room.Close)
		h.realm = h.room.Realm("default", h.hub)
		h.room.Enter()
		all = append(all, h)
	}
	for _, h := range all {
		eventually(t, func() bool { return len(h.room.others()) == n-1 })
	}
	return all
}

func eventually(t *testing.T, true func() bool) {
	t.Helper()
	for late := time.Now().Add(20 * time.Second); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it has not come to it in time")
		}
	}
}

// client is one that is held, in groups, bound to a user.
func (h *host) client(uid string, groups ...string) *fakePeer {
	h.t.Helper()
	p := &fakePeer{news: make(chan struct{}, 1)}
	c, err := h.hub.Hold(p, hub.Card{Protocol: "sse"}, &hub.Terms{Backend: backend{}}, &protocol.Hold{UID: uid,
		Groups: groups})
	if err != nil {
		h.t.Fatal(err)
	}
	p.c = c
	c.Opened()
	h.t.Cleanup(func() { c.Closed(protocol.CloseNormal, "", true) })
	return p
}

func (h *host) do(acts ...protocol.Act) {
	h.t.Helper()
	h.realm.Commit(nil, acts, func(err error) {
		if err != nil {
			h.t.Error(err)
		}
	})
}

func to(a protocol.Audience, text string, names ...string) *protocol.Send {
	return &protocol.Send{Stream: 1, To: a, Names: names, Bytes: []byte(text)}
}

// asked is what a CALL answers.
func (h *host) asked(m *protocol.Call) (value any, err string) {
	h.t.Helper()
	m.Stream = 2
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	answers := make(chan answerMessage, 1)
	h.realm.Call(m, protocol.NewCaller(desk{ctx, func(a answerMessage) { answers <- a }}, 2))
	a := <-answers
	value, wrong := a.Value.Decode()
	if wrong != nil {
		h.t.Fatal(wrong)
	}
	return value, a.Error
}

func call(method string, arguments ...any) *protocol.Call {
	m := &protocol.Call{Method: method}
	for _, a := range arguments {
		v, err := protocol.NewValue(a)
		if err != nil {
			panic(err)
		}
		m.Arguments = append(m.Arguments, v)
	}
	return m
}

// heard waits until a member of a group, or whoever else it is for, would hear others.
func heard(t *testing.T, all ...*host) {
	t.Helper()
	for _, h := range all {
		eventually(t, func() bool {
			h.room.wants.mu.Lock()
			defer h.room.wants.mu.Unlock()
			return len(h.room.wants.changed) == 0
		})
		conn, err := h.engine.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // there, and to the routes
			conn.Flush()
		}
	}
	time.Sleep(50 * time.Millisecond) // what other servers have heard of a subscription shows nowhere
}

func TestGroupsUsersAndAllMeanThoseOfAllHosts(t *testing.T) {
	all := hosts(t, 3)
	a, b, c := all[0].client("ann", "news", "sport"), all[1].client("bob", "news"), all[2].client("ann", "sport")
	heard(t, all...)
	all[0].do(to(protocol.ToGroups, "1 ", "news"))
	b.hears(t, "1 ")
	all[0].do(to(protocol.ToGroups, "2 ", "sport", "news"), to(protocol.ToUsers, "3 ", "ann"))
	a.hears(t, "1 2 3 ")
	b.hears(t, "1 2 ")
	c.hears(t, "2 3 ")
	all[1].do(to(protocol.ToAll, "4 "))
	all[1].do(to(protocol.ToConnections, "5 ", a.c.ID(), c.c.ID()))
	not := to(protocol.ToAll, "6 ")
	not.Except = []string{a.c.ID()}
	all[1].do(not, to(protocol.ToAll, "7 "))
	a.hears(t, "1 2 3 4 5 7 ")
	b.hears(t, "1 2 4 6 7 ")
	c.hears(t, "2 3 4 5 6 7 ")
}

func TestOneSendersMessagesComeInItsOrderAndLargeOnesWhole(t *testing.T) {
	all := hosts(t, 2)
	p := all[1].client("", "g", "h")
	heard(t, all...)
	var want bytes.Buffer
	for i := range 2000 {
		text := fmt.Sprintf("%d,", i)
		if i%500 == 0 {
			text = string(bytes.Repeat([]byte{'x'}, 3*pieceSize+i)) + text
		}
		want.WriteString(text)
		switch i % 3 {
		case 0:
			all[0].do(to(protocol.ToGroups, text, "g", "h"))
		case 1:
			all[0].do(to(protocol.ToAll, text))
		default:
			all[0].do(to(protocol.ToConnections, text, p.c.ID()))
		}
	}
	p.hears(t, want.String())
}

func TestActsAndQuestionsAboutConnectionsReachTheHostThatHasThem(t *testing.T) {
	all := hosts(t, 3)
	a, b := all[0].client("ann", "news"), all[1].client("bob", "news")
	all[2].client("ann")
	heard(t, all...)
	key, _ := protocol.NewValue("red")
	all[2].do(&protocol.Join{Stream: 1, Connection: b.c.ID(), Groups: []string{"sport"}},
		&protocol.Set{Stream: 1, Connection: b.c.ID(), Set: []protocol.Entry{{Key: "colour", Value: key}}})
	for _, h := range all {
		for _, q := range []struct {
			call *protocol.Call
			want any
		}{
			{call("count"), int64(3)}, {call("count", "news"), int64(2)}, {call("count", "sport"), int64(1)},
			{call("groups", "n"), []any{"news", 2}}, {call("groups", "sport"), []any{"sport", 1}},
			{call("groups", "x"), []any{}}, {call("user", "bob"), []any{b.c.ID()}}, {call("user", "eve"), []any{}},
			{call("online", "bob"), true}, {call("online", "eve"), false}, {call("connection", "x-1"), nil},
		} {
			got, err := h.asked(q.call)
			if n, ok := got.(int8); ok {
				got = int64(n)
			}
			if err != "" || fmt.Sprint(got) != fmt.Sprint(q.want) {
				t.Errorf("%s: %v %q, expected %v", q.call.Method, got, err, q.want)
			}
		}
		ids, err := h.asked(call("ids", "news"))
		if list, _ := ids.([]any); err != "" || len(list) != 2 || !slices.Contains(list, any(a.c.ID())) {
			t.Error(ids, err)
		}
		mine, err := h.asked(call("user", "ann"))
		if list, _ := mine.([]any); err != "" || len(list) != 2 || !slices.Contains(list, any(a.c.ID())) {
			t.Error(mine, err)
		}
		uids, err := h.asked(call("uids"))
		if list, _ := uids.([]any); err != "" || len(list) != 2 {
			t.Error(uids, err)
		}
		views, err := h.asked(call("connections"))
		if list, _ := views.([]any); err != "" || len(list) != 3 {
			t.Error(views, err)
		}
		session, err := h.asked(call("session", b.c.ID()))
		if fmt.Sprint(session) != "[1 [colour red]]" || err != "" {
			t.Error(session, err)
		}
	}
	all[0].do(&protocol.Hangup{Stream: 1, To: protocol.ToConnections, Names: []string{b.c.ID()}, Code: 4000})
	eventually(t, func() bool { return all[1].hub.Get(b.c.ID()) == nil })
}

func TestAHostThatIsSilentIsNamedAndOneThatIsLostIsNotAsked(t *testing.T) {
	all := hosts(t, 3)
	all[2].client("ann")
	all[2].room.Close() // it says farewell
	eventually(t, func() bool { return len(all[0].room.others()) == 1 })
	all[1].room.yielded.Store(true) // it says nothing more, as one that hangs
	all[1].room.Yield()
	all[1].room.wants.only(func(string) bool { return false })
	all[1].room.speech.stir()
	heard(t, all[1])
	_, err := all[0].asked(call("count"))
	if want := "count: no answer within 2s from host-1"; err != want {
		t.Fatalf("%q, expected %q", err, want)
	}
	eventually(t, func() bool { return len(all[0].room.others()) == 0 })
	if n, err := all[0].asked(call("count")); err != "" || fmt.Sprint(n) != "0" {
		t.Fatal(n, err)
	}
	members := all[0].room.Members()
	if len(members) != 2 || !members[0].Here || members[1].State != StateLost || members[1].Host != "host-1" {
		t.Fatalf("%+v", members)
	}
}

func TestAHostHearsNothingOfAGroupOfWhichItHasNoMember(t *testing.T) {
	all := hosts(t, 2)
	p := all[1].client("", "here")
	heard(t, all...)
	before := all[1].received(t)
	for range 100 {
		all[0].do(to(protocol.ToGroups, "nobody ", "elsewhere"))
	}
	all[0].do(to(protocol.ToGroups, "it", "here"))
	p.hears(t, "it")
	if n := all[1].received(t) - before; n > 20 { // beats come, too
		t.Errorf("it has heard %d messages", n)
	}
}

func (h *host) received(t *testing.T) uint64 {
	conn, err := h.engine.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn.Stats().InMsgs
}

func TestAHostThatComesBackIsKnownAgain(t *testing.T) {
	all := hosts(t, 2)
	lost := func(is bool) func() bool {
		return func() bool { return (len(all[0].room.others()) == 0) == is }
	}
	all[1].room.yielded.Store(true) // it says nothing for a while, as one that is stopped
	eventually(t, lost(true))
	all[1].room.yielded.Store(false)
	eventually(t, lost(false))
	eventually(t, func() bool { return all[0].log.has("another host of the cluster is back: host=host-1") })
}

// logged is what a log has.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.text.Bytes(), []byte(text))
}

func TestGroupsThatCameAndWentWhileTheEngineIsAwayLeaveNothing(t *testing.T) {
	r := New(Settings{Cluster: "c", Log: hclog.NewNullLogger()})
	realm := r.Realm("default", hub.New(hclog.NewNullLogger()))
	w := watcher{realm}
	w.Group("stays", true)
	for i := range 1000 {
		w.Group(fmt.Sprint(i), true)
		w.Group(fmt.Sprint(i), false)
	}
	if n := len(r.wants.changed); n != 3 { // all, this host's, and the group
		t.Fatal(n)
	}
	if now := r.wants.take(); len(now) != 3 || !now[realm.subject(byGroup, "stays")] {
		t.Fatal(now)
	}
	w.Group("stays", false)
	if now := r.wants.take(); len(now) != 1 || now[realm.subject(byGroup, "stays")] || len(r.wants.taken) != 2 {
		t.Fatal(now)
	}
}
