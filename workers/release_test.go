package workers

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGenerationsThatCanNotRunSayWhy(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "worker"), []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		set  Settings
		want string
	}{
		{Settings{Name: "app", Command: []string{"no-such-program"}, Directory: dir},
			"pool app: command not found: no-such-program is not in PATH; install it, or give its path"},
		{Settings{Name: "app", Command: []string{"/no/such/program"}, Directory: dir},
			"pool app: command not found: there is no /no/such/program; correct the path, or install it"},
		{Settings{Name: "app", Command: []string{"./worker"}, Directory: dir},
			"/worker can't be executed; try chmod +x"},
		{Settings{Name: "app", Command: []string{"/bin/sh"}, Directory: dir + "/missing"},
			"/missing can't be resolved: "},
		{Settings{Name: "app", Command: []string{"/bin/sh"}, Directory: dir + "/missing"},
			"; create what is missing, or point `directory`, or the symlink, elsewhere"},
		{Settings{Name: "app", Command: []string{"/bin/sh"}, Directory: dir + "/worker"},
			"/worker is not a folder; point `directory` at one"},
	} {
		p, err := New(c.set)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(context.Background()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v; want %q", err, c.want)
		}
		p.Stop(context.Background())
	}
	if _, err := New(Settings{}); err == nil {
		t.Error("a pool with nothing to run was made")
	}
}
