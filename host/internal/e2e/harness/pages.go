// The application that most tests serve: testdata/pages.php, and its twin in Go.

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Pages writes the PHP application with a version into a new folder.
func Pages(t *testing.T, version string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	DeployPages(t, dir, version)
	return dir
}

// DeployPages puts a version of the PHP application into dir, all at once.
func DeployPages(t *testing.T, dir, version string) {
	t.Helper()
	WritePHP(t, dir, PagesSource(t, version))
}

// PagesSource is the application's code after the opening tag, for WritePHP.
func PagesSource(t *testing.T, version string) string {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(Repository, "host/internal/e2e/testdata/pages.php"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(strings.TrimPrefix(string(code), "<?php\n"), "'@VERSION@'", "'"+version+"'", 1)
}

// GoSite is a folder in which the Go application finds its version, and a host.toml that runs it there.
func GoSite(t *testing.T, pool string) (dir string) {
	t.Helper()
	program, err := Build("./host/internal/e2e/testdata/pages-go")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	Write(t, dir, "VERSION", "1")
	Write(t, dir, "host.toml", fmt.Sprintf("[pool.go]\ncommand = [%q]\n%s\n", program, pool))
	return dir
}

// StartPHP serves the PHP application with a host.toml: what [http] and [pool.web] say beside the worker, and whatever
// comes after them.
func StartPHP(t *testing.T, dir, http, pool, rest string) *Host {
	t.Helper()
	Write(t, dir, "host.toml", fmt.Sprintf("[http]\n%s\n[pool.web]\nworker = \"worker.php\"\n%s\n%s\n", http, pool,
		rest))
	return Start(t, "-c", filepath.Join(dir, "host.toml"))
}
