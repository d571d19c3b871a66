package deploy

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testPlace is a place without releases.
func testPlace(t *testing.T) Place {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return Place{Current: filepath.Join(top, "current")}
}

func lock(t *testing.T, p Place) *Lock {
	t.Helper()
	l, err := p.Lock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func begin(t *testing.T, l *Lock) *Release {
	t.Helper()
	r, err := l.New()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func testRelease(t *testing.T) *Release { return begin(t, lock(t, testPlace(t))) }

func archived(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(data)
	w.Close()
	return out.Bytes()
}

func zipOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		switch h.SetMode(0o664); e.kind {
		case tar.TypeSymlink:
			h.SetMode(fs.ModeSymlink | 0o777)
		case tar.TypeDir:
			h.SetMode(fs.ModeDir | 0o755)
		case tar.TypeFifo:
			h.SetMode(fs.ModeNamedPipe | 0o644)
		}
		to, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		to.Write([]byte(e.target))
	}
	w.Close()
	return out.Bytes()
}

func TestArchivesOfAllKindsBecomeTheSameRelease(t *testing.T) {
	entries := []entry{{tar.TypeDir, "./", ""}, {tar.TypeReg, "public/index.php", "<?php"},
		{tar.TypeDir, "empty/", ""},
		{tar.TypeSymlink, "public/again", "../public/index.php"}, {tar.TypeReg, ".git/config", "[x]"}}
	for name, data := range map[string][]byte{"a.tar": tarOf(entries...), "a.tgz": zipped(tarOf(entries...)),
		"a.zip": zipOf(t, entries[1:]...)} {
		r := testRelease(t)
		if err := r.FromArchive(t.Context(), archived(t, name, data), DefaultLimits, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, file := range []string{"public/index.php", "public/again"} {
			if text, err := os.ReadFile(filepath.Join(r.Folder, file)); err != nil || string(text) != "<?php" {
				t.Errorf("%s: %s has %q, %v", name, file, text, err)
			}
		}
		info, err := os.Stat(filepath.Join(r.Folder, "public/index.php"))
		if err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if info, err := os.Stat(filepath.Join(r.Folder, "empty")); err != nil || !info.IsDir() {
			t.Errorf("%s: the empty folder: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(r.Folder, ".git")); err == nil {
			t.Errorf("%s brought a repository", name)
		}
	}
}

func TestWhatNoReleaseMayHaveIsRefused(t *testing.T) {
	for name, entries := range map[string][]entry{
		"a device":                 {{tar.TypeChar, "null", ""}},
		"a block device":           {{tar.TypeBlock, "sda", ""}},
		"a named pipe":             {{tar.TypeFifo, "pipe", ""}},
		"a name with ..":           {{tar.TypeReg, "../x", "1"}},
		"an absolute name":         {{tar.TypeReg, "/etc/x", "1"}},
		"an absolute symlink":      {{tar.TypeSymlink, "x", "/etc/passwd"}},
		"a symlink that leads out": {{tar.TypeSymlink, "a/x", "../../y"}},
		"a file behind a symlink":  {{tar.TypeSymlink, "x", "y"}, {tar.TypeReg, "x/z", "1"}},
		"a folder for a symlink":   {{tar.TypeSymlink, "x", "y"}, {tar.TypeDir, "x", ""}},
		"a file twice":             {{tar.TypeReg, "x", "1"}, {tar.TypeReg, "./x", "2"}},
		"a hard link to a symlink": {{tar.TypeSymlink, "x", "y"}, {tar.TypeLink, "z", "x"}},
		"a hard link out":          {{tar.TypeLink, "z", "../../current"}},
		"a hard link to nothing":   {{tar.TypeLink, "z", "y"}},
		"too many files":           {{tar.TypeReg, "1", ""}, {tar.TypeReg, "2", ""}, {tar.TypeReg, "a/b/c", ""}},
		"too much":                 {{tar.TypeReg, "1", strings.Repeat("x", 101)}},
	} {
		r := testRelease(t)
		err := r.FromArchive(t.Context(), archived(t, "a.tar", tarOf(entries...)), Limits{Bytes: 100, Files: 4}, nil)
		if err == nil {
			t.Errorf("%s is let in", name)
		}
	}
	r := testRelease(t)
	pipe := archived(t, "a.zip", zipOf(t, entry{tar.TypeFifo, "pipe", ""}))
	if err := r.FromArchive(t.Context(), pipe, DefaultLimits, nil); err == nil {
		t.Error("a named pipe of a .zip is let in")
	}
	if err := r.FromArchive(t.Context(), archived(t, "a.zip", []byte("no archive")), DefaultLimits, nil); err == nil {
		t.Error("what is no archive is let in")
	}
	bomb := archived(t, "a.zip", zipOf(t, entry{tar.TypeReg, "zeros", strings.Repeat("\x00", 1<<20)}))
	if err := r.FromArchive(t.Context(), bomb, Limits{Bytes: 1 << 10, Files: 9}, nil); !errors.Is(err, errTooMuch) {
		t.Errorf("a bomb: %v", err)
	}
}

func TestUnpackingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	archive := archived(t, "a.tar", tarOf(entry{tar.TypeReg, "x", "1"}))
	if err := testRelease(t).FromArchive(ctx, archive, DefaultLimits, nil); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

func TestAFolderIsCopiedWithoutItsRepositoryAndWhatIsShared(t *testing.T) {
	p := testPlace(t)
	from := t.TempDir()
	for name, text := range map[string]string{"bin/run": "1", ".git/HEAD": "ref", "storage/old": "1", "a": "1"} {
		put(t, filepath.Join(from, name), text)
	}
	os.Chmod(filepath.Join(from, "bin/run"), 0o777)
	os.Symlink("bin/run", filepath.Join(from, "run"))
	put(t, filepath.Join(p.Shared(), "storage/kept"), "1")
	r := begin(t, lock(t, p))
	if err := r.FromFolder(t.Context(), from, DefaultLimits, p.Keeps([]string{"storage/"})); err != nil {
		t.Fatal(err)
	}
	var got []string
	fs.WalkDir(os.DirFS(r.Folder), ".", func(name string, _ fs.DirEntry, err error) error {
		got = append(got, name)
		return err
	})
	if list := strings.Join(got, " "); list != ". a bin bin/run run" {
		t.Errorf("%s", list)
	}
	if info, _ := os.Stat(filepath.Join(r.Folder, "run")); info == nil || info.Mode() != 0o755 {
		t.Errorf("bin/run is %v", info)
	}
	if err := r.FromFolder(t.Context(), filepath.Dir(p.Current), DefaultLimits, nil); err == nil {
		t.Error("a folder was copied into itself")
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
