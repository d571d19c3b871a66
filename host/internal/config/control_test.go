//go:build unix

package config

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folders makes one folder for each place, inside a root whose path is short enough for sockets.
func folders(t *testing.T) places {
	t.Helper()
	root, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	p := places{session: root + "/session", system: root + "/run/workerhost", private: root + "/host-1"}
	for _, folder := range []string{p.session, filepath.Dir(p.system)} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func choose(t *testing.T, p places, config string) string {
	t.Helper()
	socket, err := p.choose(config)
	if err != nil {
		t.Fatal(err)
	}
	return socket
}

func TestTheControlSocketIsInTheFirstPlaceThatCanBeUsed(t *testing.T) {
	p := folders(t)
	if got := filepath.Dir(choose(t, p, "a")); got != p.session {
		t.Errorf("with a session, in %s", got)
	}
	p.session = ""
	if got := filepath.Dir(choose(t, p, "a")); got != p.system {
		t.Errorf("with a writable /run, in %s", got)
	}
	if _, err := os.Stat(p.system); err == nil {
		t.Error("looking for a place made a folder")
	}
	if err := p.prepare(p.system); err != nil {
		t.Fatal(err)
	}
	if got := filepath.Dir(choose(t, p, "a")); got != p.system {
		t.Errorf("with a folder in /run, in %s", got)
	}
	if err := os.Chmod(p.system, 0o777); err != nil {
		t.Fatal(err)
	}
	if got := filepath.Dir(choose(t, p, "a")); got != p.private {
		t.Errorf("with a folder in /run that anybody can write, in %s", got)
	}
	if err := p.prepare(p.private); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(p.private); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("private folder %v, %v", info, err)
	}
}

func TestAFolderThatOthersCanEnterIsNotTrusted(t *testing.T) {
	p := folders(t)
	p.session, p.system = "", ""
	if err := os.Mkdir(p.private, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.private, 0o755); err != nil {
		t.Fatal(err)
	}
	want := p.private + ", for the control socket, is open to other users (mode 0755): chmod 700 it, or name " +
		"another place with --control PATH"
	if _, err := p.choose("a"); err == nil || err.Error() != want {
		t.Errorf("choose: %v", err)
	}
	if err := p.prepare(p.private); err == nil || err.Error() != want {
		t.Errorf("prepare: %v", err)
	}
	if err := os.Remove(p.private); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), p.private); err != nil {
		t.Fatal(err)
	}
	want = p.private + ", for the control socket, is not a folder of this user: remove it, or name another place " +
		"with --control PATH"
	if _, err := p.choose("a"); err == nil || err.Error() != want {
		t.Errorf("choose: %v", err)
	}
}

func TestTheSocketsNameOutlivesAMovedSymlink(t *testing.T) {
	p := folders(t)
	folder := t.TempDir()
	for _, release := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(folder, release), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	current := filepath.Join(folder, "current")
	var names [2][2]string
	for i, release := range []string{"1", "2"} {
		_ = os.Remove(current)
		if err := os.Symlink(release, current); err != nil {
			t.Fatal(err)
		}
		names[i][0] = choose(t, p, current+"/host.toml")
		t.Chdir(current) // sets PWD as a shell does
		t.Setenv("PWD", current)
		names[i][1] = choose(t, p, "")
		if named := choose(t, p, "host.toml"); named != names[i][0] {
			t.Errorf("relative %s, absolute %s", named, names[i][0])
		}
	}
	if names[0] != names[1] || names[0][0] == names[0][1] {
		t.Errorf("names %q", names)
	}
}

func TestAPathTooLongForASocketComesWithTheRemedy(t *testing.T) {
	p := folders(t)
	p.session = filepath.Join(p.session, strings.Repeat("x", 90))
	if err := os.Mkdir(p.session, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := p.choose("a")
	if err == nil || !strings.HasPrefix(err.Error(), "no place for the control socket: "+p.session) ||
		!strings.HasSuffix(err.Error(), "choose a shorter one, with --control PATH") {
		t.Errorf("error %v", err)
	}
}

func TestACommandFindsAHostThatRunsWithAnotherEnvironment(t *testing.T) {
	p := folders(t)
	if err := p.prepare(p.system); err != nil {
		t.Fatal(err)
	}
	host := p
	host.session = ""
	socket := choose(t, host, "a")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if got, err := p.existing("a"); err != nil || got != socket {
		t.Errorf("found %s, %v", got, err)
	}
	if got, err := p.existing("b"); err != nil || filepath.Dir(got) != p.session {
		t.Errorf("for a host that does not run: %s, %v", got, err)
	}
}

func TestOnlyTheFolderOfServicesHasTheServiceOfAPackage(t *testing.T) {
	p := folders(t)
	name, err := socketName(serviceFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.system, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{p.session, p.system} {
		if got, ok := p.service(); ok {
			t.Errorf("%s is the service's", got)
		}
		listener, err := net.Listen("unix", filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
	}
	if got, ok := p.service(); !ok || got != filepath.Join(p.system, name) {
		t.Errorf("found %q", got)
	}
}

func TestACommandNeedsNothingOfTheFileButItsControlKey(t *testing.T) {
	folder := site(t)
	find := func(given, file string) (string, error) {
		if err := os.WriteFile(FileName, []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
		place, err := FindControl(given, "", variables("NAME", "x"))
		return place.Socket, err
	}
	if got, err := find("", "control = 'run/${NAME}.sock'\nnonsense = 1\n"); err != nil ||
		got != folder+"/run/x.sock" {
		t.Errorf("from the file: %s, %v", got, err)
	}
	if got, err := find("y.sock", "control = 'x.sock'"); err != nil || got != folder+"/y.sock" {
		t.Errorf("from the flag: %s, %v", got, err)
	}
	if got, err := find("", "nonsense = 1"); err != nil || filepath.Dir(got) != folder {
		t.Errorf("by default: %s, %v", got, err)
	}
	if _, err := find("", "\ncontrol = 1"); err == nil ||
		err.Error() != "host.toml:2: control: expected a string, found the number 1" {
		t.Errorf("wrong type: %v", err)
	}
	if _, err := FindControl("", "none.toml", variables()); err == nil ||
		err.Error() != "none.toml: there is no such file: name one with -c FILE, or leave -c out" {
		t.Errorf("no file: %v", err)
	}
}

func TestACommandFindsTheHostOfAFileThatIsNoTOMLOrIsGone(t *testing.T) {
	folder := site(t)
	write := func(file string) {
		t.Helper()
		if err := os.WriteFile(FileName, []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("control = 'x.sock'\n[pool.a]\nenv = [\n  1,\n")
	if got, err := FindControl("", "", variables()); err != nil || got.Socket != folder+"/x.sock" {
		t.Errorf("named before the mistake: %v, %v", got, err)
	}
	write("[pool.a\n")
	if _, err := FindControl("", "", variables()); err == nil ||
		!strings.HasPrefix(err.Error(), "host.toml:1: not TOML: ") ||
		!strings.Contains(err.Error(), "--control PATH") {
		t.Errorf("no host: %v", err)
	}
	private, err := os.MkdirTemp("", "c") // a path short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(private)
	t.Setenv("XDG_RUNTIME_DIR", private)
	socket, err := ControlPath(FileName)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if got, err := FindControl("", "", variables()); err != nil || got.Socket != socket {
		t.Errorf("by default: %v, %v", got, err)
	}
	if err := os.Remove(FileName); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"", FileName} {
		if got, err := FindControl("", file, variables()); err != nil || got.Socket != socket {
			t.Errorf("without the file, asked for %q: %v, %v", file, got, err)
		}
	}
}
