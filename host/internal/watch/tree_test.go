package watch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func plant(t *testing.T, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func taken(t *testing.T, folder string, before *Tree) *Tree {
	t.Helper()
	f := Filter{PHP: true, Except: func(path string) bool { return strings.Contains(path, "uploads/") }}
	tree, err := Take(t.Context(), []string{folder}, f, before)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func changed(t *testing.T, folder string, now, before *Tree) []string {
	t.Helper()
	files := now.Changed(before)
	for i, file := range files {
		below, err := filepath.Rel(Resolve(folder), file)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = filepath.ToSlash(below)
	}
	return files
}

func TestOnlyCodeWithOtherContentHasChanged(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plant(t, dir, "a.php", "1")
	plant(t, dir, "b.php", "1")
	plant(t, dir, "vendor/x/y/c.php", "1")
	before := taken(t, dir, nil)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "a.php"), later, later); err != nil {
		t.Fatal(err)
	}
	plant(t, dir, "b.php", "22")
	plant(t, dir, "vendor/x/y/c.php", "22")
	plant(t, dir, "z/new.php", "1")
	for _, none := range []string{"vendor/x/y/Tests/t.php", "vendor/x/y/stubs/s.php", "var/cache/k.php", ".git/g.php",
		"node_modules/n.php", "view.twig", "stub.php.stub", "uploads/u.php", "storage/framework/views/v.php"} {
		plant(t, dir, none, "1")
	}
	now := taken(t, dir, before)
	want := []string{"b.php", "z/new.php", "vendor/x/y/c.php"}
	if got := changed(t, dir, now, before); !slices.Equal(got, want) {
		t.Errorf("changed: %q, want %q", got, want)
	}
	if got := taken(t, dir, now).Changed(now); len(got) != 0 {
		t.Errorf("with nothing changed: %q", got)
	}
}

func TestAReleaseIsComparedWithTheOneBefore(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	for _, release := range []string{one, two} {
		plant(t, release, "same.php", "1")
		plant(t, release, "other.php", filepath.Base(release))
	}
	plant(t, two, "new.php", "1")
	before := taken(t, one, nil)
	want := []string{"new.php", "other.php"}
	if got := changed(t, two, taken(t, two, before), before); !slices.Equal(got, want) {
		t.Errorf("changed: %q, want %q", got, want)
	}
}
