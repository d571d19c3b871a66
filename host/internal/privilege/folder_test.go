package privilege

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
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

func TestFilesAreForAllToReadAndForNobodyToChange(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var f Folder
	defer f.Close()
	files := fstest.MapFS{"a.php": {Data: []byte("a")}, "src/b.php": {Data: []byte("b")}}
	path, err := f.Files("sdk", files)
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{".": 0o755, "a.php": 0o644, "src": 0o755, "src/b.php": 0o644} {
		if info, err := os.Stat(filepath.Join(path, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if info, err := os.Stat(filepath.Join(path, "a.php")); err != nil || time.Since(info.ModTime()) < time.Minute {
		t.Errorf("a.php was changed a moment ago, so opcache would not keep it: %v, %v", info, err)
	}
	os.RemoveAll(path) // somebody cleans up the temporary folder
	again, err := f.Files("sdk", files)
	if err != nil || again != path {
		t.Errorf("it came back as %s, %v", again, err)
	}
	if text, err := os.ReadFile(filepath.Join(again, "src/b.php")); err != nil || string(text) != "b" {
		t.Errorf("b.php: %q, %v", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("beside it are %v", left)
	}
}
