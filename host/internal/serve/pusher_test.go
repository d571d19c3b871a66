package serve

import (
	"slices"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// parted is a client that takes all at once, and notes with which codes it was closed.
type parted struct{ codes []int }

// Encoding implements [hub.Peer].
func (*parted) Encoding() hub.Encoding { return nil }

// TryWrite implements [hub.Peer].
func (*parted) TryWrite(b [][]byte) (n int, err error) {
	for _, p := range b {
		n += len(p)
	}
	return n, nil
}

// Write implements [hub.Peer].
func (*parted) Write([][]byte) error { return nil }

// End implements [hub.Peer].
func (p *parted) End(code int, _ string) { p.codes = append(p.codes, code) }

// Abort implements [hub.Peer].
func (*parted) Abort() {}

func TestAnAppStaysWithItsClientsWhileItsRealmDoes(t *testing.T) {
	log := hclog.NewNullLogger()
	one, two := &realm{hub: hub.New(log)}, &realm{hub: hub.New(log)}
	with := func(old *setup, in *realm, apps ...string) *setup {
		s := &setup{config: &config.Config{}, pools: []*pool{{name: "web", realm: in}}}
		for _, name := range apps {
			s.config.Pushers = append(s.config.Pushers, &config.Pusher{Name: name, Pool: "web", Key: name})
		}
		s.apps = appsFor(s, old)
		retuneApps(s, old)
		return s
	}
	first := with(&setup{}, one, "main", "other")
	comes := func(name string) *parted {
		p := &parted{}
		c := one.hub.Add(p, hub.Card{Protocol: protocol.ProtoWebSocket}, &hub.Terms{Backend: first.apps[name]})
		c.Open(&protocol.Request{Method: "GET", Target: "/app/" + name + "?protocol=7"}, func(a hub.Admission) {
			if !a.Accepted {
				t.Errorf("%+v", a)
			}
		})
		c.Opened()
		return p
	}
	stays, moves := comes("main"), comes("other")
	next := with(first, one, "main", "other")
	if next.apps["main"] != first.apps["main"] || len(stays.codes)+len(moves.codes) > 0 {
		t.Error("an app that nothing has changed of is another one")
	}
	last := with(next, one, "main")
	if last.apps["main"] != first.apps["main"] || !slices.Equal(moves.codes, []int{4003}) || len(stays.codes) > 0 {
		t.Errorf("they were closed with %v and %v", stays.codes, moves.codes)
	}
	if again := with(last, two, "main"); again.apps["main"] == first.apps["main"] ||
		!slices.Equal(stays.codes, []int{4200}) {
		t.Errorf("in another realm it was closed with %v", stays.codes)
	}
}

func TestAPlanTellsOfAppsAndNotOfTheirSecrets(t *testing.T) {
	app := func(name, key, from string) *config.Pusher {
		return &config.Pusher{Name: name, Key: key, SecretFrom: from}
	}
	now := &config.Config{Pushers: []*config.Pusher{app("gone", "", ""), app("main", "old", "a")}}
	p := &plan{config: &config.Config{Pushers: []*config.Pusher{app("main", "new", "b"), app("more", "", "")}}}
	p.planPushers(now)
	var told []string
	for _, c := range p.routes {
		told = append(told, c.text())
	}
	want := []string{"pusher main: key old → new", "pusher main: secret changed", "pusher more added",
		"pusher gone removed"}
	if !slices.Equal(told, want) {
		t.Errorf("%q", told)
	}
}
