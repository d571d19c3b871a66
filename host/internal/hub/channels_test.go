package hub

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// fakeChannels keep groups whose names begin with "kept", in no history at all: the test says what is missed.
type fakeChannels struct {
	hub    *Hub
	misses More
	serial int
	acts   []string
}

func (f *fakeChannels) Keeps(group string) bool { return strings.HasPrefix(group, "kept") }

func (f *fakeChannels) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	more := make([]More, len(acts))
	for i, a := range acts {
		f.acts = append(f.acts, a.Type().String())
		switch m := a.(type) {
		case *protocol.Send:
			for _, name := range m.Names {
				if f.Keeps(name) {
					f.serial++
					more[i].Places = append(more[i].Places, Place{name, "p" + itoa(f.serial)})
				}
			}
		case *protocol.Join:
			more[i] = f.misses
		}
	}
	if carried, err := f.hub.CarryMore(subject, acts, more); carried {
		done(err)
	} else {
		f.hub.Later(subject, acts, done)
	}
}

// placed is tagged, and tells positions.
type placed struct{ tagged }

func (p placed) AppendPlaced(b []byte, event, position string, data []byte, binary bool) []byte {
	b = append(b, event+"@"+position...)
	if data == nil {
		return b
	}
	return p.Append(b, data, binary)
}

func channelScene(t *testing.T) (*scene, *fakeChannels) {
	s := newScene(t)
	f := &fakeChannels{hub: s.hub}
	s.hub.Use(f)
	return s, f
}

func toGroup(group, text string) *protocol.Send {
	return &protocol.Send{To: protocol.ToGroups, Names: []string{group}, Bytes: []byte(text)}
}

func TestOnlyWhatConcernsChannelsGoesTheirWay(t *testing.T) {
	s, f := channelScene(t)
	c := s.open(&fakePeer{encoding: tags})
	since := "p1"
	s.commit(c, &protocol.Join{Groups: []string{"kept"}}, toGroup("other", "1"), say("2"))
	s.commit(nil, toGroup("kept", "3"), toGroup("other", "4"))
	s.commit(c, &protocol.Join{Groups: []string{"other"}, Since: &since})
	if want := []string{"SEND", "SEND", "JOIN"}; !slices.Equal(f.acts, want) {
		t.Errorf("%q, want %q", f.acts, want)
	}
}

func TestAClientThatKnowsOfChannelsGetsEnvelopesAndWhatItMissedFirst(t *testing.T) {
	s, f := channelScene(t)
	f.misses = More{Past: []Past{{Place: Place{"kept", "p7"}, Data: []byte("a \"b\"")},
		{Place: Place{"kept", "p8"}, Data: []byte{0xff}, Binary: true}}, Position: "p9", Lost: []string{"kept2"}}
	ws, plain := &fakePeer{encoding: tags}, &fakePeer{encoding: tags}
	c, other := s.open(ws), s.open(plain)
	since := "p6"
	s.commit(c, &protocol.Join{Groups: []string{"kept", "kept2"}, Since: &since})
	s.commit(other, &protocol.Join{Groups: []string{"kept"}})
	s.commit(nil, toGroup("kept", "live"))
	s.commit(c, say("for you"))
	const want = `[{"lost":["kept2"]}]` +
		`[{"channel":"kept","position":"p7","data":"a \"b\""}]` +
		`[{"channel":"kept","position":"p8","binary":"/w=="}]` +
		`[{"joined":["kept","kept2"],"position":"p9"}]` +
		`[{"channel":"kept","position":"p1","data":"live"}]` +
		`[{"data":"for you"}]`
	if ws.text() != want {
		t.Errorf("got  %s\nwant %s", ws.text(), want)
	}
	if plain.text() != "[live]" {
		t.Errorf("a client that knows of none: %s", plain.text())
	}
}

func TestServerSentEventsHavePositionsAndGoOnFromThem(t *testing.T) {
	s, f := channelScene(t)
	hold := func(once bool, more More) *fakePeer {
		f.misses = more
		p := &fakePeer{encoding: placed{tags}}
		c, err := s.hub.HoldSince(p, Card{Protocol: protocol.ProtoSSE}, s.terms,
			&protocol.Hold{Groups: []string{"kept", "other"}, Once: once}, "p0")
		if err != nil {
			t.Fatal(err)
		}
		p.c = c
		if got := c.view().Groups; len(got) != 2 {
			t.Fatal(got)
		}
		c.Opened()
		return p
	}
	p := hold(false, More{Past: []Past{{Place: Place{"kept", "p1"}, Data: []byte("past")}}, Position: "p2"})
	s.commit(nil, toGroup("kept", "live"), toGroup("kept", ""))
	if want := "@p1[past]@p2@p1[live]@p2[]"; p.text() != want {
		t.Errorf("got %s, want %s", p.text(), want)
	}
	// whoever is cut off behind p2 has heard of what is lost before it
	p = hold(false, More{Past: []Past{{Place: Place{"kept", "p2"}, Data: []byte("past")}}, Position: "p3",
		Lost: []string{"kept2"}})
	if want := `lost@[{"channels":["kept2"]}]@p2[past]@p3`; p.text() != want {
		t.Errorf("lost: got %s, want %s", p.text(), want)
	}
	past := []Past{{Place: Place{"kept", "p4"}, Data: []byte("1")}, {Place: Place{"kept", "p5"}, Data: []byte("2")}}
	once := hold(true, More{Past: past, Position: "p5"})
	if _, ended, _ := once.end(); once.text() != "@p4[1]" || ended != 1 {
		t.Errorf("with once: %s", once.text())
	}
	once = hold(true, More{Past: past, Position: "p5", Lost: []string{"kept2"}})
	if want := `lost@p5[{"channels":["kept","kept2"]}]`; once.text() != want {
		t.Errorf("with once: got %s, want %s", once.text(), want)
	}
}

func TestAnotherHostGoesOnWithClientsThatKnowOfChannels(t *testing.T) {
	s, _ := channelScene(t)
	c := s.open(&fakePeer{encoding: tags})
	since := ""
	s.commit(c, &protocol.Join{Groups: []string{"kept"}, Since: &since})
	next := newScene(t)
	heir, err := next.hub.restore(c.Record(), &fakePeer{}, next.terms)
	if err != nil || !heir.aware() {
		t.Fatal(err, heir)
	}
}

func TestOfSeveralChannelsAClientIsToldOfTheOneThatItIsIn(t *testing.T) {
	s, f := channelScene(t)
	f.misses = More{Position: "p0"}
	join := func(groups ...string) *fakePeer {
		p, since := &fakePeer{encoding: tags}, ""
		s.commit(s.open(p), &protocol.Join{Groups: groups, Since: &since})
		return p
	}
	first, second, both, neither := join("kept1"), join("kept2"), join("kept2", "kept1"), join("other")
	names := []string{"kept1", "other", "kept2"}
	s.commit(nil, &protocol.Send{To: protocol.ToGroups, Names: names, Bytes: []byte("x")})
	for p, want := range map[*fakePeer]string{
		first:   `[{"channel":"kept1","position":"p2","data":"x"}]`,
		second:  `[{"channel":"kept2","position":"p2","data":"x"}]`,
		both:    `[{"channel":"kept1","position":"p2","data":"x"}]`,
		neither: `[{"data":"x"}]`,
	} {
		if _, got, _ := strings.Cut(p.text(), "]"); !strings.HasSuffix(p.text(), "}]"+want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestNoticesAreForClientsThatCanTellThemFromMessages(t *testing.T) {
	s, f := channelScene(t)
	f.misses = More{}
	since := ""
	aware, plain, events := &fakePeer{encoding: tags}, &fakePeer{encoding: tags}, &fakePeer{encoding: placed{tags}}
	one := s.open(aware)
	s.commit(one, &protocol.Join{Groups: []string{"room"}, Since: &since})
	s.commit(s.open(plain), &protocol.Join{Groups: []string{"room"}})
	hold := func(p *fakePeer, once bool) {
		c, err := s.hub.Hold(p, Card{Protocol: protocol.ProtoSSE}, s.terms,
			&protocol.Hold{Groups: []string{"room"}, Once: once})
		if err != nil {
			t.Fatal(err)
		}
		p.c = c
		c.Opened()
	}
	once := &fakePeer{encoding: placed{tags}}
	hold(events, false)
	hold(once, true)
	n := Notice{Group: "room", Event: "entered", Text: func() []byte { return []byte("{}") }}
	s.hub.Notify(n)
	n.Connection = one.ID()
	s.hub.Notify(n)
	n.Group = "elsewhere"
	s.hub.Notify(n)
	for p, want := range map[*fakePeer]string{aware: `[{"joined":["room"]}][{}][{}]`, plain: "",
		events: "entered@[{}]", once: ""} {
		if p.text() != want {
			t.Errorf("got %s, want %s", p.text(), want)
		}
	}
}

// seen is a watcher of standings.
type seen map[string]string

func (s seen) Group(name string, there bool)    { s["group "+name] = fmt.Sprint(there) }
func (s seen) User(uid string, there bool)      { s["user "+uid] = fmt.Sprint(there) }
func (s seen) Origin(prefix string, there bool) { s["origin "+prefix] = fmt.Sprint(there) }
func (s seen) Changed(c *Connection)            { s[c.ID()] = fmt.Sprint(c.Standing()) }

func TestEachWatcherIsToldOfWhatThereIsAndOfWhatChanges(t *testing.T) {
	s := newScene(t)
	first, second := seen{}, seen{}
	s.hub.Watch(first)
	c := s.open(&fakePeer{encoding: tags})
	s.commit(c, &protocol.Join{Groups: []string{"g"}}, &protocol.Bind{UID: "ada"})
	s.hub.Watch(second)
	want := seen{"group g": "true", "user ada": "true", "origin " + s.hub.Prefix(): "true",
		c.ID(): "{ada [g] false false}"}
	for _, w := range []seen{first, second} {
		if !maps.Equal(w, want) {
			t.Errorf("%v, want %v", w, want)
		}
	}
	since := ""
	s.commit(c, &protocol.Join{Groups: []string{"h"}, Since: &since}) // so it hears of channels
	if got := second[c.ID()]; got != "{ada [g h] true false}" {
		t.Error(got)
	}
	c.Closed(1000, "", true)
	want = seen{"group g": "false", "group h": "false", "user ada": "false", "origin " + s.hub.Prefix(): "false",
		c.ID(): "{ada [] true false}"}
	for _, w := range []seen{first, second} {
		if !maps.Equal(w, want) {
			t.Errorf("%v, want %v", w, want)
		}
	}
}
