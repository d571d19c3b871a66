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

// The socket may come to lie elsewhere with the next start, in $XDG_RUNTIME_DIR for one.
func TestTheJournalIsOfOneHost(t *testing.T) {
	of := func(control string) string { return (&Config{State: "/s", Control: control}).JournalPath() }
	same := of("/run/workerhost/host-0123456789abcdef.sock")
	if same != filepath.FromSlash("/s/journal/host-0123456789abcdef.jsonl") ||
		of("/run/user/1000/host-0123456789abcdef.sock") != same {
		t.Errorf("%s", same)
	}
	if a, b := of("/run/a/control.sock"), of("/run/b/control.sock"); a == b || filepath.Dir(a) != filepath.Dir(same) {
		t.Errorf("%s, %s", a, b)
	}
	file := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(file, []byte("state = \"kept\"\n[pool.a]\ncommand = [\"sh\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := FindJournal("/run/a/control.sock", file, os.LookupEnv)
	if want := filepath.Join(filepath.Dir(file), "kept", "journal"); err != nil || filepath.Dir(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}
