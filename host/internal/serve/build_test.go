package serve

import (
	"context"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/workerhost/workerhost/host/internal/config"
)

// TestABuiltWorkerKnowsItsVersionAndIsBuiltAsItsPoolSays: tags, the linker's flags and others; and where git refuses,
// it is built nevertheless.
func TestABuiltWorkerKnowsItsVersionAndIsBuiltAsItsPoolSays(t *testing.T) {
	for _, program := range []string{"go", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.org/worker\n\ngo 1.24\n",
		"main.go":   "package main\n\nvar version, extra string\n\nfunc main() { println(version + extra) }\n",
		"tagged.go": "//go:build tagged\n\npackage main\n\nfunc init() { extra = \" tagged\" }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."},
		{"-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "a"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	b := newBuilder()
	defer b.close()
	build := func(p config.Pool, wantStamp bool) (path string) {
		t.Helper()
		p.Name, p.Directory, p.Worker, p.Env = "app", dir, dir, map[string]string{"GOFLAGS": "-buildvcs=auto"}
		path, unstamped, err := b.build(context.Background(), &p, dir, 1)
		if err != nil {
			t.Fatal(err)
		}
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		stamp := slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" })
		if stamp != wantStamp || (unstamped == "") != wantStamp {
			t.Errorf("stamped: %t, %q", stamp, unstamped)
		}
		return path
	}
	build(config.Pool{}, true)
	path := build(config.Pool{BuildTags: []string{"other", "tagged"}, BuildLDFlags: "-s -X main.version=1.2",
		BuildFlags: []string{"-trimpath"}}, true)
	if out, err := exec.Command(path).CombinedOutput(); err != nil || string(out) != "1.2 tagged\n" {
		t.Errorf("it says %q, %v", out, err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".git", "HEAD"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	build(config.Pool{}, false)
}
