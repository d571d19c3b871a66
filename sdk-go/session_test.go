package sdk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// upgrading is a worker of version 2, whose sessions of version 1 had other keys.
func upgrading(handle func(ctx context.Context, c *Conn) error) Worker {
	return Worker{
		SessionVersion: 2,
		OnUpgrade: func(_ context.Context, s *Session, from int) error {
			if s.String("name") == "bad" {
				return errors.New("no such user")
			}
			return errors.Join(s.Set("user", s.String("name")), s.Set("from", from), s.Delete("name"))
		},
		OnMessage: func(ctx context.Context, c *Conn, _ Message) error { return handle(ctx, c) },
	}
}

func withSession(entries ...protocol.Entry) *protocol.Incoming {
	m := text("x")
	m.Connection.Session = entries
	return m
}

func TestASessionOfOlderCodeIsUpgradedBeforeItsFirstEventAndKept(t *testing.T) {
	h := newEventHost(t, upgrading(func(_ context.Context, c *Conn) error {
		if !slices.Equal(c.Session().Keys(), []string{"from", "user"}) || c.Session().String("user") != "Ada" {
			t.Errorf("the handler finds %v", c.Session().Keys())
		}
		return nil
	}))
	for from, entries := range [][]protocol.Entry{
		{entry(t, "name", "Ada")}, {entry(t, "name", "Ada"), entry(t, versionKey, 1)},
	} {
		expectSame(h.event(withSession(entries...)), &protocol.Set{Unset: []string{"name"},
			Set: []protocol.Entry{entry(t, "from", from), entry(t, "user", "Ada"), entry(t, versionKey, 2)}})
	}
}

func TestASessionThatIsNotOlderIsLeftAlone(t *testing.T) {
	h := newEventHost(t, upgrading(func(_ context.Context, c *Conn) error {
		if v := c.Session().Value(versionKey); v != nil {
			t.Errorf("the handler finds the version %v", v)
		}
		return nil
	}))
	for _, version := range []int{2, 3} {
		expect[*protocol.Done](h.event(withSession(entry(t, "name", "Ada"), entry(t, versionKey, version))))
	}
	expect[*protocol.Done](h.event(withSession()))
}

func TestWhatNewCodeWritesHasItsVersion(t *testing.T) {
	h := newEventHost(t, upgrading(func(_ context.Context, c *Conn) error {
		if c.Session().Set(versionKey, 7) == nil {
			t.Error("the version can be set")
		}
		return c.Session().Set("n", 1)
	}))
	expectSame(h.event(withSession()), &protocol.Set{
		Set: []protocol.Entry{entry(t, "n", 1), entry(t, versionKey, 2)}})
	expectSame(h.event(withSession(entry(t, "a", 1), entry(t, versionKey, 3))), &protocol.Set{
		Set: []protocol.Entry{entry(t, "n", 1)}})
}

func TestAnUpgradeThatFailsIsAnEventWhoseHandlerFailed(t *testing.T) {
	h := newEventHost(t, upgrading(func(context.Context, *Conn) error {
		t.Error("the handler runs")
		return nil
	}))
	c := h.event(withSession(entry(t, "name", "bad")))
	if m := expect[*protocol.Reset](c); m.Code != protocol.ResetInternal || m.Reason != "OnUpgrade: no such user" {
		t.Errorf("the event ends with %v", m)
	}
	expect[*protocol.Done](c)
}

func TestAnUpgradeWithoutAVersionDoesNotServe(t *testing.T) {
	w := upgrading(nil)
	w.SessionVersion = 0
	if err := ServeLink(nil, nil, nil, w.option()); err == nil || !strings.Contains(err.Error(), "SessionVersion") {
		t.Errorf("it serves: %v", err)
	}
}

func TestOnTrialAnUpgradeIsTriedOnLiveSessions(t *testing.T) {
	w := upgrading(func(context.Context, *Conn) error { return nil })
	h := startHost(t, protocol.Hello{Features: []string{protocol.FeatureTrial}}, nil, w.option())
	h.awaitReady()
	t.Cleanup(func() {
		h.out.Close()
		<-h.gone
		h.in.Close()
	})
	if !h.ready.Has(protocol.FeatureUpgrade) {
		t.Errorf("READY offers %q", h.ready.Features)
	}
	if m := expect[*protocol.Call](&call{h, 2, h.stream(2)}); m.Method != protocol.CallSessions {
		t.Errorf("it asks for %s", m.Method)
	}
	views := protocol.Value{0x93}
	for id, entries := range [][]protocol.Entry{{entry(t, "name", "Ada")},
		{entry(t, "name", "bad"), entry(t, versionKey, 1)}, {entry(t, "name", "bad"), entry(t, versionKey, 2)}} {
		c := protocol.Connection{ID: string(rune('a' + id)), Session: entries}
		views = append(views, c.Value()...)
	}
	h.send(&protocol.Result{Stream: 2, Value: views})
	m := expect[*protocol.Call](&call{h, 4, h.stream(4)})
	var said []any
	for _, a := range m.Arguments {
		v, _ := a.Decode()
		said = append(said, v)
	}
	if got := fmt.Sprint(m.Method, said); got != "trial.upgraded[2 [b] [1] [OnUpgrade: no such user]]" {
		t.Errorf("it says %s", got)
	}
	h.send(&protocol.Result{Stream: 4})
	expect[*protocol.Done](h.event(withSession()))
}
