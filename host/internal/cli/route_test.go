package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/config"
)

func TestCheckSaysWhichRouteTakesARequestAndWhy(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"worker.php": "", "users": "ada:$2y$10$" + strings.Repeat("x", 53)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Parse(filepath.Join(dir, "host.toml"), []byte(`[[listen]]
address = ":80"
strict_hosts = true
[[route]]
host = "example.org"
pool = "web"
[[route]]
host = "example.org"
path = "/api/*"
method = "POST"
pool = "api"
[[route]]
path = "/staff"
pool = "web"
auth = { users = "users" }
[pool.web]
worker = "worker.php"
[pool.api]
worker = "worker.php"
`), os.LookupEnv)
	if err == nil {
		err = c.Apply(config.Overrides{Control: filepath.Join(dir, "c.sock")})
	}
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]string{
		"POST https://example.org/%61pi//x": "POST example.org/api/*, line 7, with the path /api/x",
		"http://Example.org:80/api/x":       "(line 7, POST example.org/api/*): another method",
		"GET http://example.org/x":          "example.org/*, line 4, with the path /x",
		"http://other.org/":                 "421, since no route names the host",
		"/staff":                            "auth      for those in " + dir + "/users alone",
	} {
		var out bytes.Buffer
		if err := explainRoute(&Terminal{Out: &out, Err: &out}, c, request, false); err != nil {
			t.Fatal(request, err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s", request, out.String())
		}
	}
	for _, wrong := range []string{"", "x", "GET ftp://a/", "http://example.org/../x", "http://example.org:81/"} {
		if err := explainRoute(&Terminal{Out: new(bytes.Buffer)}, c, wrong, true); err == nil {
			t.Errorf("%s is no mistake", wrong)
		}
	}
}
