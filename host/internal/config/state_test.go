//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStateIsWhereTheServiceManagerTheFileOrTheUserHasIt(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"the first of systemd's": {[]string{"STATE_DIRECTORY", "/srv/one:/srv/two", "HOME", "/home/u"}, "/srv/one"},
		"the user's":             {[]string{"XDG_STATE_HOME", "/x", "HOME", "/home/u"}, "/x/host"},
		"a relative one":         {[]string{"XDG_STATE_HOME", "x", "HOME", "/home/u"}, "/home/u/.local/state/host"},
		"none":                   {nil, ""},
	} {
		got := defaultState(variables(c.env...))
		if name != "the first of systemd's" && usable(filepath.Dir(systemState)) {
			c.want = systemState // of root
		}
		if got != c.want {
			t.Errorf("%s: %s, expected %s", name, got, c.want)
		}
	}
	folder := site(t)
	c := parse(t, "state = \"kept\"\n[pool.a]\nworker = \"worker.php\"\n")
	if want := filepath.Join(folder, "kept"); c.State != want {
		t.Errorf("the file's: %s, expected %s", c.State, want)
	}
}

func TestStateIsMadeOnceSomethingNeedsItAndIsPrivate(t *testing.T) {
	c := parse(t, "state = \""+filepath.Join(site(t), "a", "b")+"\"\n[pool.a]\nworker = \"worker.php\"\n")
	if err := c.Apply(Overrides{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(c.State); !os.IsNotExist(err) {
		t.Fatalf("before: %v", err)
	}
	for range 2 {
		folder, err := c.StateFolder("certificates")
		if err != nil || folder != filepath.Join(c.State, "certificates") {
			t.Fatalf("%s: %v", folder, err)
		}
	}
	for _, made := range []string{c.State, filepath.Join(c.State, "certificates")} {
		if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v %v", made, info.Mode(), err)
		}
	}
	if err := os.Chmod(filepath.Join(c.State, "certificates"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := c.StateFolder("certificates"); err == nil || !strings.Contains(err.Error(), "chmod 700 it") {
		t.Errorf("of one that others may read: %v", err)
	}
	if err := os.WriteFile(filepath.Join(c.State, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.StateFolder("file"); err == nil || !strings.Contains(err.Error(), "state = ") {
		t.Errorf("in the place of a file: %v", err)
	}
	c.State = ""
	if _, err := c.StateFolder("certificates"); err == nil || !strings.Contains(err.Error(), "write state = ") {
		t.Errorf("without a place: %v", err)
	}
}
