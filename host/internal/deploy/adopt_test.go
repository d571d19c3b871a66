//go:build linux || darwin

package deploy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAFolderThatIsInUseBecomesTheFirstRelease(t *testing.T) {
	l := lock(t, testPlace(t))
	for _, name := range []string{"worker.php", "storage/app/file", ".env", "var/log/x"} {
		put(t, filepath.Join(l.Current, name), name)
	}
	names := []string{"storage/", ".env", "var/log", "cache/"}
	stop, looked := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			for _, name := range []string{"worker.php", "storage/app/file", ".env", "var/log/x"} {
				if text, err := os.ReadFile(filepath.Join(l.Current, name)); string(text) != name {
					looked <- errors.Join(errors.New(name+" has "+string(text)), err)
					return
				}
			}
			select {
			case <-stop:
				looked <- nil
				return
			default:
			}
		}
	}()
	folder, shares, err := l.Adopt(names)
	if err != nil || folder != l.Place.Folder(1) || !slices.Equal(shares, names[:3]) {
		t.Fatalf("%s, %q, %v", folder, shares, err)
	}
	close(stop)
	if err := <-looked; err != nil {
		t.Error("while it changed places: ", err)
	}
	if live, err := l.Live(); err != nil || live != folder {
		t.Errorf("it leads to %s, %v", live, err)
	}
	if text, err := os.ReadFile(filepath.Join(l.Shared(), "storage/app/file")); err != nil || len(text) == 0 {
		t.Error(err)
	}
	if again, shares, err := l.Adopt(names); err != nil || again != folder || len(shares) != 0 {
		t.Errorf("once more: %s, %q, %v", again, shares, err)
	}
	next := begin(t, l)
	if err := next.Share(names); err != nil || next.Number != 2 {
		t.Errorf("the next, %d: %v", next.Number, err)
	}
	if text, err := os.ReadFile(filepath.Join(next.Folder, ".env")); err != nil || string(text) != ".env" {
		t.Errorf("the next has %q, %v", text, err)
	}
}

func TestAnAdoptionThatWasKilledIsMadeGood(t *testing.T) {
	l := lock(t, testPlace(t))
	put(t, filepath.Join(l.Current, "storage/file"), "1")
	if err := errors.Join(os.Mkdir(l.Shared(), 0o755), os.Symlink("releases/1", l.Place.Folder(1)),
		os.Symlink(linkOf("storage"), filepath.Join(l.Shared(), "storage"))); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = lock(t, l.Place)
	if _, _, err := l.Mend(none); err == nil || !strings.Contains(err.Error(), "adopt") {
		t.Errorf("a folder in its place: %v", err)
	}
	if folder, shares, err := l.Adopt([]string{"storage"}); err != nil || len(shares) != 1 {
		t.Fatalf("%s, %q, %v", folder, shares, err)
	}
	if text, err := os.ReadFile(filepath.Join(l.Current, "storage/file")); err != nil || string(text) != "1" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestWhatIsNoFolderChangedInPlaceIsNotAdopted(t *testing.T) {
	l := lock(t, testPlace(t))
	if _, _, err := l.Adopt(nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	put(t, l.Current, "a file")
	if _, _, err := l.Adopt(nil); err == nil {
		t.Error("a file is adopted")
	}
	os.Remove(l.Current)
	if err := os.Symlink(t.TempDir(), l.Current); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Adopt(nil); err == nil {
		t.Error("a symlink to elsewhere is adopted")
	}
}
