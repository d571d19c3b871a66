package serve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// plannedOfEveryKind is a plan with a change of each kind of table.
func plannedOfEveryKind(t *testing.T, dir string) *plan {
	t.Helper()
	for _, name := range []string{"worker.php", "token"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("0123456789abcdef"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := read(t, dir, `
stop_delay = "5s"
[control]
listen = "127.0.0.1:9181"
token_file = "token"
[[listen]]
address = "127.0.0.1:9001"
pool = "one"
[[listen]]
address = "127.0.0.1:9002"
pool = "one"
[[listen]]
address = "127.0.0.1:9003"
pool = "two"
[[listen]]
address = "127.0.0.1:9005"
pool = "one"
[pool.one]
worker = "worker.php"
workers = 4
env = { PASSWORD = "secret-1" }
[pool.two]
worker = "worker.php"
[pool.still]
worker = "worker.php"
reload = "never"
workers = 1
`)
	after := read(t, dir, `
[admin]
listen = "127.0.0.1:9100"
[log]
level = "debug"
format = "json"
[http]
max_body = "2MiB"
compression = false
spool_quota = "1GiB"
[http.rate_limit]
requests = 10
[[listen]]
address = "127.0.0.1:9001"
pool = "three"
[[listen]]
address = "127.0.0.1:9002"
pool = "one"
[[listen]]
address = "127.0.0.1:9004"
pool = "one"
[[listen]]
address = "127.0.0.1:9005"
protocol = "tcp"
pool = "one"
[pool.one]
worker = "worker.php"
workers = 3
drain_timeout = "90s"
env = { PASSWORD = "secret-2" }
confine = {}
rlimits = { nofile = 100 }
[pool.still]
worker = "worker.php"
workers = 2
[pool.three]
worker = "worker.php"
`)
	before.Listen[1].TLS = &config.TLS{Certificate: config.Words{"a.pem"}, Key: config.Words{"a.pem"}}
	after.Listen[0].TLS = before.Listen[1].TLS
	after.Listen[1].TLS = &config.TLS{Certificate: config.Words{"b.pem"}, Key: config.Words{"a.pem"}}
	after.Control = before.Control
	return makePlan(runningWith(before), after)
}

// Names and texts are promised to whoever reads control's JSON.
func TestControlIsToldOfEachChangeInTheWordsPromised(t *testing.T) {
	dir := t.TempDir()
	var told []string
	tell := func(kind control.Kind, changes ...change) {
		for _, c := range changes {
			line, err := json.Marshal(c.event(kind))
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, strings.ReplaceAll(string(line), dir+"/", ""))
		}
	}
	p := plannedOfEveryKind(t, dir)
	tell(control.Waits, p.waiting(nil)...)
	tell(control.Changed, p.log...)
	tell(control.Changed, p.restart[0])
	for _, next := range p.pools {
		if next.config.Name == "still" {
			tell(control.WouldChange, next.changesKept()...)
		}
	}
	const want = `
{"event":"waits","key":"level","from":"info","to":"debug","what":"[log] level info → debug"}
{"event":"waits","key":"stop_delay","from":"5s","to":"0s","what":"stop_delay 5s → 0s"}
{"event":"waits","key":"max_body","from":"1GiB","to":"2MiB","what":"[http] max_body 1GiB → 2MiB"}
{"event":"waits","key":"compression","from":"zstd 1, gzip 5, br 3; from 1KiB","to":"off","what":"[http] compression zstd 1, gzip 5, br 3; from 1KiB → off"}
{"event":"waits","key":"requests","from":"0","to":"10","what":"[http.rate_limit] requests 0 → 10"}
{"event":"waits","key":"burst","from":"0","to":"20","what":"[http.rate_limit] burst 0 → 20"}
{"event":"waits","key":"format","from":"auto","to":"json","what":"[log] format auto → json"}
{"event":"waits","key":"spool_quota","from":"4GiB","to":"1GiB","what":"[http] spool_quota 4GiB → 1GiB"}
{"event":"waits","key":"listen","from":"127.0.0.1:9181","to":"off","what":"[control] listen 127.0.0.1:9181 → off"}
{"event":"waits","key":"token_file","what":"[control] token_file changed"}
{"event":"waits","key":"listen","from":"off","to":"127.0.0.1:9100","what":"[admin] listen off → 127.0.0.1:9100"}
{"event":"waits","address":"127.0.0.1:9001","key":"tls","from":"off","to":"on","what":"listener 127.0.0.1:9001: tls off → on"}
{"event":"waits","address":"127.0.0.1:9005","key":"protocol","from":"http","to":"tcp","what":"listener 127.0.0.1:9005: protocol http → tcp"}
{"event":"waits","pool":"one","key":"workers","from":"4","to":"3","what":"pool one: workers 4 → 3"}
{"event":"waits","pool":"one","key":"env","what":"pool one: env changed"}
{"event":"waits","pool":"one","key":"drain_timeout","from":"30s","to":"90s","what":"pool one: drain_timeout 30s → 90s"}
{"event":"waits","pool":"one","key":"nofile","from":"the host's","to":"100","what":"pool one: rlimits nofile the host's → 100"}
{"event":"waits","pool":"one","key":"confine","from":"off","to":"on","what":"pool one: confine off → on"}
{"event":"waits","pool":"still","key":"workers","from":"1","to":"2","what":"pool still: workers 1 → 2"}
{"event":"waits","pool":"still","key":"reload","from":"never","to":"rolling","what":"pool still: reload never → rolling"}
{"event":"waits","pool":"three","what":"pool three added"}
{"event":"waits","pool":"two","what":"pool two removed"}
{"event":"waits","address":"127.0.0.1:9001","key":"pool","from":"one","to":"three","what":"listener 127.0.0.1:9001: pool one → three"}
{"event":"waits","address":"127.0.0.1:9002","key":"tls.certificate","from":"a.pem","to":"b.pem","what":"listener 127.0.0.1:9002: tls certificate a.pem → b.pem"}
{"event":"waits","address":"127.0.0.1:9004","what":"listener 127.0.0.1:9004 added"}
{"event":"waits","address":"127.0.0.1:9003","what":"listener 127.0.0.1:9003 removed"}
{"event":"changed","key":"level","from":"info","to":"debug","what":"[log] level info → debug"}
{"event":"changed","key":"stop_delay","from":"5s","to":"0s","what":"stop_delay 5s → 0s"}
{"event":"needs_restart","key":"format","from":"auto","to":"json","what":"[log] format auto → json"}
{"event":"needs_restart","pool":"still","key":"workers","from":"1","to":"2","what":"pool still: workers 1 → 2"}
{"event":"would_change","pool":"still","key":"reload","from":"never","to":"rolling","what":"pool still: reload never → rolling"}`
	if got := "\n" + strings.Join(told, "\n"); got != want {
		t.Errorf("control is told:%s", got)
	}
}
