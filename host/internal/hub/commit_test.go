package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func value(t testing.TB, v any) protocol.Value {
	t.Helper()
	b, err := protocol.NewValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestActsTakeEffectInOrderAndAllTogether(t *testing.T) {
	s := newScene(t)
	a, b := &fakePeer{encoding: tags}, &fakePeer{encoding: tags}
	ca, cb := s.open(a), s.open(b)
	group := func(text string, except ...string) *protocol.Send {
		return &protocol.Send{To: protocol.ToGroups, Names: []string{"g"}, Bytes: []byte(text), Except: except}
	}
	s.commit(ca,
		group("nobody yet"), &protocol.Join{Groups: []string{"g", "g"}}, group("a"),
		&protocol.Join{Connection: cb.ID(), Groups: []string{"g"}}, group("both"),
		group("b", ca.ID()), &protocol.Leave{Groups: []string{"g"}}, group("b again"), &protocol.Bind{UID: "u"},
		&protocol.Send{To: protocol.ToUsers, Names: []string{"u"}, Bytes: []byte("user")},
		&protocol.Send{To: protocol.ToConnections, Names: []string{ca.ID(), cb.ID(), ca.ID(), "nobody"},
			Bytes: []byte("ids")},
		&protocol.Send{To: protocol.ToGroups, Names: []string{"g", "g", "other"}, Bytes: []byte("once")},
		&protocol.Send{To: protocol.ToAll, Bytes: []byte("all")})
	if got, want := a.text(), "[a][both][user][ids][all]"; got != want {
		t.Errorf("a got %s, want %s", got, want)
	}
	if got, want := b.text(), "[both][b][b again][ids][once][all]"; got != want {
		t.Errorf("b got %s, want %s", got, want)
	}
	ca.Closed(1000, "", true)
	cb.Closed(1000, "", true)
	s.gone()
}

func TestACommitIsAllOrNothing(t *testing.T) {
	large := value(t, strings.Repeat("x", 2000))
	for name, bad := range map[string]protocol.Act{
		"a session beyond its limit":  &protocol.Set{Set: []protocol.Entry{{Key: "k", Value: large}}},
		"a code that is none":         &protocol.Hangup{Code: 1005},
		"a reason that is too long":   &protocol.Hangup{Code: 1000, Reason: strings.Repeat("x", 124)},
		"a reason that is not text":   &protocol.Hangup{Code: 1000, Reason: "\xff"},
		"an ACCEPT without an OPEN":   &protocol.Accept{},
		"a group without a name":      &protocol.Join{Groups: []string{"fine", ""}},
		"a user id beyond any reason": &protocol.Bind{UID: strings.Repeat("u", protocol.MaxName+1)},
		"one group too many":          &protocol.Join{Groups: manyNames(protocol.MaxGroups + 1)},
		"another's session, beyond limits": &protocol.Set{Connection: "other",
			Set: []protocol.Entry{{Key: "k", Value: large}}},
	} {
		s := newScene(t)
		s.terms.SessionLimit = 1000
		p, q := &fakePeer{}, &fakePeer{}
		c, other := s.open(p), s.open(q)
		if m, ok := bad.(*protocol.Set); ok && m.Connection == "other" {
			bad = &protocol.Set{Connection: other.ID(), Set: m.Set}
		}
		before := c.state.Load()
		err := s.hub.Apply(c, []protocol.Act{
			&protocol.Join{Groups: []string{"g"}}, say("x"),
			&protocol.Set{Set: []protocol.Entry{{Key: "a", Value: protocol.Value{1}}}}, bad,
			&protocol.Bind{UID: "u"}, &protocol.Hangup{Code: 4000, To: protocol.ToAll},
		})
		if err == nil {
			t.Errorf("%s: it was not refused", name)
			continue
		}
		if c.state.Load() != before || p.text() != "" || s.hub.Count("g", false) != 0 || c.seat.staged != nil ||
			other.seat.staged != nil {
			t.Errorf("%s: something took effect, although: %v", name, err)
		}
		if !strings.Contains(err.Error(), "number 4 of 6") {
			t.Errorf("%s: the error does not say which act it was: %v", name, err)
		}
		c.Closed(1000, "", true)
		other.Closed(1000, "", true)
		s.gone()
	}
}

func manyNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint(i))
	}
	return names
}

func TestSessions(t *testing.T) {
	s := newScene(t)
	s.terms.SessionLimit = 100
	c := s.open(&fakePeer{})
	keys := func() (keys []string) {
		for _, e := range c.view().Session {
			keys = append(keys, e.Key+string(e.Value))
		}
		return keys
	}
	set := func(unset []string, entries ...string) error {
		m := &protocol.Set{Unset: unset}
		for _, e := range entries {
			m.Set = append(m.Set, protocol.Entry{Key: e[:1], Value: protocol.Value(e[1:])})
		}
		return s.hub.Apply(c, []protocol.Act{m})
	}
	set(nil, "b1", "a1", "c1")
	event := c.view()
	set([]string{"a", "nothing"}, "b2", "d1")
	if got, want := keys(), []string{"b2", "c1", "d1"}; !slices.Equal(got, want) {
		t.Errorf("the session is %v, want %v", got, want)
	}
	if e := event.Session; len(e) != 3 || string(e[0].Value) != "1" {
		t.Errorf("the session of an event under way changed to %v", e)
	}
	if err := set(nil, "e"+strings.Repeat("x", 95)); err == nil ||
		!strings.Contains(err.Error(), `the key "e" alone has 97`) {
		t.Errorf("a session that is too large: %v", err)
	}
	if err := set([]string{"b", "c", "d"}, "e"+strings.Repeat("x", 95)); err != nil {
		t.Error(err)
	}
	if st := c.state.Load(); st.size != 97 || st.version != 3 {
		t.Errorf("size %d, version %d, want 97 and 3", st.size, st.version)
	}
	// Many keys: the same, by another way.
	s.terms = &Terms{Backend: s.pool}
	s.hub.Retune(map[*Terms]*Terms{c.Terms(): s.terms})
	var want []string
	m := &protocol.Set{Unset: []string{"e"}}
	for i := range 2000 {
		m.Set = append(m.Set, protocol.Entry{Key: fmt.Sprint(i), Value: protocol.Value("1")})
		want = append(want, fmt.Sprint(i)+"2")
	}
	s.commit(c, m, m)
	for i := range m.Set {
		m.Set[i].Value = protocol.Value("2")
	}
	m.Unset = append(manyNames(500), "e")
	s.commit(c, m)
	got := keys()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d keys, want %d", len(got), len(want))
	}
	size := 0
	for _, e := range c.view().Session {
		size += entrySize(e)
	}
	if size != c.state.Load().size {
		t.Errorf("the size is kept as %d, and is %d", c.state.Load().size, size)
	}
	c.Closed(1000, "", true)
	s.gone()
}

func TestRefusedClientsHandlersCanStillSendToOthers(t *testing.T) {
	s := newScene(t)
	other := &fakePeer{}
	s.open(other)
	s.pool.handle = func(m protocol.Opening, c *Connection) outcome {
		if _, ok := m.(*protocol.Open); !ok {
			return outcome{}
		}
		return outcome{
			acts: []protocol.Act{
				&protocol.Join{Groups: []string{"g"}}, say("you"),
				&protocol.Send{To: protocol.ToAll, Bytes: []byte("turned away")},
				&protocol.Send{To: protocol.ToGroups, Names: []string{"g"}, Bytes: []byte("no one")},
			},
			response: &protocol.Response{Flags: protocol.FlagEnd, Status: 403, Headers: []string{"A", "b"},
				Body: []byte("no")},
		}
	}
	p := &fakePeer{}
	c := s.add(p)
	var got Admission
	c.Open(nil, func(a Admission) { got = a })
	if got.Accepted || got.Response == nil || got.Response.Status != 403 || string(got.Response.Body) != "no" {
		t.Errorf("answer %+v", got)
	}
	if p.text() != "" || other.text() != "turned away" {
		t.Errorf("sent %q to the refused, %q to the other", p.text(), other.text())
	}
	other.c.Closed(1000, "", true)
	s.gone()
}

func TestAccept(t *testing.T) {
	for name, c := range map[string]struct {
		act  protocol.Accept
		want string
	}{
		"an offered subprotocol":   {protocol.Accept{Subprotocol: "v2", Headers: []string{"X-Room", "1"}}, ""},
		"one that was not offered": {protocol.Accept{Subprotocol: "v3"}, "the client offers v1, v2"},
		"a header of the handshake": {protocol.Accept{Headers: []string{"Sec-WebSocket-Accept", "x"}},
			"belongs to the handshake"},
		"a header that splits": {protocol.Accept{Headers: []string{"A", "b\r\nC: d"}}, "header A"},
		"a header that would frame": {protocol.Accept{Headers: []string{"Transfer-Encoding", "chunked"}},
			"belongs to the handshake"},
		"a header that is not a name": {protocol.Accept{Headers: []string{"a b", "x"}}, "not a token"},
	} {
		s := newScene(t)
		s.pool.handle = func(m protocol.Opening, _ *Connection) outcome {
			if _, ok := m.(*protocol.Open); ok {
				return outcome{acts: []protocol.Act{&c.act}}
			}
			return outcome{}
		}
		conn := s.add(&fakePeer{})
		var got Admission
		conn.Open(&protocol.Request{Headers: []string{"sec-websocket-protocol", "v1, v2"}}, func(a Admission) {
			got = a
		})
		if !got.Accepted {
			t.Errorf("%s: not accepted", name)
		}
		if c.want == "" {
			if len(s.pool.errs) > 0 || got.Subprotocol != "v2" || !slices.Equal(got.Headers, []string{"X-Room", "1"}) {
				t.Errorf("%s: answer %+v, %v", name, got, s.pool.errs)
			}
		} else if len(s.pool.errs) != 1 || !strings.Contains(s.pool.errs[0].Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, s.pool.errs, c.want)
		}
		conn.Closed(1000, "", true)
		s.gone()
	}
}

func TestDatagrams(t *testing.T) {
	s := newScene(t)
	listener := &fakePeer{}
	s.open(listener)
	replies, drops := "", 0
	datagram := func() {
		s.hub.Datagram(s.terms, Card{Protocol: protocol.ProtoUDP, Remote: "192.0.2.1:53"}, []byte("ping"),
			func(b []byte) { replies += string(b) }, func(failure *protocol.Failure) {
				if failure != nil {
					drops++
				}
			})
	}
	s.pool.handle = func(m protocol.Opening, c *Connection) outcome {
		if in, ok := m.(*protocol.Incoming); !ok || string(in.Bytes) != "ping" || in.Connection.ID != "" {
			t.Errorf("got %+v", m)
		}
		return outcome{acts: []protocol.Act{say("pong"), &protocol.Send{To: protocol.ToAll, Bytes: []byte("seen")},
			say("!")}}
	}
	datagram()
	if replies != "pong!" || listener.text() != "seen" || drops > 0 {
		t.Errorf("replies %q, others got %q, %d dropped", replies, listener.text(), drops)
	}
	s.pool.handle = func(protocol.Opening, *Connection) outcome {
		return outcome{acts: []protocol.Act{say("pong"), &protocol.Join{Groups: []string{"g"}}}}
	}
	datagram()
	if replies != "pong!" || len(s.pool.errs) != 1 {
		t.Errorf("a datagram joined a group: replies %q, errors %v", replies, s.pool.errs)
	}
	s.pool.handle = func(protocol.Opening, *Connection) outcome {
		return outcome{failure: &protocol.Failure{Kind: protocol.FailedQueueFull}}
	}
	datagram()
	if drops != 1 {
		t.Errorf("%d dropped, want 1", drops)
	}
	for _, sum := range s.hub.Tallies() {
		if sum.Protocol == protocol.ProtoUDP &&
			(sum.MessagesIn != 3 || sum.BytesIn != 12 || sum.MessagesOut != 2 || sum.BytesOut != 5 || sum.Lost != 1 ||
				sum.Opened != 0) {
			t.Errorf("datagrams were counted as %+v", sum)
		}
	}
	s.pool.handle = func(protocol.Opening, *Connection) outcome { return outcome{} }
	listener.c.Closed(1000, "", true)
	s.gone()
}

func TestHeldResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.note(nil)
		hold := func(p *fakePeer, h *protocol.Hold) *Connection {
			p.cut = make(chan struct{})
			c, err := s.hub.Hold(p, Card{Protocol: protocol.ProtoSSE}, s.terms, h)
			if err != nil {
				t.Fatal(err)
			}
			p.c = c
			return c
		}
		p := &fakePeer{}
		c := hold(p, &protocol.Hold{Groups: []string{"g"}, UID: "u",
			Session: []protocol.Entry{{Key: "k", Value: protocol.Value{1}}}})
		s.commit(nil, &protocol.Send{To: protocol.ToGroups, Names: []string{"g"}, Bytes: []byte("1")})
		c.Opened()
		s.commit(nil, &protocol.Send{To: protocol.ToUsers, Names: []string{"u"}, Bytes: []byte("2")},
			&protocol.Hangup{To: protocol.ToUsers, Names: []string{"u"}, Code: 1000})
		if p.text() != "12" {
			t.Errorf("got %q", p.text())
		}
		once := &fakePeer{}
		hold(once, &protocol.Hold{Groups: []string{"g"}, Once: true}).Opened()
		s.commit(nil, &protocol.Send{To: protocol.ToGroups, Names: []string{"g"}, Bytes: []byte("1")},
			&protocol.Send{To: protocol.ToAll, Bytes: []byte("2")})
		if code, ended, _ := once.end(); once.text() != "1" || ended != 1 || code != 1000 {
			t.Errorf("with once: got %q, ended %d times with %d", once.text(), ended, code)
		}
		late := &fakePeer{}
		hold(late, &protocol.Hold{Timeout: 5000}).Opened()
		time.Sleep(4999 * time.Millisecond)
		if _, ended, _ := late.end(); ended > 0 {
			t.Error("with a time-out: ended too early")
		}
		time.Sleep(2 * time.Millisecond)
		if _, ended, _ := late.end(); ended != 1 {
			t.Error("with a time-out: not ended")
		}
		synctest.Wait()
		if got := s.events(); !slices.Equal(got, []string{"CLOSE 1000", "CLOSE 1000", "CLOSE 1000"}) {
			t.Errorf("events %v", got)
		}
		s.terms.SessionLimit = 10
		if _, err := s.hub.Hold(&fakePeer{}, Card{}, s.terms,
			&protocol.Hold{Session: []protocol.Entry{{Key: "long enough", Value: protocol.Value{1}}}}); err == nil {
			t.Error("a session beyond its limit was taken")
		}
		s.gone()
	})
}

// The hub against a simple model: maps of who is where.
func TestTheHubAgreesWithASimpleModel(t *testing.T) {
	type one struct {
		p      *fakePeer
		uid    string
		groups map[string]bool
		got    string
	}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newScene(t)
		model := map[*Connection]*one{}
		pick := func() *Connection {
			all := slices.Clone(s.hub.all)
			if len(all) == 0 {
				return nil
			}
			return all[r.IntN(len(all))]
		}
		name := func() string { return fmt.Sprint("n", r.IntN(6)) }
		for step := range 2000 {
			c := pick()
			switch what := r.IntN(20); {
			case c == nil || what < 3 && len(model) < 60:
				p := &fakePeer{}
				model[s.open(p)] = &one{p: p, groups: map[string]bool{}}
			case what < 5:
				c.Closed(1000, "", true)
				delete(model, c)
			case what < 9:
				g := []string{name(), name()}
				s.commit(nil, &protocol.Join{Connection: c.ID(), Groups: g})
				model[c].groups[g[0]], model[c].groups[g[1]] = true, true
			case what < 12:
				g := []string{name(), name(), name()}
				s.commit(c, &protocol.Leave{Groups: g})
				for _, g := range g {
					delete(model[c].groups, g)
				}
			case what < 15:
				model[c].uid = []string{"", "u1", "u2", "u3"}[r.IntN(4)]
				s.commit(c, &protocol.Bind{UID: model[c].uid})
			default:
				text, names, except := fmt.Sprint(step, ";"), []string{name(), name()}, c.ID()
				s.commit(nil, &protocol.Send{To: protocol.ToGroups, Names: names, Bytes: []byte(text),
					Except: []string{except}},
					&protocol.Send{To: protocol.ToUsers, Names: []string{"u1", "u3"}, Bytes: []byte(text)})
				for d, m := range model {
					if d != c && (m.groups[names[0]] || m.groups[names[1]]) {
						m.got += text
					}
					if m.uid == "u1" || m.uid == "u3" {
						m.got += text
					}
				}
			}
		}
		counts, uids := map[string]int{}, map[string]int{}
		for c, m := range model {
			if m.p.text() != m.got {
				t.Fatalf("seed %d: a client got %q, want %q", seed, m.p.text(), m.got)
			}
			for g := range m.groups {
				counts[g]++
			}
			if m.uid != "" {
				uids[m.uid]++
			}
			if v := c.view(); v.UID != m.uid || len(v.Groups) != len(m.groups) {
				t.Fatalf("seed %d: %+v, want %+v", seed, v, m)
			}
		}
		for i := range 6 {
			if g := fmt.Sprint("n", i); s.hub.Count(g, false) != counts[g] {
				t.Fatalf("seed %d: %d in %s, want %d", seed, s.hub.Count(g, false), g, counts[g])
			}
		}
		if len(s.hub.users) != len(uids) || s.hub.Count("", true) != len(model) {
			t.Fatalf("seed %d: %d users, want %d", seed, len(s.hub.users), len(uids))
		}
		for c := range model {
			c.Closed(1000, "", true)
		}
		s.gone()
	}
}
