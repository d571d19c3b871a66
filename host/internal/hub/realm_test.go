package hub

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/protocol"
)

// names are what a worker may call connections by.
type names struct{ id, group, uid string }

// asks are, for each message by which a worker can name connections, what it may say about those of such names. A
// message that is new is put here, or to those that can't.
var asks = map[protocol.Type]func(n names) []protocol.Message{
	protocol.TypeSend: func(n names) (all []protocol.Message) {
		for _, a := range audiences(n) {
			all = append(all, &protocol.Send{To: a.to, Names: a.names, Bytes: []byte("intruder")})
		}
		return all
	},
	protocol.TypeHangup: func(n names) (all []protocol.Message) {
		for _, a := range audiences(n) {
			own := []string{""} // the one who asks stays
			all = append(all, &protocol.Hangup{To: a.to, Names: a.names, Code: 4000, Except: own})
		}
		return all
	},
	protocol.TypeJoin: func(n names) []protocol.Message {
		return []protocol.Message{&protocol.Join{Connection: n.id, Groups: []string{"taken", n.group}}}
	},
	protocol.TypeLeave: func(n names) []protocol.Message {
		return []protocol.Message{&protocol.Leave{Connection: n.id, Groups: []string{n.group}}}
	},
	protocol.TypeBind: func(n names) []protocol.Message {
		return []protocol.Message{&protocol.Bind{Connection: n.id, UID: "taken"}}
	},
	protocol.TypeSet: func(n names) []protocol.Message {
		return []protocol.Message{&protocol.Set{Connection: n.id, Set: []protocol.Entry{{Key: "k",
			Value: protocol.Value{1}}}, Unset: []string{"secret"}}}
	},
	protocol.TypeCall: func(n names) (all []protocol.Message) {
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			for _, name := range []string{n.id, n.group, n.uid} {
				v, _ := protocol.NewValue(name)
				all = append(all, &protocol.Call{Method: method, Arguments: []protocol.Value{v}})
			}
			all = append(all, &protocol.Call{Method: method})
		}
		return all
	},
	protocol.TypeSwap: func(n names) (all []protocol.Message) {
		for version := range int64(3) {
			all = append(all, &protocol.Swap{Connection: n.id, Version: version,
				Set: []protocol.Entry{{Key: "k", Value: protocol.Value{1}}}})
		}
		return all
	},
	// A held response is put into groups, and finds nobody by them.
	protocol.TypeResponse: func(n names) []protocol.Message {
		return []protocol.Message{&protocol.Response{Hold: &protocol.Hold{Groups: []string{n.group}, UID: n.uid}}}
	},
}

// mute are the messages that name no connection, group or user to a hub: ACCEPT is about the event's own.
var mute = []protocol.Type{protocol.TypeHello, protocol.TypeReady, protocol.TypeFailed, protocol.TypePing,
	protocol.TypePong, protocol.TypeLog, protocol.TypeDrain, protocol.TypeEnding, protocol.TypeRequest,
	protocol.TypeInform, protocol.TypeData, protocol.TypeWindow, protocol.TypeReset, protocol.TypeDone,
	protocol.TypeOpen, protocol.TypeMessage, protocol.TypeClose, protocol.TypeBuffer, protocol.TypeAccept,
	protocol.TypeResult, protocol.TypeFetched, protocol.TypeTask, protocol.TypePush, protocol.TypeSettle,
	protocol.TypeProgress, protocol.TypePurge}

type whom struct {
	to    protocol.Audience
	names []string
}

func audiences(n names) []whom {
	return []whom{{protocol.ToConnections, []string{n.id}}, {protocol.ToUsers, []string{n.uid}},
		{protocol.ToGroups, []string{n.group}}, {protocol.ToAll, nil}}
}

// ask has the message come from the handler of an event of own, and says what came of it.
func (s *scene) ask(own *Connection, m protocol.Message) (told string) {
	var heard reply
	switch m := m.(type) {
	case *protocol.Call:
		s.hub.Call(m, protocol.NewCaller(&heard, 2))
	case *protocol.Swap:
		s.hub.Swap(m, protocol.NewCaller(&heard, 2))
	case *protocol.Response:
		p := &fakePeer{cut: make(chan struct{})}
		c, err := s.hub.Hold(p, Card{Protocol: protocol.ProtoPoll}, s.terms, m.Hold)
		if err != nil {
			return err.Error()
		}
		p.c = c
		c.Opened()
		c.Closed(protocol.CloseNormal, "", true)
	default:
		if err := s.hub.Apply(own, []protocol.Act{m.(protocol.Act)}); err != nil {
			return err.Error()
		}
	}
	if heard.result == nil {
		return ""
	}
	return fmt.Sprint(heard.decoded(s.t))
}

// TestNoActAndNoCallReachesAnotherRealm: what a worker says of another realm's connection, user or group is answered
// as if it had made the name up, and does nothing.
func TestNoActAndNoCallReachesAnotherRealm(t *testing.T) {
	for kind := range protocol.Type(128) {
		known := !strings.HasPrefix(kind.String(), "type ")
		if known && asks[kind] == nil && !slices.Contains(mute, kind) {
			t.Errorf("%s: nobody has said what it may name; see asks", kind)
		}
	}
	site, stranger := newScene(t), newScene(t)
	site.hub = New(hclog.NewNullLogger(), stranger.hub)
	site.pool.hub = site.hub
	p := &fakePeer{encoding: tags}
	theirs := site.open(p)
	site.commit(theirs, &protocol.Join{Groups: []string{"lobby"}}, &protocol.Bind{UID: "ada"},
		&protocol.Set{Set: []protocol.Entry{{Key: "secret", Value: protocol.Value{1}}}})
	before := theirs.state.Load()
	own := stranger.open(&fakePeer{encoding: tags})
	real := names{theirs.ID(), "lobby", "ada"}
	for kind, about := range asks {
		// the same length, since errors may quote it
		made := names{strings.Repeat("x", len(real.id)), "ybbol", "eve"}
		invented := about(made)
		for i, m := range about(real) {
			told := strings.NewReplacer(real.id, made.id).Replace(stranger.ask(own, m))
			if want := stranger.ask(own, invented[i]); told != want {
				t.Errorf("%s %+v is answered %q, and for what is not there %q", kind, m, told, want)
			}
		}
	}
	code, _, aborted := p.end()
	if p.text() != "" || code != 0 || aborted != 0 || theirs.state.Load() != before || site.hub.Count("", true) != 1 {
		t.Errorf("it got %q, ended with %d, was cut %d times; its state is %+v", p.text(), code, aborted,
			theirs.state.Load())
	}
	if own.state.Load() != blank {
		t.Errorf("the one who asked is %+v", own.state.Load())
	}
}

func TestAnEventIsNotHandledByAnotherRealm(t *testing.T) {
	site, stranger := newScene(t), newScene(t)
	theirs := site.open(&fakePeer{})
	err := stranger.hub.Apply(theirs, []protocol.Act{&protocol.Join{Groups: []string{"lobby"}}})
	if err == nil || !strings.Contains(err.Error(), "another realm") || theirs.state.Load() != blank {
		t.Errorf("%v; it is %+v", err, theirs.state.Load())
	}
}

func TestTalliesOfRealmsCountTogether(t *testing.T) {
	one, other := newScene(t), newScene(t)
	one.open(&fakePeer{})
	other.open(&fakePeer{}).Closed(1001, "", true)
	all := Tallies(one.hub, other.hub)
	if len(all) != 1 || all[0].Open != 1 || all[0].Opened != 2 || all[0].Closed[1001] != 1 {
		t.Errorf("%+v", all)
	}
}
