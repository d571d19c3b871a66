package workers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestAProgramIsFoundBesideTheCodeWhereTheSystemLooksThere(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("PATH", elsewhere)
	write := func(path ...string) string {
		t.Helper()
		file := filepath.Join(path...)
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return file
	}
	here, both, there := write(dir, "hello.exe"), write(dir, "both.exe"), write(elsewhere, "there.exe")
	bothElsewhere := write(elsewhere, "both.exe")
	for _, c := range []struct {
		program  string
		dirFirst bool
		want     string // "" is not found
	}{
		{"hello.exe", true, here},
		{"hello.exe", false, ""},
		{"./hello.exe", false, here},
		{"both.exe", true, both},
		{"both.exe", false, bothElsewhere},
		{"there.exe", true, there},
		{there, true, there},
		{"none.exe", true, ""},
	} {
		got, err := findIn(dir, c.program, c.dirFirst)
		if got != c.want || (err == nil) != (c.want != "") ||
			c.want == "" && !errors.Is(err, exec.ErrNotFound) {
			t.Errorf("%s, in its folder first %v: %q, %v", c.program, c.dirFirst, got, err)
		}
	}
}
