//go:build unix

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository has one commit, of files, and is bare.
func repository(t *testing.T, files map[string]string) (g Repository, commit string) {
	t.Helper()
	work, bare := t.TempDir(), filepath.Join(t.TempDir(), "bare.git")
	git := func(arguments ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", work, "-c", "user.name=x", "-c", "user.email=x@example.org"},
			arguments...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", arguments, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	for name, text := range files {
		put(t, filepath.Join(work, name), text)
	}
	git("add", "-A")
	git("commit", "-q", "-m", "first")
	git("tag", "v1")
	git("clone", "-q", "--bare", work, bare)
	return Repository{From: bare}, git("rev-parse", "HEAD")
}

func TestACommitBecomesARelease(t *testing.T) {
	g, commit := repository(t, map[string]string{"public/index.php": "<?php", "a": "1"})
	for _, ref := range []string{"main", "v1", commit, commit[:8], "HEAD"} {
		if got, err := g.Resolve(t.Context(), ref); err != nil || got != commit {
			t.Errorf("%s: %s, %v", ref, got, err)
		}
	}
	if size, err := g.Size(t.Context(), commit, DefaultLimits); err != nil || size != 6 {
		t.Errorf("its size is %d, %v", size, err)
	}
	r := testRelease(t)
	if err := r.FromGit(t.Context(), g, commit, DefaultLimits, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"public/index.php": "<?php", "REVISION": commit + "\n"} {
		if text, err := os.ReadFile(filepath.Join(r.Folder, name)); err != nil || string(text) != want {
			t.Errorf("%s has %q, %v", name, text, err)
		}
	}
	if err := testRelease(t).FromGit(t.Context(), g, commit, Limits{Bytes: 3, Files: 9}, nil); err == nil {
		t.Error("more than the limit came in")
	}
}

func TestARefIsNeverAnOption(t *testing.T) {
	g, _ := repository(t, map[string]string{"a": "1"})
	out := filepath.Join(t.TempDir(), "out")
	for _, ref := range []string{"--output=" + out, "-o" + out, "", "main:a", "ma?n", "a b", "main\n", "nowhere",
		"$(touch " + out + ")", "`touch " + out + "`", "main;touch$IFS" + out} {
		if commit, err := g.Resolve(t.Context(), ref); err == nil {
			t.Errorf("%q is %s", ref, commit)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a ref was run")
	}
}

// What was pushed can choose filters and hooks by name, and only who may write to the repository itself can say what
// they are.
func TestNothingThatWasPushedIsRun(t *testing.T) {
	g, commit := repository(t, map[string]string{".gitattributes": "* filter=evil export-subst", "a": "1",
		".gitconfig": "[filter \"evil\"]\nsmudge = touch ran\n", "hooks/post-checkout": "#!/bin/sh\ntouch ran\n"})
	r := testRelease(t)
	t.Setenv("HOME", r.Folder)
	if err := r.FromGit(t.Context(), g, commit, DefaultLimits, nil); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{r.Folder, g.From, "."} {
		if _, err := os.Stat(filepath.Join(folder, "ran")); err == nil {
			t.Errorf("it ran in %s", folder)
		}
	}
}

func TestARepositoryElsewhereIsMirrored(t *testing.T) {
	g, commit := repository(t, map[string]string{"a": "1"})
	far := Repository{From: "file://" + g.From, Mirror: filepath.Join(t.TempDir(), "mirror.git")}
	for range 2 {
		if err := far.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := far.Resolve(t.Context(), "main"); err != nil || got != commit {
		t.Errorf("%s, %v", got, err)
	}
	for _, url := range []string{"https://example.org/x.git", "ssh://git@example.org/x", "git@example.org:x.git"} {
		if !Elsewhere(url) {
			t.Errorf("%s is here", url)
		}
	}
	for _, path := range []string{"/srv/x.git", "x.git", "./a:b"} {
		if Elsewhere(path) {
			t.Errorf("%s is elsewhere", path)
		}
	}
	evil := Repository{From: "ext::touch /tmp/ran", Mirror: far.Mirror}
	if Elsewhere(evil.From) {
		t.Error("ext:: is a place")
	}
}

func TestACommandOfTheBuildRunsInTheRelease(t *testing.T) {
	r := testRelease(t)
	var said []string
	b := Builder{Environ: os.Environ(), Timeout: 1 << 40}
	err := b.Run(t.Context(), r.Folder, []string{"sh", "-c", "pwd; touch built; exit 3"},
		func(line string) { said = append(said, line) })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || len(said) != 1 || said[0] != r.Folder {
		t.Errorf("%v; it said %q", err, said)
	}
	if _, err := os.Stat(filepath.Join(r.Folder, "built")); err != nil {
		t.Error(err)
	}
	if err := b.Run(t.Context(), r.Folder, []string{"./nowhere"}, func(string) {}); err == nil {
		t.Error("a program that is not there has run")
	}
	if err := r.Room(1 << 60); err == nil {
		t.Error("there is room for everything")
	}
}
