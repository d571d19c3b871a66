//go:build unix

package php

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/config"
)

func TestLintFindsWhatIsBrokenAmongManyAndNothingElse(t *testing.T) {
	if _, err := exec.LookPath("php"); err != nil {
		t.Skip("there is no php here")
	}
	folder := folderWithWorker(t)
	var files []string
	for name, text := range map[string]string{
		"one.php": "<?php function f() {} class A extends Missing {}", "two.php": "<?php function f() {}",
		"syntax.php": "<?php\nfunction x( }", "twice.php": "<?php class B { function x() {} function x() {} }",
	} {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	slices.Sort(files)
	files = append(files, filepath.Join(folder, "gone.php"))
	pools := []*config.Pool{parsed(t, ordinary).Pools[0]}
	binaries := []Binary{}
	binary, err := Find(t.Context(), pools[0])
	if err != nil {
		t.Fatal(err)
	}
	binaries = append(binaries, binary)
	pools, binaries = append(pools, pools[0]), append(binaries, Binary{Path: binary.Path}) // without opcache
	site := parsed(t, fmt.Sprintf("[pool.web]\nfpm = true\nroot = %q", folder)).Pools[0]
	if fpm, err := FindFPM(t.Context(), site); err == nil {
		pools, binaries = append(pools, site), append(binaries, fpm)
	}
	for i, pool := range pools {
		faults, unread, err := Lint(t.Context(), binaries[i], pool, files)
		if err != nil || unread != 0 {
			t.Fatalf("%d unread, %v", unread, err)
		}
		broken := slices.Sorted(maps.Keys(faults))
		want := []string{filepath.Join(folder, "syntax.php"), filepath.Join(folder, "twice.php")}
		if !slices.Equal(broken, want) {
			t.Errorf("pool %d: broken are %q", i, faults)
		}
		if text := faults[filepath.Join(folder, "syntax.php")]; !strings.Contains(text, "syntax.php on line 2") {
			t.Errorf("pool %d: it says %q", i, text)
		}
	}
}
