package config

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/fetch/place"
)

// fetching is a file whose pool has this in [pool.web.fetch].
func fetching(t *testing.T, text string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"worker.php": "<?php", "key": " s3cr3t\n", "empty": "\n",
		"two": "a\nb", "host.toml": "[pool.web]\nworker = \"worker.php\"\n[pool.web.fetch]\n" + text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(filepath.Join(dir, "host.toml"), func(name string) (string, bool) {
		return "fr0m-env", name == "MODEL_KEY"
	})
}

func TestAPoolFetchesWhatItsFileNames(t *testing.T) {
	c, err := fetching(t, `
allow = ["https://api.example/v1/*"]
networks = ["10.1.2.3/16", "192.0.2.7"]
[pool.web.fetch.secrets]
A = { from = "key", header = "x-api-key" }
B = { from = "env:MODEL_KEY", allow = ["https://other.example/"] }
`)
	if err != nil {
		t.Fatal(err)
	}
	f := &c.Pool("web").Fetch
	has := func(places []place.Place, text string) bool {
		u, err := place.URL(text)
		return err == nil && place.Any(places, u)
	}
	a, b := f.Secrets[0], f.Secrets[1]
	if !has(f.Places(), "https://api.example/v1/x") || has(f.Places(), "https://api.example/") ||
		len(f.Prefixes()) != 2 || f.Prefixes()[0].String() != "10.1.0.0/16" || f.AtOnce != 10000 ||
		a.Secret() != "s3cr3t" || a.Header != "X-Api-Key" || !has(a.Places(), "https://api.example/v1/x") ||
		b.Secret() != "fr0m-env" || has(b.Places(), "https://api.example/v1/x") ||
		!has(b.Places(), (&url.URL{Scheme: "https", Host: "other.example", Path: "/y"}).String()) {
		t.Errorf("%+v %+v %+v", f, a, b)
	}
}

func TestMistakesOfFetchesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		`allow = ["api.example"]`:                                                          "does not begin with https://",
		`allow = ["https://*.example/"]`:                                                   "write each host by itself",
		`allow = ["https://u:p@a.example/"]`:                                               "user or a password",
		`networks = ["10.0.0.0/8"]`:                                                        "no effect without allow",
		"allow = [\"https://a/\"]\nkeep = 1.5":                                             "expected a size",
		"allow = [\"https://a/\"]\nnetworks = [\"x\"]":                                     "expected a network",
		"allow = [\"https://a/\"]\nsecrets = { K = {} }":                                   "no from",
		"allow = [\"https://a/\"]\nsecrets = { K = { from = \"nowhere\" } }":               "nowhere",
		"allow = [\"https://a/\"]\nsecrets = { K = { from = \"env:NOTHING\" } }":           "no variable",
		"allow = [\"https://a/\"]\nsecrets = { K = { from = \"empty\" } }":                 "holds no secret",
		"allow = [\"https://a/\"]\nsecrets = { K = { from = \"two\" } }":                   "one line",
		"allow = [\"https://a/\"]\nsecrets = { \"a b\" = { from = \"key\" } }":             "no name for a secret",
		"allow = [\"https://a/\"]\nsecrets = { K = { from = \"key\", header = \"a b\" } }": "name of a header",
		"allow = [\"https://a/\", \"https://b/\"]\nsecrets = { K = { from = \"key\" } }":   "which of the hosts",
	} {
		if _, err := fetching(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		} else if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error has the secret: %v", text, err)
		}
	}
}
