package serve

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// realmsOf is a configuration of pools "NAME REALM" on a listener of their own each.
func realmsOf(pools ...string) string {
	text := ""
	for i, p := range pools {
		name, realm, _ := strings.Cut(p, " ")
		text += fmt.Sprintf("[[listen]]\naddress = \"127.0.0.1:%d\"\npool = %q\n", 9001+i, name)
		text += fmt.Sprintf("[pool.%s]\nworker = \"worker.php\"\n", name)
		if realm != "" {
			text += fmt.Sprintf("realm = %q\n", realm)
		}
	}
	return text
}

// TestAReloadKeepsARealmTogetherOrMakesItAnew: each pool's realm before and after, and what of it is new.
func TestAReloadKeepsARealmTogetherOrMakesItAnew(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "worker.php"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		before, after []string
		moved         string // the pools that start anew
		realms        string // of those that are there then, * where the hub is a new one
	}{
		"nothing changes":                {[]string{"a", "b"}, []string{"a", "b"}, "", "default"},
		"a site gets a name":             {[]string{"a"}, []string{"a shop"}, "", "shop"},
		"all of a realm go together":     {[]string{"a x", "b x", "c y"}, []string{"a z", "b z", "c y"}, "", "y z"},
		"one leaves":                     {[]string{"a x", "b x"}, []string{"a x", "b z"}, "b", "x z*"},
		"two change places":              {[]string{"a x", "b y"}, []string{"a y", "b x"}, "a b", "x y"},
		"two become one":                 {[]string{"a x", "b y"}, []string{"a z", "b z"}, "a b", "x y z*"},
		"one joins another":              {[]string{"a x", "b y"}, []string{"a y", "b y"}, "a", "x y"},
		"one goes, one takes its name":   {[]string{"a x"}, []string{"a z", "b x"}, "", "x* z"},
		"one of a realm's pools removed": {[]string{"a x", "b x"}, []string{"a z"}, "", "z"},
	} {
		now := runningWith(read(t, dir, realmsOf(c.before...)))
		next := read(t, dir, realmsOf(c.after...))
		plan := makePlan(now, next)
		var moved, realms []string
		for _, p := range plan.pools {
			if p.moved != nil {
				moved = append(moved, p.config.Name)
			}
		}
		made := &setup{realms: realmsFor(plan.config, now, bareHost().newRealm)}
		for i, h := range made.hubs() {
			realms = append(realms, slices.Sorted(maps.Keys(made.realms))[i])
			if !slices.Contains(now.hubs(), h) {
				realms[i] += "*"
			}
		}
		if got := strings.Join(moved, " "); got != c.moved {
			t.Errorf("%s: %q start anew", name, got)
		}
		if got := strings.Join(realms, " "); got != c.realms {
			t.Errorf("%s: the realms are %q", name, got)
		}
		for _, p := range plan.pools {
			if p.old != nil && made.realms[p.config.InRealm()] != p.old.realm {
				t.Errorf("%s: pool %s keeps another hub than that of its realm", name, p.config.Name)
			}
			if p.old != nil { // as a reload of it alone leaves it
				p.old.settings.Store(p.config)
			}
		}
		later := realmsFor(plan.config, now, bareHost().newRealm)
		for _, p := range makePlan(now, next).pools {
			if p.old != nil && later[p.config.InRealm()] != p.old.realm ||
				(p.moved != nil) != strings.Contains(c.moved, p.config.Name) {
				t.Errorf("%s: after a reload of pool %s alone it is another one", name, p.config.Name)
			}
		}
	}
}

func TestAPoolThatReloadsLeaveAloneStaysInItsRealm(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "worker.php"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	now := runningWith(read(t, dir, realmsOf("a x", "b x")))
	plan := makePlan(now, read(t, dir, strings.Replace(realmsOf("a z", "b x"), "realm = \"z\"",
		"realm = \"z\"\nreload = \"never\"", 1)))
	if plan.pools[0].old == nil || len(plan.removed) > 0 {
		t.Errorf("%+v", plan.pools[0])
	}
}

func TestOperatorsSayWhoseGroupOrUserTheyMean(t *testing.T) {
	h := &host{log: hclog.NewNullLogger()}
	now := &setup{realms: map[string]*realm{}}
	all := map[string]*deadEnd{}
	for _, name := range []string{"blog", "shop"} {
		r := &realm{hub: hub.New(h.log, now.hubs()...)}
		now.realms[name], all[name] = r, &deadEnd{}
		now.pools = append(now.pools, &pool{realm: r})
		link, err := r.hub.Hold(all[name], hub.Card{Protocol: "sse"}, &hub.Terms{Backend: nobody{}},
			&protocol.Hold{UID: "1", Groups: []string{"lobby", name + " alone"}})
		if err != nil {
			t.Fatal(err)
		}
		all[name].link = link
		link.Opened()
	}
	h.setup.Store(now)
	for text, c := range map[string]struct {
		to    control.Audience
		count string // in each realm
		wrong string
	}{
		"all":             {control.Audience{All: true}, "map[blog:1 shop:1]", ""},
		"all of one":      {control.Audience{All: true, Realm: "shop"}, "map[]", ""},
		"a group of two":  {control.Audience{Groups: []string{"lobby"}}, "", "in the realms blog, shop"},
		"a group of one":  {control.Audience{Groups: []string{"shop alone"}}, "map[shop:1]", ""},
		"a user of two":   {control.Audience{UIDs: []string{"1"}}, "", `user "1" is known in the realms`},
		"a user of one":   {control.Audience{UIDs: []string{"1"}, Realm: "blog"}, "map[]", ""},
		"an id":           {control.Audience{IDs: []string{all["blog"].link.ID()}}, "map[blog:1]", ""},
		"an unknown name": {control.Audience{All: true, Realm: "bolg"}, "", "there are blog, shop"},
	} {
		done, err := h.Send(control.Message{Audience: c.to, Bytes: []byte(text)})
		got := 0
		for _, d := range all {
			for _, s := range d.got {
				if s == text {
					got++
				}
			}
		}
		switch {
		case c.wrong != "":
			if err == nil || !strings.Contains(err.Error(), c.wrong) || got > 0 {
				t.Errorf("%s: %v, and %d got it", text, err, got)
			}
		case err != nil || fmt.Sprint(done.Realms) != c.count || got != done.Connections || got == 0:
			t.Errorf("%s: %+v, %v; %d got it", text, done, err, got)
		}
	}
	other := control.Audience{IDs: []string{all["blog"].link.ID()}, Realm: "shop"}
	if done, err := h.Hangup(control.Closing{Audience: other}); err != nil || len(done.Missing) != 1 {
		t.Errorf("another realm's id: %+v, %v", done, err)
	}
	for _, c := range h.Connections() {
		if all[c.Realm] == nil || all[c.Realm].link.ID() != c.ID {
			t.Errorf("%s is shown in the realm %q", c.ID, c.Realm)
		}
	}
}

// bareHost is one that has nothing but what realms are made of.
func bareHost() *host { return &host{log: hclog.NewNullLogger()} }
