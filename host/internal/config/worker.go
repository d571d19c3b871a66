// worker.go finds out what a WORKER is: a PHP file, a folder with one, a folder with a Go program, or a site of
// unmodified PHP.

package config

import (
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Kind says how a pool's workers are started.
type Kind int

const (
	// Program is a command that runs as it stands.
	Program Kind = iota
	// PHPFile is a PHP script, which runs under the command that PHPCommand gives.
	PHPFile
	// GoPackage is a folder with a Go main package, which has to be built first.
	GoPackage
	// FPM is a folder of PHP scripts that php-fpm runs.
	FPM
	// FastCGI is one that a server runs which is none of the host's.
	FastCGI
)

// String is the kind in words, for host check.
func (k Kind) String() string {
	switch k {
	case PHPFile:
		return "PHP file"
	case GoPackage:
		return "Go main package"
	case FPM:
		return "PHP site"
	case FastCGI:
		return "PHP site of another server"
	}
	return "command"
}

// phpEntry is the file that makes a folder a PHP worker.
const phpEntry = "worker.php"

// siteEntry is the file that makes a folder a site of unmodified PHP.
const siteEntry = "index.php"

// siteFolders are where a project has what visitors may ask for, if that is not all of it.
var siteFolders = []string{".", "public", "web", "webroot"}

// Resolve says what the file or folder worker is, and which path starts it: the .php file itself, or the folder of the
// Go package, or the root of the site, which is worker or a folder in it. In a folder worker.php comes first, whatever
// else there is, and index.php last. Symlinks in the path are kept.
func Resolve(worker string) (Kind, string, error) {
	info, err := os.Stat(worker)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Program, "", errors.New(missing("", worker, "mend the path"))
	case err != nil:
		return Program, "", fmt.Errorf("can't read the worker: %w", err)
	case info.IsDir():
		return resolveFolder(worker)
	case strings.EqualFold(filepath.Ext(worker), ".php"):
		return PHPFile, worker, nil
	case filepath.Ext(worker) == ".go":
		return Program, "", fmt.Errorf("%s is one file of a Go package: name its folder, %s", worker,
			filepath.Dir(worker))
	}
	return Program, "", fmt.Errorf(
		"%s is neither a .php file nor a folder: to run a program, write command = [%q], or host serve -- %s", worker,
		worker, worker)
}

func resolveFolder(folder string) (Kind, string, error) {
	script := filepath.Join(folder, phpEntry)
	if info, err := os.Stat(script); err == nil && info.Mode().IsRegular() {
		return PHPFile, script, nil
	}
	pkg, err := build.Default.ImportDir(folder, 0)
	var none *build.NoGoError
	if err != nil {
		for _, name := range siteFolders {
			root := filepath.Join(folder, name)
			if index, err := os.Stat(filepath.Join(root, siteEntry)); err == nil && index.Mode().IsRegular() {
				return FPM, root, nil
			}
		}
	}
	switch {
	case errors.As(err, &none):
		return Program, "",
			fmt.Errorf("%s holds neither %s nor a Go main package, nor %s for a site of unmodified PHP", folder,
				phpEntry, siteEntry)
	case err != nil:
		return Program, "", fmt.Errorf("%s holds no %s, and its Go files are no package: %w", folder, phpEntry, err)
	case pkg.Name != "main":
		return Program, "", fmt.Errorf("%s holds neither %s nor a Go main package: its Go package is %s", folder,
			phpEntry, pkg.Name)
	}
	return GoPackage, folder, nil
}
