// examples/sites: three sites under three names on one port.

package examples

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestSitesShareAPort(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-c", filepath.Join(harness.Repository, "examples/sites/host.toml"))
	client := new(http.Client)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ask := func(host, path, user, password string) string {
		r, err := http.NewRequest("GET", h.URL+path, nil)
		harness.Must(t, err)
		if r.Host = host; user != "" {
			r.SetBasicAuth(user, password)
		}
		resp, err := client.Do(r)
		harness.Must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		harness.Must(t, err)
		header := resp.Header.Get("Location") + resp.Header.Get("X-Frame-Options") + resp.Header.Get("Cache-Control")
		return fmt.Sprint(resp.StatusCode, " ", header, " ", string(body))
	}
	for _, c := range []struct{ host, path, user, password, want string }{
		{"shop.localhost", "/", "", "", "200 DENY <!doctype html>\n<title>Shop"},
		{"shop.localhost", "/assets/shop.css", "", "", "200 public, max-age=31536000, immutable body {"},
		{"shop.localhost", "/assets/no.css", "", "", "404 "},
		{"shop.localhost", "/api/v1/items", "", "", `200  ["apples","pears"]`},
		{"SHOP.localhost:8080", "/api/v1/items", "", "", `200  ["apples","pears"]`},
		{"api.localhost", "/v1/items", "", "", `200  ["apples","pears"]`},
		{"api.localhost", "/api/v1/items", "", "", "404 "},
		{"www.blog.localhost", "/x", "", "", "200  <!doctype html>\n<title>Blog"},
		{"blog.localhost", "/drafts/1", "", "", "401 "},
		{"blog.localhost", "/drafts%2f1", "", "", "401 "},
		{"blog.localhost", "/index.php/drafts", "", "", "401 "},
		{"blog.localhost", "/drafts/1", "ada", "open", "401 "},
		{"blog.localhost", "/drafts/1", "ada", "open sesame", "200  <!doctype html>\n<title>Drafts of ada"},
		{"items.localhost", "/items?a", "", "", "308 http://api.localhost:8080/v1/items?a"},
		{"elsewhere", "/", "", "", "404 "},
	} {
		if got := ask(c.host, c.path, c.user, c.password); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s%s: %q, and not %q", c.host, c.path, got, c.want)
		}
	}
	if out, code := h.Run("status"); code != 0 || !strings.Contains(out, "shop.localhost/api/*") ||
		strings.Count(out, "realm shop") != 2 || strings.Count(out, "realm blog") != 1 {
		t.Errorf("host status: exit %d\n%s", code, out)
	}
}
