//go:build unix

package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

func none(string) bool { return false }

func lead(t *testing.T, p Place, folder string) {
	t.Helper()
	m, err := Prepare(p.Current, folder)
	if err == nil {
		err = m.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ready makes a release live.
func ready(t *testing.T, l *Lock) *Release {
	t.Helper()
	r := begin(t, l)
	put(t, filepath.Join(r.Folder, "n"), strconv.Itoa(r.Number))
	if err := r.Persist(); err != nil {
		t.Fatal(err)
	}
	lead(t, l.Place, r.Folder)
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTwoDeploysExcludeEachOther(t *testing.T) {
	p := testPlace(t)
	l := lock(t, p)
	if _, err := p.Lock(); !errors.Is(err, ErrBusy) {
		t.Fatalf("%v", err)
	}
	l.Close()
	lock(t, p)
}

func TestWhatAKilledDeployLeftIsRemovedAndItsNumberNeverComesAgain(t *testing.T) {
	l := lock(t, testPlace(t))
	ready(t, l)
	given := begin(t, l)
	put(t, filepath.Join(given.Folder, "half"), "1")
	next := begin(t, l)
	if next.Number != 3 {
		t.Errorf("the next is %d", next.Number)
	}
	os.RemoveAll(next.Folder) // killed before it had its folder
	removed, kept, err := l.Mend(none)
	if err != nil || len(removed) != 2 || len(kept) != 0 {
		t.Fatalf("removed %v, kept %v: %v", removed, kept, err)
	}
	if all, marked, _ := l.numbers(); !slices.Equal(all, []int{1}) || len(marked) > 0 {
		t.Errorf("there are %v, and marks of %v", all, marked)
	}
}

func TestAReleaseThatHasGoneLiveIsKeptThoughItsDeployWasKilled(t *testing.T) {
	l := lock(t, testPlace(t))
	moved := begin(t, l)
	lead(t, l.Place, moved.Folder)
	served := begin(t, l)
	removed, kept, err := l.Mend(func(folder string) bool { return folder == served.Folder })
	if err != nil || len(removed) != 0 || !slices.Equal(kept, []string{moved.Folder, served.Folder}) {
		t.Fatalf("removed %v, kept %v: %v", removed, kept, err)
	}
	if whole, _ := l.Whole(); !slices.Equal(whole, []int{1, 2}) {
		t.Errorf("whole are %v", whole)
	}
}

func TestAReleaseThatIsBeingPutLiveIsLeftAlone(t *testing.T) {
	l := lock(t, testPlace(t))
	r := begin(t, l)
	claim, err := Claim(r.Folder)
	if err != nil || claim == nil {
		t.Fatal(err)
	}
	if _, _, err := l.Mend(none); !errors.Is(err, ErrClaimed) {
		t.Fatalf("%v", err)
	}
	if _, err := Claim(r.Folder); !errors.Is(err, ErrClaimed) {
		t.Errorf("claim twice: %v", err)
	}
	claim.Close()
	if removed, _, err := l.Mend(none); err != nil || len(removed) != 1 {
		t.Errorf("removed %v: %v", removed, err)
	}
	if claim, err := Claim(r.Folder); claim != nil || err != nil {
		t.Errorf("without a mark: %v, %v", claim, err)
	}
}

func TestOldReleasesGoButThoseThatAreUsedStay(t *testing.T) {
	l := lock(t, testPlace(t))
	for range 6 {
		ready(t, l)
	}
	put(t, filepath.Join(l.Releases(), "notes/x"), "of somebody")
	lead(t, l.Place, l.Place.Folder(2))
	removed, err := l.Prune(2, func(folder string) bool { return folder == l.Place.Folder(3) })
	if err != nil || len(removed) != 2 {
		t.Fatalf("removed %v: %v", removed, err)
	}
	if whole, _ := l.Whole(); !slices.Equal(whole, []int{2, 3, 5, 6}) {
		t.Errorf("there are %v", whole)
	}
	if _, err := os.Stat(filepath.Join(l.Releases(), "notes/x")); err != nil {
		t.Error(err)
	}
	if _, err := l.Find(1); err == nil {
		t.Error("release 1 is found")
	}
}

func TestAFolderThatIsChangedInPlaceIsNotReplaced(t *testing.T) {
	l := lock(t, testPlace(t))
	put(t, filepath.Join(l.Current, "index.php"), "1")
	if _, err := l.Live(); err == nil {
		t.Error("it is taken for a symlink")
	}
	if _, err := Prepare(l.Current, begin(t, l).Folder); err == nil {
		t.Error("it would be replaced")
	}
}

func TestTheSymlinkLeadsToAWholeReleaseAtAnyMoment(t *testing.T) {
	l := lock(t, testPlace(t))
	a, b := ready(t, l), ready(t, l)
	stop := make(chan struct{})
	looked := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				looked <- nil
				return
			default:
			}
			if _, err := os.ReadFile(filepath.Join(l.Current, "n")); err != nil {
				looked <- err
				return
			}
		}
	}()
	for range 200 {
		lead(t, l.Place, a.Folder)
		lead(t, l.Place, b.Folder)
	}
	close(stop)
	if err := <-looked; err != nil {
		t.Error(err)
	}
	m, err := Prepare(l.Current, a.Folder)
	if err != nil {
		t.Fatal(err)
	}
	m.Discard()
	if live, err := l.Live(); err != nil || live != b.Folder {
		t.Errorf("%s, %v", live, err)
	}
}

func TestWhatIsSharedBeginsWithWhatTheFirstReleaseBrings(t *testing.T) {
	l := lock(t, testPlace(t))
	put(t, filepath.Join(l.Shared(), ".env"), "KEY=1")
	for n := range 2 {
		r := begin(t, l)
		put(t, filepath.Join(r.Folder, "storage/app/seed"), strconv.Itoa(n))
		if err := r.Share([]string{"storage", ".env", "var/uploads/"}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"storage/app/seed": "0", ".env": "KEY=1"} {
			if text, err := os.ReadFile(filepath.Join(r.Folder, name)); err != nil || string(text) != want {
				t.Errorf("release %d: %s has %q, %v", r.Number, name, text, err)
			}
		}
		put(t, filepath.Join(r.Folder, "var/uploads/file"), "1")
	}
	if _, err := os.Stat(filepath.Join(l.Shared(), "var/uploads/file")); err != nil {
		t.Error(err)
	}
	if err := begin(t, l).Share([]string{"config.php"}); err == nil {
		t.Error("nobody brought config.php, and it is shared")
	}
	for _, bad := range []string{"", ".", "../x", "/etc", ".git/hooks", "a/../b"} {
		if CheckShared(bad) == nil {
			t.Errorf("%q may be shared", bad)
		}
	}
}
