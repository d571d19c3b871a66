package privilege

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAFolderIsForItsOwnerAndGoesWithItsPool(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var f Folder
	f.Close() // nothing was made: nothing happens
	temporary, err := f.Temporary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.Temporary(nil); again != temporary || err != nil {
		t.Errorf("asked again: %s, %v", again, err)
	}
	settings, err := f.Settings(nil, "a=1\n")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := f.Settings(nil, "a=1\n"); again != settings {
		t.Errorf("the same settings are at %s and %s", settings, again)
	}
	if other, _ := f.Settings(nil, "a=2\n"); other == settings {
		t.Errorf("other settings are at %s, too", other)
	}
	for path, mode := range map[string]os.FileMode{
		filepath.Dir(temporary): 0o711, temporary: 0o700, settings: 0o700,
		filepath.Join(settings, "settings.ini"): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	f.Close()
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

func TestWhatAKilledHostLeftIsSweptAndWhatALivingOneHasIsNot(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var living, dead, next Folder
	kept, err := living.Temporary(nil)
	if err != nil {
		t.Fatal(err)
	}
	left, err := dead.Temporary(nil)
	if err != nil {
		t.Fatal(err)
	}
	dead.lock.Close() // as the kernel does
	for _, folder := range []string{kept, left} {
		if err := os.Chtimes(filepath.Dir(folder), time.Time{}, time.Now().Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := next.Temporary(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what the dead one left: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("what the living one has: %v", err)
	}
	os.RemoveAll(filepath.Dir(kept)) // somebody cleans up the temporary folder
	if again, err := living.Temporary(nil); err != nil || again != kept {
		t.Errorf("it came back as %s, %v", again, err)
	}
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("it came back as %v, %v", info, err)
	}
	living.Close()
	next.Close()
}
