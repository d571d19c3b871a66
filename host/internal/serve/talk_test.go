package serve

import (
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// deadEnd is a client that takes everything.
type deadEnd struct {
	link *hub.Connection
	got  []string
	code int
}

func (d *deadEnd) Encoding() hub.Encoding { return nil }
func (d *deadEnd) TryWrite(b [][]byte) (n int, err error) {
	for _, p := range b {
		d.got = append(d.got, string(p))
		n += len(p)
	}
	return n, nil
}
func (d *deadEnd) Write(b [][]byte) error { _, err := d.TryWrite(b); return err }
func (d *deadEnd) End(code int, _ string) { d.code = code; d.link.Closed(code, "", true) }
func (d *deadEnd) Abort()                 {}

type nobody struct{}

func (nobody) Submit(x *protocol.Exchange) protocol.Ticket { panic("no worker handles events") }
func (nobody) Traits() protocol.Traits                     { return protocol.Traits{Pool: "app"} }

func TestOperatorsReachWhomTheyName(t *testing.T) {
	only := hub.New(hclog.NewNullLogger())
	h := &host{log: hclog.NewNullLogger()}
	h.setup.Store(&setup{realms: map[string]*realm{"default": {hub: only}}})
	all := make([]*deadEnd, 3)
	for i := range all {
		d := &deadEnd{}
		var err error
		if d.link, err = only.Hold(d, hub.Card{Protocol: "sse"}, &hub.Terms{Backend: nobody{}},
			&protocol.Hold{UID: []string{"ada", "bob", "bob"}[i], Groups: []string{"g"}}); err != nil {
			t.Fatal(err)
		}
		d.link.Opened()
		all[i] = d
	}
	ids := func(i ...int) (names []string) {
		for _, n := range i {
			names = append(names, all[n].link.ID())
		}
		return names
	}
	for text, a := range map[string]struct {
		to    control.Audience
		count int
	}{
		"to all":    {control.Audience{All: true, Except: ids(0)}, 2},
		"to users":  {control.Audience{UIDs: []string{"bob", "eve"}}, 2},
		"to groups": {control.Audience{Groups: []string{"g"}}, 3},
		"to ids":    {control.Audience{IDs: append(ids(1), "gone")}, 1},
	} {
		done, err := h.Send(control.Message{Audience: a.to, Bytes: []byte(text)})
		got := 0
		for _, d := range all {
			for _, s := range d.got {
				if s == text {
					got++
				}
			}
		}
		if err != nil || done.Connections != a.count || got != a.count || len(done.Missing) != len(a.to.IDs)/2 {
			t.Errorf("%s: %+v, %v; %d got it, expected %d", text, done, err, got, a.count)
		}
	}
	if n := len(h.Connections()); n != 3 {
		t.Errorf("%d connections are listed", n)
	}
	if _, err := h.Hangup(control.Closing{Audience: control.Audience{All: true}, Code: 5}); err == nil ||
		!strings.Contains(err.Error(), "3000 to 4999") {
		t.Errorf("%v", err)
	}
	done, err := h.Hangup(control.Closing{Audience: control.Audience{IDs: ids(0, 2)}})
	if err != nil || done.Connections != 2 || all[0].code != 1000 || all[1].code != 0 || all[2].code != 1000 ||
		len(h.Connections()) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if open := only.Open(); open["sse"] != 1 {
		t.Errorf("%v are open", open)
	}
}
