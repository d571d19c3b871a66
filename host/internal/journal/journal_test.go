package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type entry struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

// numbers are those of the entries.
func numbers(t *testing.T, f *File[entry]) (all []int) {
	t.Helper()
	entries, err := f.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.N)
	}
	return all
}

// fresh is a journal whose folder is not there yet.
func fresh(t *testing.T) *File[entry] {
	folder := filepath.Join(t.TempDir(), "journal")
	return New[entry](filepath.Join(folder, "x"), func() error { return os.MkdirAll(folder, 0o700) })
}

func add(t *testing.T, f *File[entry], e entry) {
	t.Helper()
	if err := f.Add(e); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsDeferredLeavesNoFile(t *testing.T) {
	f := fresh(t)
	if err := f.Defer(entry{N: 1}); err != nil || !slices.Equal(numbers(t, f), []int{1}) {
		t.Errorf("%v, %v", numbers(t, f), err)
	}
	if _, err := os.Stat(filepath.Dir(f.path)); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
	add(t, f, entry{N: 2})
	if err := f.Defer(entry{N: 3}); err != nil {
		t.Error(err)
	}
	if got, err := Read[entry](f.path); err != nil || len(got) != 3 || got[0].N != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if info, err := os.Stat(f.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// A process that is killed in the midst of a write leaves the beginning of a line, of any length.
func TestALineThatWasCutOffCostsNoOther(t *testing.T) {
	const whole = "{\"n\":1}\n"
	const last = "{\"n\":2,\"text\":\"abc\"}\n"
	for cut := range len(last) {
		f := fresh(t)
		if err := f.prepare(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path, []byte(whole+last[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		add(t, f, entry{N: 3})
		got := numbers(t, f)
		if want := []int{1, 3}; cut < len(last)-1 && !slices.Equal(got, want) {
			t.Errorf("cut after %d bytes: %v", cut, got)
		}
	}
}

func TestTheFileIsBoundedAndKeepsTheNewest(t *testing.T) {
	f := fresh(t)
	text := strings.Repeat("x", 64<<10)
	for n := range 100 {
		add(t, f, entry{n, text})
		if info, err := os.Stat(f.path); err != nil || info.Size() > most {
			t.Fatalf("%v, %v", info, err)
		}
	}
	got := numbers(t, f)
	if len(got) < 4 || got[len(got)-1] != 99 || got[0] != 100-len(got) {
		t.Errorf("%v", got)
	}
	add(t, f, entry{100, strings.Repeat("x", most)})
	if got := numbers(t, f); !slices.Equal(got, []int{100}) {
		t.Errorf("%v", got)
	}
	if left, _ := os.ReadDir(filepath.Dir(f.path)); len(left) != 1 {
		t.Errorf("%v", left)
	}
}

func TestWhatCanNotBeWrittenStaysPending(t *testing.T) {
	f := fresh(t)
	prepare, none := f.prepare, errors.New("no room")
	f.prepare = func() error { return none }
	for n := range mostPending + 5 {
		if err := f.Add(entry{N: n}); !errors.Is(err, none) {
			t.Fatal(err)
		}
	}
	if got := numbers(t, f); len(got) != mostPending || got[0] != 5 {
		t.Errorf("%v", got)
	}
	f.prepare = prepare
	add(t, f, entry{N: 1000})
	if got, err := Read[entry](f.path); err != nil || len(got) != mostPending || got[len(got)-1].N != 1000 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

func FuzzAnyFileCanBeReadAndAddedTo(f *testing.F) {
	f.Add([]byte("{\"n\":1}\n{\"n\""))
	f.Add([]byte("\n\n[]\nnull\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j := fresh(t)
		if err := j.prepare(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(j.path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		add(t, j, entry{N: 7})
		if got := numbers(t, j); len(got) == 0 || got[len(got)-1] != 7 {
			t.Errorf("%v", got)
		}
	})
}
