// The programs under test, built once for all packages of tests.

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	HostBinary string // the host, built by Main from the source at hand
	Repository string // the project's root
)

// Long says whether tests that have a short form run whole, as `make long` does.
var Long = os.Getenv("LONG_TESTS") != ""

// Main runs a package's tests and exits with their result.
func Main(m *testing.M) {
	var err error
	if Repository, err = filepath.Abs("../../../.."); err == nil {
		HostBinary, err = Build("./host")
	}
	state := "" // of hosts whose configuration names none
	if err == nil {
		if state, err = os.MkdirTemp("", "state"); err == nil {
			err = os.Setenv("STATE_DIRECTORY", state)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(state)
	os.Exit(code)
}

// Build compiles a package of the repository, such as "./host", and returns the program's path. Test binaries that run
// at once share programs: what is up to date stays as it is. It is safe for concurrent use.
func Build(pkg string) (program string, err error) {
	folder := filepath.Join(Repository, ".cache", "e2e")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	program = filepath.Join(folder, filepath.Base(pkg))
	unlock, err := lock(program + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, pkg)
	build.Dir = Repository
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not build: %w\n%s", pkg, err, out)
	}
	return program, nil
}
