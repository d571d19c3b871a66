package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/docs"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
)

// invoked runs the program in this process.
func invoked(args ...string) (out, err string, status int) {
	var o, e bytes.Buffer
	status = commands().Run(args, &cli.Terminal{Out: &o, Err: &e})
	return o.String(), e.String(), status
}

func TestUnderThePackagesNameHelpManualCompletionsAndErrorsSayIt(t *testing.T) {
	for args, wanted := range map[string]string{
		"":                   "    workerhost reload                       put new code live",
		"help":               "    workerhost serve        Serve, in the foreground",
		"help reload":        "Usage:\n    workerhost reload [flags]",
		"reload --help":      "Example:\n    workerhost reload",
		"help php-fpm":       "&& workerhost init ",
		"man":                ".TH WORKERHOST 1 ",
		"man host.toml":      ".SH SEE ALSO\nworkerhost(1)",
		"completion bash":    "complete -F _workerhost workerhost\n",
		"completion zsh":     "#compdef workerhost\n",
		"completion fish":    "complete -c workerhost -n '__workerhost_command_is reload'",
		"reloa":              "workerhost: there is no command \"reloa\"; did you mean `workerhost reload`?",
		"reload --nonsense":  "(`workerhost reload --help` shows how it is used)",
		"version":            "workerhost ",
		"sdk php --nonsense": "workerhost sdk: ",
	} {
		var b bytes.Buffer
		commands().Run(strings.Fields(args), &cli.Terminal{Out: &b, Err: &b, Program: "workerhost"})
		if !strings.Contains(b.String(), wanted) {
			t.Errorf("workerhost %s does not say %q:\n%s", args, wanted, b.String())
		}
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	for _, c := range commands() {
		page, _, status := invoked(c.Name, "--help")
		if status != cli.ExitOK || !strings.Contains(page, "Usage:\n    host "+c.Name) ||
			!strings.Contains(page, "Example:\n    host ") {
			t.Errorf("host %s --help: status %d\n%s", c.Name, status, page)
		}
		if same, _, _ := invoked("help", c.Name); !strings.HasPrefix(same, page) { // a topic may follow
			t.Errorf("host help %s differs from host %s --help", c.Name, c.Name)
		}
	}
	for _, args := range [][]string{{"help"}, {"--help"}, {"-h"}} {
		out, _, status := invoked(args...)
		if status != cli.ExitOK || !strings.Contains(out, "host reload") || strings.Contains(out, "host reaper") {
			t.Errorf("host %s: status %d\n%s", args, status, out)
		}
	}
	if out, _, _ := invoked("help", "host.toml"); !strings.Contains(out, "[pool.NAME]") ||
		!strings.Contains(out, "drain_timeout") {
		t.Errorf("host help host.toml:\n%s", out)
	}
	for _, topic := range docs.Topics() {
		want, err := os.ReadFile("docs/" + topic + ".md")
		if out, _, status := invoked("help", topic); err != nil || status != cli.ExitOK ||
			!strings.HasSuffix(out, string(want)) {
			t.Errorf("host help %s: status %d, %v\n%s", topic, status, err, out)
		}
		if overview, _, _ := invoked("help"); !strings.Contains(overview, topic) {
			t.Errorf("host help does not name %s", topic)
		}
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
		{"sdk jss dir", "did you mean js?"},
		{"sdk js dir dir", "expected one folder"},
	} {
		out, err, status := invoked(strings.Fields(c.args)...)
		if status != cli.ExitUsage || !strings.Contains(err, c.says) || out != "" {
			t.Errorf("host %s: status %d, expected %q in\n%s%s", c.args, status, c.says, out, err)
		}
	}
}

func TestWithoutAHostTheCommandsSayWhatToTry(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"reload", "status", "stop"} {
		_, err, status := invoked(name, "--control", "none.sock")
		if status != cli.ExitStatus(control.Absent) || !strings.Contains(err, "none.sock") ||
			!strings.Contains(err, "host serve") {
			t.Errorf("host %s: status %d\n%s", name, status, err)
		}
	}
}

func TestCheckShowsEverythingAndChangesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("XDG_RUNTIME_DIR", "")
	file := "[[listen]]\naddress = \"127.0.0.1:0\"\n[pool.web]\ncommand = [\"go\", \"run\", \"it's\"]\nworkers = " +
		"3\nenv = { TOKEN = \"secret\" }\n"
	if err := os.WriteFile("host.toml", []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, status := invoked("check", "--control", filepath.Join(dir, "c.sock"))
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	for _, text := range []string{"host.toml", "c.sock", "127.0.0.1:0", "→ web", `go run 'it'\''s'`, "drain_timeout",
		"30s", "TOKEN", "The configuration is good."} {
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
	if err := os.WriteFile("host.toml", []byte(
		"[pool.web]\nworker = \"none.php\"\nworkrs = 3\nqueue_timeout = \"10\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, errs, status := invoked("check")
	for _, text := range []string{"host.toml:2", "host.toml:3", "host.toml:4", "workers"} {
		if !strings.Contains(errs, text) {
			t.Errorf("%q is missing in\n%s", text, errs)
		}
	}
	if status != cli.ExitStatus(control.BadConfig) {
		t.Errorf("status %d", status)
	}
}

func TestTheClientForBrowsersIsWrittenOverNothingButItself(t *testing.T) {
	out, errs, status := invoked("sdk", "js")
	if status != cli.ExitOK || !strings.Contains(out, "export class Channels extends EventTarget {") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	dir := t.TempDir()
	page, client := filepath.Join(dir, "index.html"), filepath.Join(dir, "workerhost.js")
	for _, before := range []string{"", out[:80]} { // none, and another version
		if err := os.WriteFile(page, []byte("precious"), 0o644); err != nil {
			t.Fatal(err)
		}
		if before != "" {
			if err := os.WriteFile(client, []byte(before), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, errs, status := invoked("sdk", "js", dir); status != cli.ExitOK {
			t.Fatal(errs)
		}
		if got, err := os.ReadFile(client); err != nil || string(got) != out {
			t.Fatalf("%v: %s", err, got)
		}
		if types, err := os.ReadFile(filepath.Join(dir, "workerhost.d.ts")); err != nil ||
			!strings.Contains(string(types), "class Channels") {
			t.Fatalf("%v: %s", err, types)
		}
	}
	if err := os.WriteFile(client, []byte("// another's\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := invoked("sdk", "js", dir); status != cli.ExitFailure ||
		!strings.Contains(errs, "add --force to overwrite it") {
		t.Fatalf("%d %s", status, errs)
	}
	if _, errs, status := invoked("sdk", "js", "--force", dir); status != cli.ExitOK {
		t.Fatal(errs)
	}
}

func TestSDKIsWrittenAndBroughtUpToDateButOverwritesNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sdk")
	out, errs, status := invoked("sdk", "php", dir)
	if status != cli.ExitOK || !strings.Contains(out, "require __DIR__ . '/sdk/autoload.php';") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	old := filepath.Join(dir, "src", "Gone", "Old.php")
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := invoked("sdk", "php", dir); status != cli.ExitOK {
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
	if err := os.WriteFile(precious, []byte(`{"name": "acme/app", "require": {"workerhost/sdk": "*"}}`),
		0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := invoked("sdk", "php", other); status != cli.ExitFailure ||
		!strings.Contains(errs, "--force") {
		t.Errorf("status %d\n%s", status, errs)
	}
	if data, err := os.ReadFile(precious); err != nil || !strings.Contains(string(data), "acme/app") {
		t.Errorf("composer.json is %s, %v", data, err)
	}
}

func TestVersionSaysWhatItIs(t *testing.T) {
	for _, name := range []string{"version", "--version"} {
		if out, _, status := invoked(name); status != cli.ExitOK || !strings.HasPrefix(out, "host ") {
			t.Errorf("host %s: status %d, %s", name, status, out)
		}
	}
}

func TestCommandsAboutConnectionsExplainMistakes(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"connections", "--protocol", "http"}, `websocket, tcp, sse, poll, found "http"`},
		{[]string{"connections", "now"}, "takes no arguments"},
		{[]string{"send", "--all"}, "expected one TEXT"},
		{[]string{"send", "--all", "two", "words"}, "put quotes around"},
		{[]string{"send", "hello"}, "--id, --uid, --group and --all"},
		{[]string{"send", "--all", "--uid", "ada", "hello"}, "one of --id"},
		{[]string{"close"}, "host connections"},
		{[]string{"close", "--all", "id-1"}, "one of --uid"},
	} {
		if _, err, status := invoked(c.args...); status != cli.ExitUsage || !strings.Contains(err, c.says) {
			t.Errorf("host %s: status %d, expected %q in\n%s", c.args, status, c.says, err)
		}
	}
	if _, err, status := invoked("send", "--all", "\xff", "--control", "none.sock"); status != cli.ExitFailure ||
		!strings.Contains(err, "--binary") {
		t.Errorf("no UTF-8: status %d, %s", status, err)
	}
}
