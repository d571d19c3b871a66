// host sdk: writes the SDK that this binary carries, so that somebody who has nothing else can write a worker, and
// what a page needs.

package project

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	sdkphp "github.com/workerhost/workerhost/sdk-php"
)

// sdkPackage is how an SDK folder is known: composer.json has it as its name.
const sdkPackage = `"workerhost/sdk"`

// SDKCommand is host sdk.
func SDKCommand() *cli.Command {
	return &cli.Command{
		Name:      "sdk",
		Arguments: "php DIR | js [DIR]",
		Summary:   "Write the PHP SDK, or the client for browsers, into a folder",
		Detail: `php: the SDK is the one of this very version. An SDK that is in DIR already is brought up to
date; any other folder has to be empty. Each file appears whole, so workers may run from DIR meanwhile; reload them
afterwards.

js: workerhost.js is what a page imports to be in channels ("host help channels"), and workerhost.d.ts has its
types for TypeScript. DIR may hold anything else, such as the folder of "public". Without DIR workerhost.js goes
to standard output.`,
		Example: "host sdk php ./sdk",
		Words:   func() []string { return []string{"php", "js"} },
		Define: func(f *pflag.FlagSet) func(*cli.Terminal, []string) error {
			force := f.Bool("force", false,
				"write into DIR although it holds other things, and over files of the same name")
			return func(t *cli.Terminal, args []string) error {
				if len(args) == 0 {
					return cli.Misused("expected a language and a folder, as in `host sdk php ./sdk`")
				}
				if args[0] != "php" && args[0] != "js" {
					if near := config.Nearest(strings.ToLower(args[0]), []string{"php", "js"}); near != "" {
						return cli.Misused("there is no SDK for %q here; did you mean %s?", args[0], near)
					}
					return cli.Misused("there is no SDK for %q here, only for php, and js has the client for "+
						"browsers; for Go, run `go get github.com/workerhost/workerhost/sdk-go`", args[0])
				}
				if args[0] == "js" && len(args) == 1 {
					return printBrowser(t)
				}
				if args[0] == "js" && len(args) == 2 {
					return writeBrowser(t, args[1], *force)
				}
				if len(args) != 2 {
					return cli.Misused("expected one folder, as in `host sdk php ./sdk`, and got %q", args[1:])
				}
				return writeSDK(t, args[1], *force)
			}
		},
	}
}

func writeSDK(t *cli.Terminal, dir string, force bool) error {
	isSDK, err := inspect(dir)
	if err != nil {
		return err
	}
	if isSDK == somethingElse && !force {
		return fmt.Errorf("%s is not empty, and holds no SDK: name another folder, or add --force to write into it",
			dir)
	}
	ours := map[string]bool{}
	err = fs.WalkDir(sdkphp.FS, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		ours[name] = true
		return writeWhole(filepath.Join(dir, filepath.FromSlash(name)), sdkphp.FS, name)
	})
	if err != nil {
		return err
	}
	if isSDK == anSDK {
		if err := removeOld(dir, ours); err != nil {
			return err
		}
	}
	fmt.Fprintf(t.Out, "The PHP SDK of host %s is in %s. A worker begins with\n\n    require __DIR__ . '/%s';\n    "+
		"use WorkerHost\\Worker;\n\nand %s explains the rest.\n",
		cli.Version(), dir, filepath.ToSlash(filepath.Join(filepath.Base(dir), "autoload.php")),
		filepath.Join(dir, "README.md"))
	return nil
}

// content is what a folder holds.
type content int

const (
	nothing content = iota
	anSDK
	somethingElse
)

func inspect(dir string) (content, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nothing, nil
	}
	if err != nil {
		return nothing, fmt.Errorf("%w; name a folder, or one that doesn't exist yet", err)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "composer.json"))
	if err == nil && strings.Contains(string(manifest), `"name": `+sdkPackage) {
		return anSDK, nil
	}
	return somethingElse, nil
}

// writeWhole puts a file of those that the binary carries in place, in one step.
func writeWhole(path string, from embed.FS, name string) error {
	data, err := from.ReadFile(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o644); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		os.Remove(temporary)
		return err
	}
	return nil
}

// removeOld removes classes that an older SDK had under src, and the folders that this empties.
func removeOld(dir string, ours map[string]bool) error {
	var folders []string
	root := filepath.Join(dir, "src")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			folders = append(folders, path)
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || ours[filepath.ToSlash(name)] || filepath.Ext(path) != ".php" {
			return err
		}
		return os.Remove(path)
	})
	slices.Reverse(folders)
	for _, folder := range folders {
		os.Remove(folder) // only the empty ones go
	}
	return err
}
