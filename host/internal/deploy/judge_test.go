package deploy

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamesThatLeadOutOfAReleaseAreRefused(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "./a": "a", "a/": "a", "a//b": "a/b", "a/./b": "a/b", ".": ".", "./": ".", "..a/b..": "..a/b..",
		".env": ".env", strings.Repeat("a", longestName): strings.Repeat("a", longestName),
	} {
		if got, err := judge(name); err != nil || got != want {
			t.Errorf("%.50q: %.50q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "/", "/a", "//a", "..", "../a", "a/..", "a/../b", "a/../../b", `a\b`, "a\x00",
		"a\nb", `..\a`, strings.Repeat("a", longestName+1)} {
		if got, err := judge(name); err == nil {
			t.Errorf("%.50q is let in, as %.50q", name, got)
		}
	}
}

func TestSymlinksThatLeadOutOfAReleaseAreRefused(t *testing.T) {
	for _, good := range [][2]string{{"a", "b"}, {"a", "./b"}, {"a", "b/c"}, {"a/b", "../c"}, {"a/b", ".."},
		{"a/b/c", "../../d"}, {"a/b/c", "../d/e"}, {"a", "."}} {
		if err := judgeLink(good[0], good[1]); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range [][2]string{{"a", ""}, {"a", "/b"}, {"a", ".."}, {"a", "../b"}, {"a/b", "../../c"},
		{"a", "b/.."}, {"a", "b/../c"}, {"a/b", "../c/../../d"}, {"a", "b\x00"}, {"a", `b\c`},
		{"a", strings.Repeat("a", longestTarget+1)}} {
		if err := judgeLink(bad[0], bad[1]); err == nil {
			t.Errorf("%.50q is let in", bad)
		}
	}
}

// entry is one of an archive, for tests.
type entry struct {
	kind         byte
	name, target string
}

func tarOf(entries ...entry) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Linkname: e.target, Mode: 0o644}
		if e.kind == tar.TypeReg {
			h.Size = int64(len(e.target))
			h.Linkname = ""
		}
		if w.WriteHeader(h) == nil && h.Size > 0 {
			w.Write([]byte(e.target))
		}
	}
	w.Close()
	return out.Bytes()
}

// FuzzNothingOfAnArchiveComesToLieOutsideOfARelease unpacks entries in any order, and looks at what is there then.
func FuzzNothingOfAnArchiveComesToLieOutsideOfARelease(f *testing.F) {
	f.Add("2s ../o\n0s/x hello")
	f.Add("5d\n2d/l ..\n2d/l/m ..\n0d/l/m/x 1")
	f.Add("2a b\n2b ..\n0a/x 1")
	f.Add("5a\n2a/b .\n2a/b/c ..\n1h a/b/c/../../x")
	f.Add("5s\n2s/d ../z\n2s/x d/../../etc\n0s/x/y 1")
	kinds := map[byte]byte{'0': tar.TypeReg, '1': tar.TypeLink, '2': tar.TypeSymlink, '5': tar.TypeDir,
		'6': tar.TypeFifo}
	f.Fuzz(func(t *testing.T, text string) {
		var entries []entry
		for line := range strings.SplitSeq(text, "\n") {
			if line == "" || kinds[line[0]] == 0 || len(entries) == 50 {
				continue
			}
			name, target, _ := strings.Cut(line[1:], " ")
			entries = append(entries, entry{kinds[line[0]], name, target})
		}
		p := testPlace(t)
		r := &Release{Place: p, Number: 1, Folder: p.Folder(1)}
		if err := os.MkdirAll(r.Folder, 0o755); err != nil {
			t.Fatal(err)
		}
		archive := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(archive, tarOf(entries...), 0o600); err != nil {
			t.Fatal(err)
		}
		r.FromArchive(t.Context(), archive, Limits{Bytes: 1 << 20, Files: 100}, nil)
		top := filepath.Dir(r.Current)
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case within(path, r.Folder):
			case path != top && path != r.Releases() && path != r.Folder+mark && d.Name() != ".lock":
				t.Errorf("%q put %s there", text, path)
			}
			if d.Type() != fs.ModeSymlink {
				return nil
			}
			if real, err := filepath.EvalSymlinks(path); err == nil && !within(real, r.Folder) {
				t.Errorf("%q has %s lead to %s", text, path, real)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
