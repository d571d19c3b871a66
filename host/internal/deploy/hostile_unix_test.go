//go:build unix

package deploy

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAReleaseThatWasRemovedHasNoNamesake(t *testing.T) {
	l := lock(t, testPlace(t))
	ready(t, l)
	begin(t, l)
	for range 2 { // the second one has nothing to remove
		if _, _, err := l.Mend(none); err != nil {
			t.Fatal(err)
		}
		l.Close()
		l = lock(t, l.Place)
	}
	if next := begin(t, l); next.Number != 3 {
		t.Errorf("the next is %d", next.Number)
	}
}

// What the pool's user may have put into a release is read by root.
func TestAFileThatNeverEndsIsNotReadAsTheCommitOrTheBranch(t *testing.T) {
	p := testPlace(t)
	put(t, filepath.Join(p.Current, "worker.php"), "1")
	g := Repository{From: t.TempDir()}
	put(t, filepath.Join(g.From, "refs/heads/other"), "1")
	for _, place := range []func() error{
		func() error { return syscall.Mkfifo(filepath.Join(p.Current, Revision), 0o600) },
		func() error { return syscall.Mkfifo(filepath.Join(g.From, "refs/heads/main"), 0o600) },
		func() error { return os.Symlink("/dev/zero", filepath.Join(p.Current, Revision)) },
		func() error { return os.Symlink("/dev/zero", filepath.Join(g.From, "refs/heads/main")) },
	} {
		os.Remove(filepath.Join(p.Current, Revision))
		os.Remove(filepath.Join(g.From, "refs/heads/main"))
		if err := place(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan string)
		go func() { ended <- p.Commit() + g.Look("main") }()
		select {
		case got := <-ended:
			if got != "" {
				t.Errorf("it says %q", got)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it is read without an end")
		}
	}
}

// A file may give way to something else between two looks.
func TestACopyDoesNotWaitForANamedPipe(t *testing.T) {
	folder := t.TempDir()
	put(t, filepath.Join(folder, "a"), "1")
	from, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	then, err := from.Lstat("a")
	if err := errors.Join(err, from.Remove("a"), syscall.Mkfifo(filepath.Join(folder, "a"), 0o600)); err != nil {
		t.Fatal(err)
	}
	r, ended := testRelease(t), make(chan error)
	go func() {
		ended <- r.fill(DefaultLimits, nil, func(tree *tree) error {
			return tree.copy(t.Context(), from, "a", fs.FileInfoToDirEntry(then))
		})
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a named pipe was copied")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for the other end of a named pipe")
	}
}

// The repository may be in the hands of whoever pushes.
func TestAHookIsNotWrittenThroughASymlink(t *testing.T) {
	g, _ := repository(t, map[string]string{"a": "1"})
	victim := filepath.Join(t.TempDir(), "victim")
	put(t, victim, "precious")
	hooks := filepath.Join(g.From, "hooks")
	if err := errors.Join(os.MkdirAll(hooks, 0o755),
		os.Symlink(victim, filepath.Join(hooks, "pre-receive.next"))); err != nil {
		t.Fatal(err)
	}
	hook, err := Init(t.Context(), g.From, "main", []string{"host", "it's"})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v was written through a symlink", text, err)
	}
	if text, err := os.ReadFile(hook); err != nil || !strings.Contains(string(text), `exec 'host' 'it'\''s'`) {
		t.Errorf("the hook is %q, %v", text, err)
	}
	elsewhere := t.TempDir()
	if err := errors.Join(os.RemoveAll(hooks), os.Symlink(elsewhere, hooks)); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(t.Context(), g.From, "main", []string{"host"}); err == nil {
		t.Error("a hook was made in another folder")
	}
	if made, _ := os.ReadDir(elsewhere); len(made) > 0 {
		t.Errorf("%v was made in another folder", made)
	}
}

// The folder that is adopted belongs to the pool's user.
func TestAnAdoptionMovesNothingThatLiesBehindASymlink(t *testing.T) {
	l := lock(t, testPlace(t))
	elsewhere := filepath.Join(filepath.Dir(l.Current), "elsewhere")
	put(t, filepath.Join(elsewhere, "log/mail"), "of others")
	put(t, filepath.Join(l.Current, "worker.php"), "1")
	if err := os.Symlink(elsewhere, filepath.Join(l.Current, "var")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Adopt([]string{"var/log"}); err == nil {
		t.Error("what lies behind a symlink is adopted")
	}
	if info, err := os.Lstat(filepath.Join(elsewhere, "log")); err != nil || !info.IsDir() {
		t.Errorf("it was moved: %v, %v", info, err)
	}
}

// A release is not to remove what others share.
func TestASymlinkOfAReleaseDoesNotLeadToWhatIsShared(t *testing.T) {
	p := testPlace(t)
	l := lock(t, p)
	put(t, filepath.Join(p.Shared(), "storage/uploads/photo"), "of somebody")
	put(t, filepath.Join(p.Shared(), "media/uploads/other"), "of somebody else")
	r := begin(t, l)
	if err := os.Symlink("storage", filepath.Join(r.Folder, "media")); err != nil {
		t.Fatal(err)
	}
	err := r.Share([]string{"storage/", "media/uploads/"})
	if err == nil || !strings.Contains(err.Error(), "which is a symlink") {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(filepath.Join(p.Shared(), "storage/uploads/photo")); err != nil {
		t.Errorf("what is shared has %q, %v", text, err)
	}
}

// A commit of some hundred bytes can name more files than there is memory for.
func TestACommitThatNamesOneTreeWithoutEndIsRefused(t *testing.T) {
	g, _ := repository(t, map[string]string{"a": "1"})
	git := func(in string, arguments ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.org"},
			arguments...)...)
		cmd.Dir, cmd.Stdin = g.From, strings.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %q: %v", arguments, err)
		}
		return strings.TrimSpace(string(out))
	}
	kind, id := "100644 blob", git("1234567", "hash-object", "-w", "--stdin")
	for range 6 { // a million files
		var tree strings.Builder
		for i := range 10 {
			fmt.Fprintf(&tree, "%s %s\tn%d\n", kind, id, i)
		}
		kind, id = "040000 tree", git(tree.String(), "mktree")
	}
	commit := git("", "commit-tree", "-m", "bomb", id)
	for _, limits := range []Limits{
		{Bytes: 1 << 40, Files: 1000}, {Bytes: 7000, Files: 1 << 20},
	} {
		if size, err := g.Size(t.Context(), commit, limits); !errors.Is(err, errTooMuch) {
			t.Errorf("within %+v it has %d bytes, %v", limits, size, err)
		}
	}
}

// All names are known until the release is made.
func TestNamesAreBoundedTogether(t *testing.T) {
	long := strings.Repeat(strings.Repeat("d", 200)+"/", 19)
	var files []entry
	for i := range 20 {
		files = append(files, entry{tar.TypeReg, fmt.Sprintf("%sfile%d", long, i), ""})
	}
	r := testRelease(t)
	err := r.FromArchive(t.Context(), archived(t, "x.tar", tarOf(files...)), Limits{Bytes: 100, Files: 60}, nil)
	if err == nil || !strings.Contains(err.Error(), "names of its files are too long") {
		t.Errorf("%v", err)
	}
}

func TestASecretOfAURLIsNotTold(t *testing.T) {
	for from, want := range map[string]string{
		"https://ada:sesame@example.org/x.git": "https://REDACTED@example.org/x.git",
		"https://ghp_sesame@example.org/x.git": "https://REDACTED@example.org/x.git",
		"ssh://git@example.org/x.git":          "ssh://git@example.org/x.git",
		"git@example.org:x.git":                "git@example.org:x.git",
		"/srv/a@b/x.git":                       "/srv/a@b/x.git",
	} {
		if got := (Repository{From: from}).Shown(); got != want {
			t.Errorf("%s is shown as %s", from, got)
		}
	}
	for _, from := range []string{"http://ada:sesame@127.0.0.1:1/x.git", "http://ghp_sesame@127.0.0.1:1/x.git"} {
		far := Repository{From: from, Mirror: filepath.Join(t.TempDir(), "mirror.git")}
		err := far.Fetch(t.Context())
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%v", err)
		}
		said := far.masked(fmt.Errorf("fatal: could not read Password for '%s'", from))
		if strings.Contains(said.Error(), "sesame") {
			t.Errorf("%v", said)
		}
	}
}
