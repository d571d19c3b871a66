package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestWithJSONEveryErrorIsALineOfIt(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"reload", "status", "workers", "connections", "stop", "send --all x",
		"close --all"} {
		for flag, want := range map[string]string{
			"--control none.sock": `{"event":"error","outcome":"no_host","status":4,"error":"no host is running here`,
			"--nope":              `{"event":"error","outcome":"misuse","status":2,"error":"`,
		} {
			out, err, _ := invoked(strings.Fields(name + " " + flag + " --json")...)
			if !strings.HasPrefix(out, want) || strings.Count(out, "\n") != 1 || err != "" {
				t.Errorf("host %s %s --json:\n%s%s", name, flag, out, err)
			}
		}
	}
}

// told is one of `host check --json`, of which the names are promised.
type told struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Key    string `json:"key"`
	Level  string `json:"level"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// lastLine is the last one, read as JSON.
func lastLine(t *testing.T, out string) (last struct {
	Event, Outcome, Error string
	Status                int
	Healthy               *bool
	Findings              []told
}) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Errorf("%v in\n%s", err, out)
	}
	return last
}

func TestWhateverACommandFailsByItsJSONEndsWithTheError(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"empty.toml": "", "bad.toml": "[log]\nlevel = 'loud'\n",
		"binary.toml": "\x00"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for args, status := range map[string]int{
		"check": 2, "check -c none.toml": 6, "check -c empty.toml": 6, "check -c bad.toml": 6,
		"check -c binary.toml": 6,
		"check none.php":       2, "check a b": 2, "check --nope": 2, "check -l 127.0.0.1:0 -c .": 6,
		"status -c none.toml": 6, "reload -c binary.toml": 6, "reload --abort --each": 2,
		"reload --dry-run --strict": 2,
		"workers x":                 2, "connections -c .": 6, "stop --token-file x": 2,
		"stop --control tcp://127.0.0.1:1": 2,
		"send x":                           2, "send --all": 2, "close": 2, "close --control unix:x --all": 2,
		"status --control empty.toml": 4,
		"status --json=maybe":         2,
	} {
		out, errs, got := invoked(append(strings.Fields(args), "--json")...)
		if last := lastLine(t, out); got != status || last.Event != "error" || last.Status != status ||
			last.Error == "" || errs != "" {
			t.Errorf("host %s: status %d instead of %d\n%s%s", args, got, status, out, errs)
		}
	}
}

func TestCheckTellsProgramsWhereEachMistakeIs(t *testing.T) {
	t.Chdir(t.TempDir())
	file := "[pool.web]\ncommand = ['go']\nworkers = 0\ndrain_timeot = '1s'\n"
	if err := os.WriteFile("host.toml", []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	out, _, status := invoked("check", "--json")
	last := lastLine(t, out)
	want := []told{
		{"host.toml", 3, "pool.web.workers", "error",
			"[pool.web] workers: expected a whole number from 1 to 10000, found the number 0", ""},
		{"host.toml", 4, "pool.web.drain_timeot", "error",
			"unknown key `drain_timeot` in [pool.web]: did you mean `drain_timeout`?",
			"did you mean `drain_timeout`?"},
	}
	if status != 6 || last.Outcome != "bad_config" || !slices.Equal(last.Findings, want) {
		t.Errorf("status %d: %s", status, out)
	}
	file = "[[listen]]\naddress = '127.0.0.1:0'\npool = 'web'\n[pool.web]\ncommand = ['go']\n[pool.jobs]\ncommand = " +
		"['go']\n"
	if err := os.WriteFile("host.toml", []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, status := invoked("check", "--json", "--control", "c.sock")
	last = lastLine(t, out)
	want = []told{{"host.toml", 6, "pool.jobs", "warning",
		"[pool.jobs] has no listener or route: it runs, but nothing reaches it", ""}}
	if status != 0 || last.Event != "check" || last.Outcome != "done" || !slices.Equal(last.Findings, want) ||
		errs != "" {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
}

func TestAFileThatIsNoConfigurationIsABadOneForEveryCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"empty": "", "remarks": "# later\n", "log": "[log]\n",
		"binary": "\x00\xff\x01", "mark": "\xef\xbb\xbf"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"empty", "remarks", "log", "binary", "mark", "folder", "none"} {
		for _, name := range []string{"check", "serve"} {
			if _, err, status := invoked(name, "-c", file); status != 6 || !strings.Contains(err, file+":") {
				t.Errorf("host %s -c %s: status %d\n%s", name, file, status, err)
			}
		}
	}
	for _, file := range []string{"binary", "folder", "none"} { // the others could be those of a host
		if _, err, status := invoked("status", "-c", file); status != 6 || !strings.Contains(err, file+":") {
			t.Errorf("host status -c %s: status %d\n%s", file, status, err)
		}
	}
}
