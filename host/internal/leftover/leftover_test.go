//go:build unix

package leftover

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const prefix = "workerhost-test-"

// folder makes one with a lock file, and returns the latter, open.
func folder(t *testing.T, parent, name string) *os.File {
	t.Helper()
	path := filepath.Join(parent, prefix+name)
	if err := os.Mkdir(path, 0o711); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(path, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	return lock
}

func there(t *testing.T, parent, name string) bool {
	t.Helper()
	_, err := os.Lstat(filepath.Join(parent, prefix+name))
	return err == nil
}

func TestASweepRemovesWhatNobodyHasLocked(t *testing.T) {
	parent := t.TempDir()
	kind := Kind{Prefix: prefix, Lock: "lock"}
	folder(t, parent, "dead")
	if err := os.WriteFile(filepath.Join(parent, prefix+"dead", "upload"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !TryLock(folder(t, parent, "alive")) {
		t.Fatal("no lock")
	}
	if err := os.Mkdir(filepath.Join(parent, prefix+"unlocked"), 0o700); err != nil {
		t.Fatal(err)
	}
	Sweep(parent, kind)
	if there(t, parent, "dead") {
		t.Error("what a dead one left is still there")
	}
	if !there(t, parent, "alive") || !there(t, parent, "unlocked") {
		t.Error("what a living one has is gone, or what is about to be locked")
	}

	kind.Lock, kind.Young = "", time.Hour
	Sweep(parent, kind)
	if !there(t, parent, "unlocked") {
		t.Error("one that may be about to be locked is gone")
	}
	kind.Young = 0
	held, err := os.Open(filepath.Join(parent, prefix+"alive"))
	if err != nil || !TryLock(held) {
		t.Fatal(err)
	}
	defer held.Close()
	Sweep(parent, kind)
	if there(t, parent, "unlocked") || !there(t, parent, "alive") {
		t.Error("a folder that is its own lock")
	}
}

// A shared temporary folder: whoever can write to it can put there what looks like a dead host's, and lead the sweep
// elsewhere.
func TestASweepFollowsNoSymlinkAndTouchesNothingOfOthers(t *testing.T) {
	kind := Kind{Prefix: prefix, Lock: "lock"}
	t.Run("a symlink for a folder", func(t *testing.T) {
		parent, elsewhere := t.TempDir(), t.TempDir()
		folder(t, elsewhere, "target")
		for _, to := range []string{filepath.Join(elsewhere, prefix+"target"), prefix + "beside"} {
			if err := os.Symlink(to, filepath.Join(parent, prefix+"link-"+filepath.Base(to))); err != nil {
				t.Fatal(err)
			}
		}
		TryLock(folder(t, parent, "beside"))
		Sweep(parent, kind)
		if !there(t, elsewhere, "target") || !there(t, parent, "beside") {
			t.Error("the target is gone")
		}
	})
	t.Run("a symlink or a pipe for a lock", func(t *testing.T) {
		parent := t.TempDir()
		outside := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(outside, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for name, make := range map[string]func(lock string) error{
			"symlink": func(lock string) error { return os.Symlink(outside, lock) },
			"pipe":    func(lock string) error { return syscall.Mkfifo(lock, 0o600) },
		} {
			lock := folder(t, parent, name).Name()
			if err := os.Remove(lock); err != nil {
				t.Fatal(err)
			}
			if err := make(lock); err != nil {
				t.Fatal(err)
			}
		}
		Sweep(parent, kind)
		if !there(t, parent, "symlink") || !there(t, parent, "pipe") {
			t.Error("what is no lock was opened and locked")
		}
	})
	t.Run("another user's", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("needs root, to give files away")
		}
		parent := t.TempDir()
		for _, name := range []string{"folder", "lock"} {
			lock := folder(t, parent, name).Name()
			if name == "folder" {
				lock = filepath.Dir(lock)
			}
			if err := os.Chown(lock, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		Sweep(parent, kind)
		if !there(t, parent, "folder") || !there(t, parent, "lock") {
			t.Error("it was opened and removed")
		}
	})
}
