// upgrade_binary.go: which program may take this one's place.

package serve

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ownPath is where this program was when it began: by the name that it was called by, which may lead to another
// version later, if that led to it.
var ownPath = func() string {
	real, err := os.Executable()
	if err != nil {
		return ""
	}
	called, err := exec.LookPath(os.Args[0])
	if err == nil {
		called, err = filepath.Abs(called)
	}
	if err != nil {
		return real
	}
	a, errA := os.Stat(real)
	b, errB := os.Stat(called)
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		return real
	}
	return called
}()

// nextBinary is the path of the next host's program: the one of the configuration, else this one's own as it is on
// disk now, or one that was asked for and that only root can have put there.
func nextBinary(asked, configured string) (string, error) {
	if configured != "" && (asked == "" || asked == configured) {
		if _, err := os.Stat(configured); err != nil {
			return "", fmt.Errorf("the program of upgrade_binary is not there: %w", err)
		}
		return configured, nil
	}
	if asked == "" {
		if ownPath == "" {
			return "", errors.New("where this host's program is can't be known: name it with --binary PATH")
		}
		if _, err := os.Stat(ownPath); err != nil {
			return "", fmt.Errorf("this host's program is not where it was: %w", err)
		}
		return ownPath, nil
	}
	if !filepath.IsAbs(asked) {
		return "", fmt.Errorf("--binary %s: expected an absolute path", asked)
	}
	path, err := filepath.EvalSymlinks(asked)
	if err != nil {
		return "", fmt.Errorf("--binary: %w", err)
	}
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return "", fmt.Errorf("--binary: %w", err)
		}
		if err := rootsAlone(at, info); err != nil {
			return "", err
		}
		if at == filepath.Dir(at) {
			return path, nil
		}
	}
}
