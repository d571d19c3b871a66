package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

// invoked runs the program in this process.
func invoked(args ...string) (out, err string, status int) {
	var o, e bytes.Buffer
	status = commands().run(args, &terminal{out: &o, err: &e})
	return o.String(), e.String(), status
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	for _, c := range commands() {
		page, _, status := invoked(c.name, "--help")
		if status != exitOK || !strings.Contains(page, "Usage:\n    host "+c.name) || !strings.Contains(page, "Example:\n    host ") {
			t.Errorf("host %s --help: status %d\n%s", c.name, status, page)
		}
		if same, _, _ := invoked("help", c.name); same != page {
			t.Errorf("host help %s differs from host %s --help", c.name, c.name)
		}
	}
	for _, args := range [][]string{{"help"}, {"--help"}, {"-h"}} {
		out, _, status := invoked(args...)
		if status != exitOK || !strings.Contains(out, "host reload") || strings.Contains(out, "host reaper") {
			t.Errorf("host %s: status %d\n%s", args, status, out)
		}
	}
	if out, _, _ := invoked("help", "host.toml"); !strings.Contains(out, "[pool.NAME]") || !strings.Contains(out, "drain_timeout") {
		t.Errorf("host help host.toml:\n%s", out)
	}
}

func TestMistakesOnTheCommandLineAreExplainedAndExitWithTwo(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct{ args, says string }{
		{"", "host serve examples/hello-php"},
		{"sttus", "did you mean `host status`?"},
		{"frobnicate", "`host help` lists them"},
		{"help stpo", "did you mean `host stop`?"},
		{"--dev", "a command comes first"},
		{"status --jsn", "did you mean --json?"},
		{"status -x", "'x'"},
		{"status now", "takes no arguments"},
		{"serve", "nothing to serve"},
		{"serve a.php b.php", "expected one WORKER, and got 2"},
		{"serve -n 0 a.php", "at least 1, found 0"},
		{"serve --", "no command follows --"},
		{"serve -l 8080 -- cat", `write ":8080"`},
		{"check --log-level loud -- cat", `found "loud"`},
		{"sdk", "host sdk php ./sdk"},
		{"sdk pph dir", "did you mean php?"},
		{"sdk go dir", "go get"},
		{"sdk php", "expected one folder"},
	} {
		out, err, status := invoked(strings.Fields(c.args)...)
		if status != exitUsage || !strings.Contains(err, c.says) || out != "" {
			t.Errorf("host %s: status %d, expected %q in\n%s%s", c.args, status, c.says, out, err)
		}
	}
}

func TestWithoutAHostTheCommandsSayWhatToTry(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"reload", "status", "stop"} {
		_, err, status := invoked(name, "--control", "none.sock")
		if status != exitStatus(control.Absent) || !strings.Contains(err, "none.sock") || !strings.Contains(err, "host serve") {
			t.Errorf("host %s: status %d\n%s", name, status, err)
		}
	}
}

func TestCheckShowsEverythingAndChangesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("XDG_RUNTIME_DIR", "")
	file := "[[listen]]\naddress = \"127.0.0.1:0\"\n[pool.web]\ncommand = [\"go\", \"run\", \"it's\"]\nworkers = 3\nenv = { TOKEN = \"secret\" }\n"
	if err := os.WriteFile("host.toml", []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, status := invoked("check", "--control", filepath.Join(dir, "c.sock"))
	if status != exitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	for _, text := range []string{"host.toml", "c.sock", "127.0.0.1:0", "→ web", `go run 'it'\''s'`, "drain_timeout", "30s", "TOKEN", "The configuration is good."} {
		if !strings.Contains(out, text) {
			t.Errorf("%q is missing in\n%s", text, out)
		}
	}
	if strings.Contains(out, "secret") {
		t.Errorf("it shows a secret:\n%s", out)
	}
	if left, _ := filepath.Glob("*"); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
}

func TestCheckReportsEveryMistake(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("host.toml", []byte("[pool.web]\nworker = \"none.php\"\nworkrs = 3\nqueue_timeout = \"10\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, errs, status := invoked("check")
	for _, text := range []string{"host.toml:2", "host.toml:3", "host.toml:4", "workers"} {
		if !strings.Contains(errs, text) {
			t.Errorf("%q is missing in\n%s", text, errs)
		}
	}
	if status != exitStatus(control.BadConfig) {
		t.Errorf("status %d", status)
	}
}

func TestSDKIsWrittenAndBroughtUpToDateButOverwritesNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sdk")
	out, errs, status := invoked("sdk", "php", dir)
	if status != exitOK || !strings.Contains(out, "require __DIR__ . '/sdk/autoload.php';") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	old := filepath.Join(dir, "src", "Gone", "Old.php")
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := invoked("sdk", "php", dir); status != exitOK {
		t.Fatalf("a second time: status %d\n%s", status, errs)
	}
	if _, err := os.Stat(filepath.Dir(old)); err == nil {
		t.Errorf("%s, of an older SDK, is still there", old)
	}
	if _, err := os.Stat(filepath.Join(dir, "src", "Worker.php")); err != nil {
		t.Error(err)
	}

	other := t.TempDir()
	precious := filepath.Join(other, "composer.json")
	if err := os.WriteFile(precious, []byte(`{"name": "acme/app", "require": {"workerhost/sdk": "*"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := invoked("sdk", "php", other); status != exitFailure || !strings.Contains(errs, "--force") {
		t.Errorf("status %d\n%s", status, errs)
	}
	if data, err := os.ReadFile(precious); err != nil || !strings.Contains(string(data), "acme/app") {
		t.Errorf("composer.json is %s, %v", data, err)
	}
}

func TestVersionSaysWhatItIs(t *testing.T) {
	for _, name := range []string{"version", "--version"} {
		if out, _, status := invoked(name); status != exitOK || !strings.HasPrefix(out, "host ") {
			t.Errorf("host %s: status %d, %s", name, status, out)
		}
	}
}

func TestStatusIsATableThatPeopleCanRead(t *testing.T) {
	var out bytes.Buffer
	showStatus(&terminal{out: &out}, control.Status{
		Version: "1.2.3", PID: 4711, Uptime: 3*3600 + 12*60, Config: "/etc/app/host.toml",
		Listen: []control.Listener{{Address: "127.0.0.1:8080", Protocol: "http", Pool: "web", Serving: true}, {Address: ":8443", Protocol: "http", Pool: "api", TLS: true}},
		Pools: []control.Pool{
			{
				Name: "web", Generation: 3, Queued: 2, Waiting: 1, Directory: "/srv/web/releases/42", Pinned: true, Reloading: true,
				Workers: []control.Worker{
					{Slot: 0, PID: 5001, State: "busy", Generation: 3, Requests: 12345, Memory: 19083469, Uptime: 61},
					{Slot: 0, PID: 4801, State: "draining", Generation: 2, Requests: 7, Memory: 512, Uptime: 90000},
					{Slot: 1, State: "backing-off", Generation: 3, Restarts: 12},
				},
			},
			{Name: "api", Failure: "Parse error\nin line 3", LogDropped: 12, Workers: []control.Worker{}},
		},
	})
	const expected = `host 1.2.3  pid 4711  up 3h 12m  /etc/app/host.toml

  127.0.0.1:8080  http           → web
  :8443           http over TLS  → api  waits for its pool

web  generation 3  2 workers  2 queued, 1 event waiting  reloading  /srv/web/releases/42
  WORKER   PID  STATE        GENERATION  REQUESTS    MEMORY  UPTIME  RESTARTS  LAST RESTART
       0  5001  busy                  3     12345  18.2 MiB   1m 1s         0
       0  4801  draining              2         7     512 B   1d 1h         0
       1     -  backing-off           3         0         -       -        12

api  starting
  the last start failed: Parse error
  in line 3
  lines missing from the log: 12, since a worker said more than log_rate
`
	if out.String() != expected {
		t.Errorf("expected\n%s\ngot\n%s", expected, out.String())
	}
}

func TestReloadTellsALinePerWorkerAndWhatRunsAfterwards(t *testing.T) {
	at := func(slot int) *int { return &slot }
	unpinned, pinned := false, true
	begun := control.Event{Kind: control.Begun, Pool: "app", Generation: 4, Directory: "/srv/app", Pinned: &unpinned, Workers: 3}
	replaced := control.Event{Kind: control.Replaced, Pool: "app", Generation: 4, Slot: at(0), OldPID: 4711, NewPID: 4802, Boot: 38.2, Drained: 2}
	for name, c := range map[string]struct {
		events   []control.Event
		out, err string
		failed   bool
	}{
		"all went well": {
			events: []control.Event{
				{Kind: control.ListenerReloaded, Address: ":8443"}, begun, replaced,
				{Kind: control.Replaced, Pool: "app", Generation: 4, Slot: at(1), NewPID: 4803, Boot: 1200, Cut: []string{"GET /slow"}},
				{Kind: control.Completed, Pool: "app", Generation: 4, Workers: 2, Took: 1500}, begun,
			},
			out: `:8443  files read again
app  generation 4  /srv/app  unpinned: it is edited in place, so a worker that restarts runs what it holds then
app  worker 0  generation 4  pid 4711 → 4802  boot 38ms  drained 2
app  worker 1  generation 4  pid none → 4803  boot 1.2s  drained 0  cut at drain_timeout: GET /slow
app  reloaded: 2 workers of generation 4 in 1.5s
app  generation 4  /srv/app
`,
		},
		"the first worker failed": {
			events: []control.Event{
				{Kind: control.Failed, Pool: "app", Generation: 4, Slot: at(0), Error: "Parse error\n#0 trace\n", Workers: 3, Running: []control.Running{{Generation: 3, Slots: []int{0, 1, 2}}}},
				{Kind: control.Skipped, Pool: "api"},
			},
			err: `app  worker 0 of generation 4 did not start:

Parse error
#0 trace

app  nothing was replaced: the old workers keep serving, with generation 3
api  not reloaded: it keeps the code that it has
`,
			failed: true,
		},
		"a later worker failed": {
			events: []control.Event{replaced, {
				Kind: control.Failed, Pool: "app", Generation: 4, Slot: at(3), Error: "out of memory", Workers: 8, Replaced: 3,
				Running: []control.Running{{Generation: 4, Slots: []int{0, 1, 2}}, {Generation: 3, Slots: []int{3, 4, 5, 7}}},
			}},
			out:    "app  worker 0  generation 4  pid 4711 → 4802  boot 38ms  drained 2\n",
			err:    "app  worker 3 of generation 4 did not start:\n\nout of memory\n\napp  workers 0–2 run generation 4, 3–5, 7 generation 3; 1 worker not up, and the host keeps trying\n",
			failed: true,
		},
		"nothing ever ran": {
			events: []control.Event{{Kind: control.Failed, Pool: "app", Generation: 1, Error: "no php", Workers: 2}},
			err:    "app  the reload failed:\n\nno php\n\napp  nothing was replaced, and no worker is up: the host keeps trying to start the old ones\n",
			failed: true,
		},
		"put back": {
			events: []control.Event{
				{Kind: control.Begun, Pool: "app", Generation: 4, Directory: "/srv/r/4", Pinned: &pinned},
				{Kind: control.Restored, Pool: "app", Generation: 3, Slot: at(0), OldPID: 1, NewPID: 2, Boot: 10},
			},
			out: "app  generation 4  /srv/r/4\napp  worker 0  put back  generation 3  pid 1 → 2  boot 10ms  drained 0\n",
		},
		"put back by itself": {
			events: []control.Event{
				{Kind: control.Restored, Pool: "app", Generation: 3, Slot: at(0), OldPID: 1, NewPID: 2, Boot: 10},
				{Kind: control.Failed, Pool: "app", Generation: 4, Slot: at(1), Error: "out of memory", Workers: 2, Running: []control.Running{{Generation: 3, Slots: []int{0, 1}}}},
			},
			out:    "app  worker 0  put back  generation 3  pid 1 → 2  boot 10ms  drained 0\n",
			err:    "app  worker 1 of generation 4 did not start:\n\nout of memory\n\napp  what was replaced is put back: all serve with generation 3 again\n",
			failed: true,
		},
		"aborted half-way": {
			events: []control.Event{{
				Kind: control.Failed, Pool: "app", Generation: 4, Error: "the reload was aborted", Outcome: control.WasAborted, Workers: 2, Replaced: 1,
				Running: []control.Running{{Generation: 4, Slots: []int{0}}, {Generation: 3, Slots: []int{1}}},
			}},
			err:    "app  the reload was aborted\napp  workers 0 run generation 4, 1 generation 3\n",
			failed: true,
		},
		"certificates failed": {
			events: []control.Event{{Kind: control.ListenerFailed, Address: ":8443", Error: "no such file"}},
			err:    ":8443  keeps the files that it had:\nno such file\n",
			failed: true,
		},
	} {
		var out, err bytes.Buffer
		story := newReloadStory(&terminal{out: &out, err: &err})
		for _, e := range c.events {
			story.judge(e)
			story.tell(e)
		}
		if out.String() != c.out || err.String() != c.err || story.failed != c.failed {
			t.Errorf("%s: failed %v\nexpected\n%s%s\ngot\n%s%s", name, story.failed, c.out, c.err, out.String(), err.String())
		}
	}
}
