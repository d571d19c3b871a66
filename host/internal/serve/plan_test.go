package serve

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// read makes a configuration of text, as serve would.
func read(t *testing.T, dir, text string) *config.Config {
	t.Helper()
	c, err := config.Parse(filepath.Join(dir, "host.toml"), []byte(text), os.LookupEnv)
	if err == nil {
		err = c.Apply(config.Overrides{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// runningWith is the setup of a host that was started with c.
func runningWith(c *config.Config) *setup {
	s := &setup{config: c, realms: realmsFor(c, &setup{}, bareHost().newRealm)}
	for _, p := range c.Pools {
		made := &pool{name: p.Name, realm: s.realms[p.InRealm()]}
		made.settings.Store(p)
		s.pools = append(s.pools, made)
	}
	for _, l := range c.Listen {
		s.listeners = append(s.listeners, &listener{config: l, pools: poolsOf(s, &l)})
	}
	return s
}

func TestAPlanNamesEveryChangeAndShowsNoSecret(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "worker.php"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	before := read(t, dir, `
stop_delay = "5s"
[log]
level = "info"
[[listen]]
address = "127.0.0.1:9001"
pool = "one"
[[listen]]
address = "127.0.0.1:9002"
pool = "one"
[[listen]]
address = "127.0.0.1:9003"
pool = "two"
[pool.one]
worker = "worker.php"
env = { PASSWORD = "secret-1" }
[pool.two]
worker = "worker.php"
[[dial]]
name = "stays"
url = "wss://feed.example/"
pool = "one"
[[dial]]
name = "turns"
url = "wss://feed.example/?key=secret-1"
pool = "one"
[[dial]]
name = "goes"
url = "wss://feed.example/"
pool = "two"
`)
	after := read(t, dir, `
control = "other.sock"
[log]
level = "debug"
format = "json"
[http]
max_body = "2MiB"
spool_quota = "1GiB"
[[listen]]
address = "127.0.0.1:9001"
pool = "three"
[[listen]]
address = "127.0.0.1:9002"
pool = "one"
[[listen]]
address = "127.0.0.1:9004"
pool = "one"
[pool.one]
worker = "worker.php"
workers = 3
drain_timeout = "90s"
env = { PASSWORD = "secret-2" }
[pool.three]
worker = "worker.php"
[[dial]]
name = "comes"
url = "wss://feed.example/"
pool = "three"
[[dial]]
name = "stays"
url = "wss://feed.example/"
pool = "one"
[[dial]]
name = "turns"
url = "wss://feed.example/?key=secret-2"
pool = "one"
`)
	before.Listen[1].TLS = &config.TLS{Certificate: config.Words{"a.pem"}, Key: config.Words{"a.pem"}}
	after.Listen[0].TLS = before.Listen[1].TLS
	after.Listen[1].TLS = &config.TLS{Certificate: config.Words{"b.pem"}, Key: config.Words{"a.pem"}}
	now := runningWith(before)
	p := makePlan(now, after)
	var said []string
	for _, c := range p.waiting(nil) {
		e := c.event(control.Waits)
		if e.Kind != control.Waits {
			t.Errorf("%v", e)
		}
		said = append(said, e.What)
	}
	all := strings.ReplaceAll(strings.Join(said, "\n"), dir+"/", "")
	for _, want := range []string{
		"[log] level info → debug", "[log] format auto → json", "stop_delay 5s → 0s", "[http] max_body 1GiB → 2MiB",
		"[http] spool_quota 4GiB → 1GiB", "control ", "→ other.sock",
		"pool one: env changed", "pool one: drain_timeout 30s → 90s", "→ 3", "pool three added", "pool two removed",
		"listener 127.0.0.1:9001: pool one → three", "listener 127.0.0.1:9001: tls off → on",
		"listener 127.0.0.1:9002: tls certificate a.pem → b.pem",
		"listener 127.0.0.1:9003 removed", "listener 127.0.0.1:9004 added",
		"dial comes added", "dial turns changed", "dial goes removed",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("nobody says %q:\n%s", want, all)
		}
	}
	if strings.Contains(all, "dial stays") || strings.Contains(all, "secret") {
		t.Errorf("a secret is shown, or what has not changed:\n%s", all)
	}
	for _, key := range []string{"format", "spool_quota", "control", "tls"} {
		if !slices.ContainsFunc(p.restart, func(c change) bool { return c.key == key && !c.live }) {
			t.Errorf("%s does not wait for a restart", key)
		}
	}
	// What waits for a restart is named again by the next reload, and what took effect is not.
	p.made(now)
	again := makePlan(now, after)
	if len(again.restart) != len(p.restart) || len(again.log)+len(again.http)+len(again.removed)+len(again.gone) != 0 {
		t.Errorf("%+v", again)
	}
	for _, next := range again.listen {
		if next.old == nil || len(next.changes) > 0 {
			t.Errorf("%+v", next)
		}
	}
}

// made has the plan carried out on now, without a process.
func (p *plan) made(now *setup) {
	done := runningWith(p.config)
	for i, next := range p.listen {
		done.listeners[i].config = next.config
	}
	*now = *done
}

func TestAPoolWhoseNewCodeCanNotStandBesideTheOldHasNoShadow(t *testing.T) {
	for why, c := range map[string]*config.Pool{"in_place": {InPlace: true},
		"FastCGI server": {Kind: config.FastCGI}} {
		if err := canHaveShadow(plannedPool{config: c}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// waitsFor are the tables that hold for as long as the host runs.
var waitsFor = []string{"Remote", "Admin", "Engine", "Cluster"}

func TestAReloadTakesEveryTableThatTakesEffectAtOnce(t *testing.T) {
	var old, next config.Config
	filled := reflect.ValueOf(&next).Elem()
	fields := reflect.VisibleFields(filled.Type())
	live := func(f reflect.StructField) bool { return f.Tag.Get("live") != "" }
	for _, f := range fields {
		switch v := filled.FieldByIndex(f.Index); {
		case f.Tag.Get("key") == "" || slices.Contains(waitsFor, f.Name):
		case f.Type.Kind() == reflect.Struct:
			for _, inner := range reflect.VisibleFields(f.Type) {
				if live(inner) {
					fill(v.FieldByIndex(inner.Index))
				}
			}
		case f.Type.Kind() == reflect.Slice, f.Type.Kind() == reflect.Pointer, live(f):
			fill(v)
		}
	}
	got := reflect.ValueOf(inEffect(&old, &next)).Elem()
	for _, f := range fields {
		if !f.IsExported() || slices.Contains(waitsFor, f.Name) {
			continue
		}
		want := filled.FieldByIndex(f.Index).Interface()
		if !reflect.DeepEqual(got.FieldByIndex(f.Index).Interface(), want) {
			t.Errorf("%s is as it was before", f.Name)
		}
	}
}

// fill gives a setting a value that is not its zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		fill(v.Field(0))
	}
}
