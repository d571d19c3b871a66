//go:build unix

// host reload --shadow of unmodified PHP under php-fpm.

package reload

import (
	"fmt"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestNewCodeUnderPhpFpmIsLookedAtBesideTheOld(t *testing.T) {
	t.Parallel()
	dir, h := startSite(t, "")
	h.Get("/hello") // compiled, so that it is the old code's until a reload
	harness.Write(t, dir, "site/index.php", strings.Replace(fpmIndex, `echo "hello VERSION"`,
		`echo 'hello ', isset($_SERVER['HTTP_X_WORKER_SHADOW']) ? 2 : 'live'`, 1))
	l := harness.NewLoad(h)
	for path, want := range map[string]string{"/hello": "hello 1", "/nothing": "no page"} {
		l.Run(2, path, func() error {
			c, err := h.TryDial()
			if err != nil {
				return err
			}
			defer c.Close()
			c.Sendf("GET %s HTTP/1.1\r\nHost: here\r\n\r\n", path)
			a, err := c.Try("GET")
			if err == nil && a.Text != want {
				err = fmt.Errorf("a client got %q", a.Text)
			}
			return err
		})
	}
	found, code, out := look(t, h, "--for", "30s", "--requests", "50")
	l.Stop()
	if code != 3 || found.Compared != 50 || found.By["body"] == 0 || found.Differ != found.By["body"] ||
		found.Examples[0].Old != `"hello 1"` || found.Examples[0].New != `"hello 2"` {
		t.Errorf("exit status %d: %+v\n%s", code, found, out)
	}
	if !strings.Contains(out, "edited in place") {
		t.Errorf("nothing warns of code in place: %s", out)
	}
}
