package cache

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// suite is the version of http-cache-tests that the figures of host/docs/cache.md are of; npm's registry has an older
// one.
const suite = "github:http-tests/cache-tests#b55b8bd"

// fails are the behaviours that the cache does not have, which host/docs/cache.md explains: those that every cache
// has to have, and those that are well.
var fails = map[string][]string{
	"required": {"headers-store-Set-Cookie", "headers-store-Transfer-Encoding"},
	"optimal": {"conditional-lm-fresh-no-lm", "heuristic-200-cached", "heuristic-203-cached", "heuristic-204-cached",
		"heuristic-404-cached", "heuristic-405-cached", "heuristic-410-cached", "heuristic-414-cached",
		"heuristic-501-cached", "heuristic-599-cached", "method-POST", "other-set-cookie",
		"partial-store-partial-complete", "partial-store-partial-reuse-partial",
		"partial-store-partial-reuse-partial-absent", "partial-store-partial-reuse-partial-byterange",
		"partial-store-partial-reuse-partial-suffix", "vary-normalise-lang-select"},
}

// kinds is a script that prints of which kind each behaviour is.
const kinds = `import suites from './tests/index.mjs'
const all = {}
for (const s of suites) for (const t of s.tests) if (!t.browser_only) all[t.id] = t.kind || 'required'
console.log(JSON.stringify(all))`

func TestHTTPCacheTestsFailWhereTheDocumentationSaysSo(t *testing.T) {
	folder := os.Getenv("CACHE_TESTS") // a checkout, with what it needs installed
	if folder == "" {
		if !harness.Long {
			t.Skip("the suite is fetched and run in make long, or taken from $CACHE_TESTS")
		}
		folder = fetched(t)
	}
	address := harness.FreeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	server := exec.Command("node", "test-engine/server/server.mjs")
	server.Dir = folder
	server.Env = append(os.Environ(), "npm_config_protocol=http", "npm_config_port="+port,
		"npm_config_pidfile="+filepath.Join(t.TempDir(), "pid"))
	harness.Must(t, harness.Spawn(server))
	defer func() { server.Process.Kill(); server.Wait() }()
	for deadline := time.Now().Add(20 * time.Second); harness.Refused(address); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the suite's server does not start")
		}
	}
	origin, err := harness.Build("./host/internal/e2e/cache/origin")
	harness.Must(t, err)
	dir := t.TempDir()
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[http]\ncompression = false\n[pool.web]\ncommand = [%q]\n"+
		"workers = 2\nconcurrency = 64\nenv = { ORIGIN = \"http://%s\" }\n"+
		"[[route]]\npath = \"/test/*\"\npool = \"web\"\ncache = true\n", origin, address))
	h := harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
	if r, err := http.Get(h.URL + "/state/none"); err != nil || r.StatusCode != 404 {
		t.Fatalf("the origin is not behind the host: %v", err)
	}

	var results map[string]any
	read(t, folder, &results, []string{"npm_config_base=" + h.URL, "npm_package_config_id="}, "test-engine/cli.mjs")
	var kind map[string]string
	read(t, folder, &kind, nil, "--input-type=module", "--eval", kinds)
	found, passed := map[string][]string{}, map[string]int{}
	for _, id := range slices.Sorted(maps.Keys(kind)) {
		if results[id] == true {
			passed[kind[id]]++
		} else {
			found[kind[id]] = append(found[kind[id]], id)
		}
	}
	t.Logf("required %d of %d, optimal %d of %d", passed["required"], passed["required"]+len(found["required"]),
		passed["optimal"], passed["optimal"]+len(found["optimal"]))
	for kind, want := range fails {
		for _, id := range found[kind] {
			if !slices.Contains(want, id) {
				t.Errorf("%s: %v", id, results[id])
			}
		}
		for _, id := range want {
			if !slices.Contains(found[kind], id) {
				t.Errorf("%s does not fail any more: say so in host/docs/cache.md", id)
			}
		}
	}
	if passed["required"] < 155 || passed["optimal"] < 85 {
		t.Errorf("%d required and %d optional behaviours", passed["required"], passed["optimal"])
	}
}

// read runs a script of the suite, and reads the JSON that it prints.
func read(t *testing.T, folder string, into any, env []string, arguments ...string) {
	t.Helper()
	script := exec.Command("node", append([]string{"--no-warnings"}, arguments...)...)
	script.Dir, script.Env, script.Stderr = folder, append(os.Environ(), env...), os.Stderr
	out, err := script.Output()
	harness.Must(t, err)
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%v in %.300s", err, out)
	}
}

// fetched has npm fetch the suite, once.
func fetched(t *testing.T) string {
	t.Helper()
	cache := filepath.Join(harness.Repository, ".cache", "http-cache-tests")
	folder := filepath.Join(cache, "node_modules", "http-cache-tests")
	if _, err := os.Stat(filepath.Join(folder, "test-engine")); err == nil {
		return folder
	}
	install := exec.Command("npm", "install", "--prefix", cache, "--ignore-scripts", "--silent", suite)
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm can't fetch %s (%v): set CACHE_TESTS to a checkout\n%s", suite, err, out)
	}
	return folder
}
