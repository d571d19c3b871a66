package serve

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

func TestAnAuditLineSaysWhoAndWhy(t *testing.T) {
	var log bytes.Buffer
	a := &auditor{log: hclog.New(&hclog.LoggerOptions{Output: &log, DisableTime: true})}
	refused := errors.New("no")
	for _, r := range []control.Record{
		{Act: "reload", Asker: control.Asker{User: "root", Login: "ada", PID: 7}, Message: "release 42\u202e\u009b",
			Details: []any{"pools", []string{"web"}}},
		{Act: "stop", Asker: control.Asker{Address: "10.0.0.5:1", Token: "deploy"}, Err: refused},
		{Act: "POST /v1/stop", Asker: control.Asker{Address: "10.0.0.6:1"}, Err: refused, Stranger: true},
		{Act: "POST /v1/stop", Asker: control.Asker{Address: "10.0.0.6:2"}, Err: refused, Stranger: true},
		{Act: "GET /v1/status", Asker: control.Asker{User: "eve"}, Err: refused, Stranger: true},
		{Act: "reload", Asker: control.Asker{Signal: "hangup"}},
	} {
		a.note(r)
	}
	a.flush()
	if got, want := log.String(), `[INFO]  audit: reload: user=root login=ada message="release 42··" pid=7 pools=["web"]
[WARN]  audit: refused: address=10.0.0.5:1 token=deploy act=stop error=no
[WARN]  audit: a wrong token: address=10.0.0.6:1 act="POST /v1/stop" error=no
[WARN]  audit: a user who may not: user=eve act="GET /v1/status" error=no
[INFO]  audit: reload: signal=hangup
[WARN]  audit: a wrong token: more=1
`; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestTheAuditIsWrittenWhateverTheLevelOfTheLog(t *testing.T) {
	if log := newAuditor(config.Log{Level: "error", Format: "json"}).log; !log.IsInfo() {
		t.Error("it is silent")
	}
}

func TestATokenThatChangedInItsFileWaitsForARestart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("worker.php", "")
	const file = "[control]\nlisten = '127.0.0.1:9181'\ntoken_file = 'token'\n[pool.app]\nworker = 'worker.php'\n"
	write("token", "0123456789abcdef")
	before := read(t, dir, file)
	write("token", "fedcba9876543210")
	p := makePlan(runningWith(before), read(t, dir, file))
	if len(p.restart) != 1 || p.restart[0].text() != "[control] tokens changed" ||
		strings.Contains(p.restart[0].to, "fedc") {
		t.Errorf("%+v", p.restart)
	}
}
