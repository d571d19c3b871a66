package web

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFileThatIsThereIsNeverTakenToBeLacking(t *testing.T) {
	base := t.TempDir()
	f, err := openFolder(base)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	os.WriteFile(filepath.Join(base, "file"), nil, 0o600)
	os.Symlink(base, filepath.Join(base, "out"))
	for _, name := range []string{"file", "out/file"} {
		os.Stat(filepath.Join(base, name))
		if f.lacks(name) {
			t.Errorf("%s is said to be lacking", name)
		}
	}
	absent := filepath.Join(base, "absent")
	os.Stat(absent) // has the kernel know
	if !f.lacks("absent") {
		t.Skip("this system keeps nothing in memory of a file that is not there")
	}
	if !f.lacks("absent/index.html") {
		t.Error("what would lie below it is not")
	}
	os.WriteFile(absent, nil, 0o600)
	if f.lacks("absent") {
		t.Error("a file that came later is said to be lacking")
	}
}
