// host sdk js: the client of channels for browsers, a file that a page imports.

package project

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/workerhost/workerhost/host/internal/cli"
)

//go:embed browser
var browser embed.FS

// browserFiles are the client and its types. Each begins with its name in a comment, by which it is known.
var browserFiles = []string{"workerhost.js", "workerhost.d.ts"}

// writeBrowser writes both files into a folder, which may hold anything else; force has them take the place of others.
func writeBrowser(t *cli.Terminal, dir string, force bool) error {
	for _, name := range browserFiles {
		there, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w; name a folder, or one that doesn't exist yet", err)
		}
		if err == nil && !force && !bytes.HasPrefix(there, []byte("// "+name+" ")) {
			return fmt.Errorf("%s is there, and is not the host's: name another folder, or add --force to overwrite "+
				"it", filepath.Join(dir, name))
		}
	}
	for _, name := range browserFiles {
		if err := writeWhole(filepath.Join(dir, name), browser, "browser/"+name); err != nil {
			return err
		}
	}
	fmt.Fprintf(t.Out, "The client of host %s is in %s. A page begins with\n\n    <script type=\"module\">\n    "+
		"import { Channels } from '/%s'\n\nand `host help channels` explains the rest.\n", cli.Version(),
		filepath.Join(dir, browserFiles[0]), browserFiles[0])
	return nil
}

// printBrowser writes the client alone.
func printBrowser(t *cli.Terminal) error {
	data, err := browser.ReadFile("browser/" + browserFiles[0])
	if err != nil {
		return err
	}
	_, err = t.Out.Write(data)
	return err
}
