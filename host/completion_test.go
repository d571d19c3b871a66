// completion_test.go has the tests of what is made from the table of commands: completions and pages of the manual.

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
)

// tool is the program's path, or the test is skipped.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not here")
	}
	return path
}

// written is what the program prints, in a file of an empty folder; for zsh it has to have this name.
func written(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, status := invoked(args...)
	if status != cli.ExitOK {
		t.Fatalf("host %s: status %d\n%s", args, status, errs)
	}
	file := filepath.Join(t.TempDir(), "_host")
	if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// completions are command lines, whose last word is to be completed, and what a shell has to offer: all of it, but for
// "...", with which more may be offered. The folder has host.toml and "my app".
var completions = []struct{ line, want string }{
	{"host relo", "reload"},
	{"host reap", ""}, // reaper is for the host itself
	{"host reload --dr", "--dry-run"},
	{"host reload -c ho", "host.toml"},
	{"host reload --message ho", ""},
	{"host check my", "my app"},
	{"host sdk ph", "php"},
	{"host help arch", "architecture"},
	{"host help relo", "reload"},
	{"host completion ", "bash zsh fish"},
	{"host man ", "host.toml"},
}

func completes(t *testing.T, ask func(t *testing.T, script, line string) string, script string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"host.toml", "my app"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range completions {
		got, want := strings.Fields(ask(t, script, c.line)), strings.Fields(c.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q completes to %q, expected %q", c.line, got, want)
		}
	}
}

func TestBashCompletesCommandsFlagsTopicsAndFiles(t *testing.T) {
	bash := tool(t, "bash")
	ask := func(t *testing.T, script, line string) string {
		words := strings.Split(line, " ")
		out, err := exec.Command(bash, append([]string{"--norc", "-c", `source "$1"; shift; COMP_WORDS=("$@")
			COMP_CWORD=$(($# - 1)); _host; printf '%s\n' "${COMPREPLY[@]}"; complete -p host >&2`, "bash", script},
			words...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	script := written(t, "completion", "bash")
	completes(t, ask, script)
	if got := ask(t, script, "host serve --config = ho"); got != "host.toml\n" {
		t.Errorf("--config=ho completes to %q", got)
	}
	for _, c := range commands() {
		if c.Hidden {
			continue
		}
		if got := ask(t, script, "host "+c.Name+" --h"); !strings.Contains(got, "--help") {
			t.Errorf("host %s --h completes to %q", c.Name, got)
		}
	}
}

func TestFishCompletesCommandsFlagsTopicsAndFiles(t *testing.T) {
	fish := tool(t, "fish")
	completes(t, func(t *testing.T, script, line string) string {
		cmd := exec.Command(fish, "--no-config", "-c", "source $argv[1]; complete -C $argv[2] | string replace -r "+
			`'\t.*' '' | string unescape`, script, line)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil && len(out) > 0 { // without a candidate string replace ends with 1
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}, written(t, "completion", "fish"))
}

// zsh completes in a terminal alone: it is asked in one of its own making.
const zshAsks = `zmodload zsh/zpty; zpty z zsh -f
zpty -w z "PS1=; fpath=(${1:h} \$fpath); autoload -Uz compinit; compinit -u -d ${1:h}/dump
zstyle ':completion:*' list-colors ''; bindkey '^I' complete-word; LISTMAX=1000; unsetopt zle_bracketed_paste
kept() { print -r -- \"<<\$BUFFER>>\"; exit }; zle -N kept; bindkey '^X' kept; print rea''dy"
zpty -r z out '*ready*'
zpty -w -n z "$2"$'\t\x18'
zpty -r z out '*>>*'
print -r -- ${${out##*<<}%%>>*}`

func TestZshCompletesCommandsFlagsAndFiles(t *testing.T) {
	zsh := tool(t, "zsh")
	script := written(t, "completion", "zsh")
	t.Chdir(t.TempDir())
	if err := os.WriteFile("my app", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"host relo":        "host reload ",
		"host reload --dr": "host reload --dry-run ",
		"host check my":    `host check my\ app `,
		"host reload -c m": `host reload -c my\ app `,
		"host sdk p":       "host sdk php ",
		"host help arch":   "host help architecture ",
	} {
		out, err := exec.Command(zsh, "-f", "-c", zshAsks, "zsh", script, line).CombinedOutput()
		if got := strings.TrimSuffix(string(out), "\n"); err != nil || got != want {
			t.Errorf("%q completes to %q, expected %q (%v)", line, got, want, err)
		}
	}
}

// struck is how a terminal of old was told to print bold and underlined letters.
var struck = regexp.MustCompile(`.\x08`)

func TestTheManualHasEveryCommandFlagAndKeyAndNoMistakeInItsRoff(t *testing.T) {
	mandoc := tool(t, "mandoc")
	for _, page := range []string{"", config.FileName} {
		file := written(t, strings.Fields("man "+page)...)
		// The lines of the page are as long as they are in the help, and it has no date.
		out, _ := exec.Command(mandoc, "-T", "lint", "-W", "warning", file).CombinedOutput()
		for said := range strings.Lines(string(out)) {
			if !strings.Contains(said, "missing date") {
				t.Errorf("host man %s: %s", page, said)
			}
		}
		text, err := exec.Command(mandoc, "-T", "ascii", "-O", "width=1000", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		shown := struck.ReplaceAllString(string(text), "")
		if page == "" {
			for _, c := range commands() {
				if strings.Contains(shown, "host "+c.Name) == c.Hidden && c.Name != "first" {
					t.Errorf("host %s is hidden: %v, and the manual has it otherwise", c.Name, c.Hidden)
				}
			}
			for _, text := range []string{"-c, --config FILE", "--watch[=MODE]", "host reload --strict || echo",
				"requests_cut", `jq -r 'select(.queued`} {
				if !strings.Contains(shown, text) {
					t.Errorf("the manual has no %s", text)
				}
			}
			continue
		}
		for _, k := range config.Keys() {
			if !strings.Contains(shown, k.Key) || !strings.Contains(shown, k.Default) {
				t.Errorf("host.toml(5) has no %s %s", k.Section, k.Key)
			}
		}
	}
}
