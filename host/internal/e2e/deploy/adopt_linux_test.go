package deploy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAFolderThatIsChangedInPlaceIsAdoptedUnderLoad(t *testing.T) {
	t.Parallel()
	s := newShop(t, "park = \"1m\"\n[http]\npublic = \"current/public\"\n[deploy]\nshared = [\"storage\"]\n")
	app := filepath.Join(s.dir, "current")
	for _, folder := range []string{"", "public", "storage"} {
		harness.Must(t, os.Mkdir(filepath.Join(app, folder), 0o755))
	}
	harness.DeployPages(t, app, "1")
	harness.Write(t, app, "public/logo.txt", "the logo")
	harness.Write(t, app, "storage/upload", "of somebody")
	s.start()
	if out, code := s.run("deploy", s.code("2")); code != 1 || !strings.Contains(out, "host deploy adopt") {
		t.Errorf("without adopting it: exit %d: %s", code, out)
	}
	l := harness.NewLoad(s.Host).Kept(4).Fresh(2)
	l.Run(2, "a file", func() error {
		w, err := http.Get(s.URL + "/logo.txt")
		if err != nil {
			return err
		}
		defer w.Body.Close()
		if text, err := io.ReadAll(w.Body); err != nil || w.StatusCode != 200 || string(text) != "the logo" {
			return fmt.Errorf("%d %q: %w", w.StatusCode, text, err)
		}
		return nil
	})
	for range 2 { // once more is a reload
		out := s.deploy("adopt")
		if !strings.Contains(out, "current leads to release 1") {
			t.Errorf("%s", out)
		}
		s.wants("1", "1")
	}
	code := s.code("2")
	harness.Must(t, os.Mkdir(filepath.Join(code, "public"), 0o755))
	harness.Write(t, code, "public/logo.txt", "the logo")
	s.deploy(code)
	s.wants("2", "2")
	for _, path := range []string{"current/storage/upload", "shared/storage/upload"} {
		if text := harness.ReadFile(t, filepath.Join(s.dir, path)); text != "of somebody" {
			t.Errorf("%s has %q", path, text)
		}
	}
	if out, code := s.run("rollback"); code != 0 || !strings.Contains(out, "was parked") {
		t.Errorf("exit %d: %s", code, out)
	}
	s.wants("1", "1")
	l.Stop()
}
