// Package project writes what a project begins with: host init makes a host.toml for what it finds, and a worker.php
// where there is none, and host sdk the SDK that this binary carries. project.go finds, templates.go has the texts.
package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	sdkphp "github.com/workerhost/workerhost/sdk-php"
)

// InitCommand is host init.
func InitCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Arguments: "[DIR]",
		Summary:   "Write a host.toml for the project in a folder",
		Detail: `Looks for worker.php, Laravel, Symfony, Slim, Mezzio, WordPress and other PHP with an index.php,
other PHP projects with Composer, and Go main packages, and writes a small commented host.toml. A PHP project
without a worker.php or an index.php gets a worker.php, and the SDK beside it; so does an empty folder. WordPress,
pages and Laravel without Octane are served by php-fpm, and a Symfony with symfony/runtime by its public/index.php.
What is there already is never overwritten. DIR is the working directory unless it is given.`,
		Example: "host init\nhost init /srv/app",
		Define: func(*pflag.FlagSet) func(*cli.Terminal, []string) error {
			return func(t *cli.Terminal, args []string) error {
				switch {
				case len(args) > 1:
					return cli.Misused("expected one folder, and got %q", args)
				case len(args) == 0:
					args = []string{"."}
				}
				return initialise(t, args[0])
			}
		},
	}
}

func initialise(t *cli.Terminal, dir string) error {
	if info, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%w; make the folder first", err)
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no folder: name the one that holds the project", dir)
	}
	file := filepath.Join(dir, config.FileName)
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("there is a %s already, and it stays as it is: `host check -c %[1]s` shows what it says, "+
			"and `host help host.toml` lists every key", file)
	}
	found, err := inspectProject(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "Found %s.\n\n", found.what)
	if found.worker == workerFile && !found.hasWorker {
		if err := writeNew(t, filepath.Join(dir, workerFile), found.workerSource(),
			"serves your code: have a look at it"); err != nil {
			return err
		}
	}
	if found.needsSDK() {
		if err := addSDK(t, filepath.Join(dir, sdkFolder)); err != nil {
			return err
		}
	}
	if err := writeNew(t, file, found.hostFile(), "what is served, where and how"); err != nil {
		return err
	}
	for _, note := range found.notes {
		fmt.Fprintf(t.Out, "\n%s\n", t.Yellow(note))
	}
	where := ""
	if filepath.Clean(dir) != "." {
		where = "cd " + cli.QuoteWord(dir) + " && "
	}
	fmt.Fprintf(t.Out, "\nNext:\n\n    %shost serve --watch    # serves on http://%s/, and puts live what you "+
		"save\n    %shost doctor           # whether this machine is fit for it\n", where, config.DefaultAddress,
		where)
	return nil
}

// writeNew makes a file that is not there yet.
func writeNew(t *cli.Terminal, path, text, purpose string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
		return err
	}
	fmt.Fprintf(t.Out, "  wrote %s  %s\n", path, t.Faint(purpose))
	return nil
}

// addSDK writes the SDK, unless the folder holds one, which may be newer.
func addSDK(t *cli.Terminal, dir string) error {
	content, err := inspect(dir)
	switch {
	case err != nil:
		return err
	case content == somethingElse:
		return fmt.Errorf("%s is not empty, and holds no SDK: move it away, or write the SDK elsewhere with `host "+
			"sdk php DIR` and name that in %s", dir, workerFile)
	case content == anSDK:
		return nil
	}
	if err := fs.WalkDir(sdkphp.FS, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return writeWhole(filepath.Join(dir, filepath.FromSlash(name)), sdkphp.FS, name)
	}); err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "  wrote %s%c  %s\n", dir, os.PathSeparator,
		t.Faint("the PHP SDK; `host sdk php` brings it up to date"))
	return nil
}
