//go:build unix

// The public folder of releases: that of the code which serves a client, and what only another release has.

package canary

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestPublicFilesAreOfTheReleaseThatServesAndThoseOfTheOtherAreFound(t *testing.T) {
	t.Parallel()
	kept := t.TempDir()
	harness.Write(t, kept, "secret", "correct-horse-battery")
	s := start(t, fmt.Sprintf("park = \"5s\"\n[pool.web.canary]\nsecret_file = %q\n[http]\n"+
		"public = \"current/public\"", filepath.Join(kept, "secret")))
	get := func(path, arm string) (status int, text string, h http.Header) {
		r, err := http.NewRequest("GET", s.URL+path, nil)
		harness.Must(t, err)
		if arm != "" {
			r.Header.Set("X-Worker-Generation", arm+":correct-horse-battery")
		}
		resp, err := http.DefaultClient.Do(r)
		harness.Must(t, err)
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), resp.Header
	}
	has := func(when, arm, style string, scripts ...string) {
		t.Helper()
		if _, text, _ := get("/app.css", arm); text != "style of "+style {
			t.Errorf("%s: %s gets %q for a style of %s", when, arm, text, style)
		}
		for _, of := range scripts {
			if _, text, _ := get("/app-"+of+".js", arm); text != "script of "+of {
				t.Errorf("%s: %s gets %q for the script of %s", when, arm, text, of)
			}
		}
	}
	has("before", "", "r1", "r1")
	s.deploy(t, "[]")
	wait := s.canary(t, "--canary", "1%")
	has("in a canary", "", "r1", "r1", "r2")
	has("in a canary", "control", "r1", "r1", "r2")
	has("in a canary", "candidate", "r2", "r2", "r1")
	if _, _, h := get("/app.css", "candidate"); h.Get("Cache-Control") != "private" {
		t.Errorf("a shared cache may keep what new code's clients get: %v", h)
	}
	if _, _, h := get("/app.css", ""); h.Get("Cache-Control") != "" {
		t.Errorf("a shared cache may not keep the others' files: %v", h)
	}
	s.Run("reload", "--abort")
	wait()
	has("after one that was aborted", "candidate", "r1", "r1")
	if _, text, _ := get("/app-r2.js", ""); text == "script of r2" {
		t.Error("after a canary that was aborted its files are still served")
	}
	wait = s.canary(t, "--canary", "1%")
	s.Run("reload", "--promote")
	wait()
	has("after a promotion", "", "r2", "r2", "r1")
	if out, code := s.Run("rollback"); code != 0 {
		t.Errorf("exit status %d: %s", code, out)
	}
	has("after a roll back", "", "r1", "r1", "r2")
	s.Eventually("files of a release are gone that is parked no more", func() bool {
		_, text, _ := get("/app-r2.js", "")
		return text != "script of r2"
	})
	has("after that", "", "r1", "r1")
}
