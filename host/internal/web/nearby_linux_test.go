package web

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAFileThatIsThereIsNeverTakenToBeLacking(t *testing.T) {
	base := t.TempDir()
	f, err := openFolder(base)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	lacks := func(name string) bool {
		file, known := f.nearby(name, true)
		_, same := f.nearby(name, false)
		return file == nil && known && same
	}
	os.WriteFile(filepath.Join(base, "file"), nil, 0o600)
	os.Symlink(base, filepath.Join(base, "out"))
	for _, name := range []string{"file", "out/file"} {
		os.Stat(filepath.Join(base, name))
		if lacks(name) {
			t.Errorf("%s is said to be lacking", name)
		}
	}
	absent := filepath.Join(base, "absent")
	os.Stat(absent) // has the kernel know
	if !lacks("absent") {
		t.Skip("this system keeps nothing in memory of a file that is not there")
	}
	if !lacks("absent/index.html") {
		t.Error("what would lie below it is not")
	}
	os.WriteFile(absent, nil, 0o600)
	if lacks("absent") {
		t.Error("a file that came later is said to be lacking")
	}
}

func TestOnlySmallFilesOfTheFolderItselfAreAtHand(t *testing.T) {
	base := t.TempDir()
	write := func(name string, size int) {
		if err := os.WriteFile(filepath.Join(base, name), bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	os.MkdirAll(filepath.Join(base, "public/folder"), 0o700)
	os.Symlink("../secret", filepath.Join(base, "public/out"))
	if err := unix.Mkfifo(filepath.Join(base, "public/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	write("secret", 1)
	sizes := map[string]int{"empty": 0, "small": 1, "most": smallAnswer, "large": smallAnswer + 1}
	for name, size := range sizes {
		write("public/"+name, size)
	}
	f, err := openFolder(filepath.Join(base, "public"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if file, _ := f.nearby("small", true); file == nil {
		t.Skip("this file system does not say what it has in memory")
	}
	for name, size := range sizes {
		file, known := f.nearby(name, true)
		switch {
		case size > smallAnswer && (file != nil || known):
			t.Errorf("%s is said to be known", name)
		case size <= smallAnswer && (file == nil || !known || file.Size() != int64(size)):
			t.Errorf("%s: %v, %v", name, file, known)
		}
	}
	for _, name := range []string{"out", "folder", "pipe", "../secret"} {
		if file, known := f.nearby(name, true); file != nil || known {
			t.Errorf("%s is said to be known", name)
		}
	}
	if file, _ := f.nearby("small", false); file != nil {
		t.Error("it was read without leave")
	}
}
