package checkout

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// git runs it in a folder, without anybody's settings.
func git(t *testing.T, folder string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.org",
		"-c", "safe.directory=*"}, arguments...)...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", arguments, err, out)
	}
	return strings.TrimSpace(string(out))
}

func checkedOut(t *testing.T) (folder, head string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	folder = t.TempDir()
	git(t, folder, "init", "-q", "-b", "trunk")
	write(t, folder, "public/index.php", "1")
	git(t, folder, "add", ".")
	git(t, folder, "commit", "-q", "-m", "first")
	return folder, git(t, folder, "rev-parse", "HEAD")
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheCommitOfACheckoutIsFound(t *testing.T) {
	folder, head := checkedOut(t)
	for name, change := range map[string]func() string{
		"a branch":     func() string { return folder },
		"a folder":     func() string { return filepath.Join(folder, "public") },
		"packed names": func() string { git(t, folder, "pack-refs", "--all"); return folder },
		"a detached head": func() string {
			git(t, folder, "checkout", "-q", "--detach")
			return folder
		},
		"a worktree": func() string {
			tree := filepath.Join(t.TempDir(), "tree")
			git(t, folder, "worktree", "add", "-q", "-b", "other", tree, "HEAD")
			return filepath.Join(tree, "public")
		},
	} {
		if got := Commit(change()); got != head {
			t.Errorf("%s: %q, and not %s", name, got, head)
		}
	}
}

// A release that was copied to below another checkout, such as that of somebody's home folder, is none of it.
func TestAFolderThatIsNotInTheCheckoutHasNoCommit(t *testing.T) {
	folder, _ := checkedOut(t)
	write(t, folder, "releases/1/worker.php", "1")
	if got := Commit(filepath.Join(folder, "releases/1")); got != "" {
		t.Errorf("%q", got)
	}
	if got := Commit(t.TempDir()); got != "" {
		t.Errorf("%q", got)
	}
}

func TestAReleaseIsKnownByItsRevision(t *testing.T) {
	folder := t.TempDir()
	id := strings.Repeat("0123456789", 4)
	for text, want := range map[string]string{id + "\n": id, id: id, "v1\n": "", id + "0": ""} {
		write(t, folder, "REVISION", text)
		write(t, folder, "public/index.php", "1")
		if got := Commit(filepath.Join(folder, "public")); got != want {
			t.Errorf("%q: %q, and not %q", text, got, want)
		}
	}
}

func TestARepositoryOfOthersIsNotBelieved(t *testing.T) {
	folder, head := checkedOut(t)
	if os.Geteuid() == 0 {
		const other, third = 65533, 65534
		for owners, want := range map[struct{ repository, folder int }]string{
			{other, 0}: "", {other, third}: "", {0, other}: head, {other, other}: head,
		} {
			if err := os.Lchown(filepath.Join(folder, ".git"), owners.repository, -1); err != nil {
				t.Fatal(err)
			}
			if err := os.Lchown(folder, owners.folder, -1); err != nil {
				t.Fatal(err)
			}
			if got := Commit(folder); got != want {
				t.Errorf("%+v: %q, and not %q", owners, got, want)
			}
			if got := Commit(folder, other, third); got != head {
				t.Errorf("%+v, for both users: %q", owners, got)
			}
		}
	}
	write(t, folder, ".git/HEAD", "ref: refs/../../../etc/passwd\n")
	write(t, folder, ".git/refs/heads/trunk", "root:x:0:0\n")
	for _, head := range []string{"ref: refs/../../../etc/passwd\n", "root:x:0:0\n", "ref: refs/heads/trunk\n", ""} {
		write(t, folder, ".git/HEAD", head)
		if got := Commit(folder); got != "" {
			t.Errorf("HEAD %q: %q", head, got)
		}
	}
}
