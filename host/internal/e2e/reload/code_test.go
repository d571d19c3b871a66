// What PHP can't read does not go live, though no worker has loaded it when it is ready.

package reload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestCodeThatIsLoadedLateDoesNotGoLiveBroken(t *testing.T) {
	t.Parallel()
	site := t.TempDir()
	release := func(version, late string) {
		dir := filepath.Join(site, version)
		harness.Must(t, os.MkdirAll(filepath.Join(dir, "src"), 0o755))
		harness.DeployPages(t, dir, version)
		harness.Write(t, dir, "src/broken.php", "<?php never loaded(")
		harness.Write(t, dir, "src/late.php", late)
		harness.Must(t, os.Symlink(version, filepath.Join(site, "new")))
		harness.Must(t, os.Rename(filepath.Join(site, "new"), filepath.Join(site, "current")))
	}
	release("1", "<?php return 1;")
	h := harness.Start(t, "-n", "1", filepath.Join(site, "current"))
	h.Get("/hello")
	release("2", "<?php\n\nreturn [;")
	for _, arguments := range [][]string{{}, {"--dry-run"}} {
		out, code := h.Run("reload", arguments...)
		if code != 1 || !strings.Contains(out, "src/late.php on line 3") || strings.Contains(out, "src/broken.php") ||
			!strings.Contains(out, "unchecked = ") {
			t.Errorf("reload %q: exit status %d: %s", arguments, code, out)
		}
	}
	if _, got := h.Get("/hello"); got != "hello 1" {
		t.Errorf("then %q is live", got)
	}
	harness.Write(t, filepath.Join(site, "2"), "src/late.php", "<?php return 2;")
	h.Reload()
	if _, got := h.Get("/hello"); got != "hello 2" {
		t.Errorf("with the code mended %q is live", got)
	}
}

func TestCodeAroundThePublicFolderOfAWorkerDoesNotGoLiveBroken(t *testing.T) {
	t.Parallel()
	app := t.TempDir()
	harness.Must(t, os.Mkdir(filepath.Join(app, "public"), 0o755))
	harness.Must(t, os.Mkdir(filepath.Join(app, "src"), 0o755))
	harness.Write(t, app, "composer.json", "{}")
	harness.Write(t, app, "public/index.php",
		"<?php while (frankenphp_handle_request(function () { require_once '../src/page.php'; page(); })) {}")
	harness.Write(t, app, "src/page.php", "<?php function page() { echo 'page 1'; }")
	h := harness.Start(t, "-n", "1", filepath.Join(app, "public/index.php"))
	h.Get("/")
	harness.Write(t, app, "src/page.php", "<?php\n\nfunction page( { echo 'page 2'; }")
	if out, code := h.Run("reload"); code != 1 || !strings.Contains(out, "src/page.php on line 3") {
		t.Errorf("exit status %d: %s", code, out)
	}
	if _, got := h.Get("/"); got != "page 1" {
		t.Errorf("then %q is live", got)
	}
	harness.Write(t, app, "src/page.php", "<?php function page() { echo 'page 2'; }")
	h.Reload()
	if _, got := h.Get("/"); got != "page 2" {
		t.Errorf("with the code mended %q is live", got)
	}
}
