// config_test.go holds what a file means when nothing is wrong with it.

package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/privilege"
)

// site is a folder with everything that the files of the tests name, and the working directory of the test.
func site(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "c") // short, as the path of a socket has to be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	for name, text := range map[string]string{
		"worker.php":          "<?php\n",
		"app/worker.php":      "<?php\n",
		"app/other.php":       "<?php\n",
		"goapp/main.go":       "package main\n",
		"library/library.go":  "package library\n",
		"empty/readme.txt":    "nothing\n",
		"public/index.html":   "hello\n",
		"releases/1/work.php": "<?php\n",
		"run.sh":              "#!/bin/sh\n",
		"not-a-pem":           "nothing\n",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(folder, "releases", "1"), filepath.Join(folder, "current")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("releases/0", filepath.Join(folder, "gone")); err != nil { // it has been removed
		t.Fatal(err)
	}
	t.Chdir(folder)
	t.Setenv("XDG_RUNTIME_DIR", folder)
	return folder
}

// variables is an environment for Parse.
func variables(pairs ...string) func(string) (string, bool) {
	set := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		set[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		value, ok := set[name]
		return value, ok
	}
}

func parse(t *testing.T, file string, env ...string) *Config {
	t.Helper()
	c, err := Parse("host.toml", []byte(file), variables(env...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func apply(t *testing.T, c *Config, o Overrides) *Config {
	t.Helper()
	if err := c.Apply(o); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryKeyOfAFileArrivesInItsField(t *testing.T) {
	folder := site(t)
	c := apply(t, parse(t, `
control = "run.sock"
[log]
level = "debug"
format = "json"
[[listen]]
address = ":80"
pool = "web"
[[listen]]
address = "unix:web.sock"
protocol = "http"
pool = "jobs-2"
[http]
max_header = "32KiB"
max_body = 1000
header_timeout = "1s"
read_timeout = "2s"
write_timeout = "3s"
idle_timeout = "1m30s"
body_buffer = "10MB"
response_buffer = "0"
spool_directory = "empty"
spool_quota = "1TiB"
cache_size = "2GiB"
public = "public"
max_form_files = 1
max_form_file_size = "2B"
max_form_fields = 3
max_connections = 4
max_connections_per_address = 5
trusted_proxies = ["10.0.0.0/8", "::1", "unix"]
rate_limit = { requests = 6, burst = 7 }
lane = false
access_log = "empty/access.json"
request_id = "x-trace"
[pool.web]
worker = "app"
workers = 3
env = { APP_ENV = "prod", "WITH.DOT" = "1" }
concurrency = 7
start_timeout = "4s"
request_timeout = "0"
drain_timeout = "5s"
stop_timeout = "6s"
queue = 0
queue_timeout = "7s"
max_requests = 8
max_age = "9s"
max_memory = "10B"
log_rate = "2MiB"
max_memory_hard = "11B"
slow_request = "12s"
slow_trace = true
retry = "never"
reload = "never"
surge = 2
in_place = true
warmup = ["/", { path = "/health?full=1", status = 401 }]
request_body = "stream"
file_roots = ["public", "app"]
delivery = "at-most-once"
wire = "stdio"
php = "bin/php"
[pool.web.php_ini]
memory_limit = "1G"
"opcache.enable" = false
"zend.assertions" = 1
[pool.jobs-2]
command = ["sh", "a b"]
directory = "current"
min_workers = 2
max_workers = 9
idle_timeout = "8s"
max_pool_memory = "7GiB"
`), Overrides{})
	if c.Control != folder+"/run.sock" || c.Path != "host.toml" || c.Folder != folder {
		t.Errorf("control %q, path %q, folder %q", c.Control, c.Path, c.Folder)
	}
	if want := (Log{Level: "debug", Format: "json"}); !reflect.DeepEqual(c.Log, want) {
		t.Errorf("log %+v", c.Log)
	}
	wantHTTP := HTTP{
		MaxHeader: 32 << 10, MaxBody: 1000, HeaderTimeout: time.Second, ReadTimeout: 2 * time.Second,
		WriteTimeout: 3 * time.Second, IdleTimeout: 90 * time.Second, BodyBuffer: 10_000_000, ResponseBuffer: 0,
		SpoolDirectory: folder + "/empty", SpoolQuota: 1 << 40, CacheSize: 2 << 30, Public: folder + "/public",
		MaxFormFiles: 1, MaxFormFileSize: 2, MaxFormFields: 3, MaxConnections: 4, MaxPerAddress: 5,
		TrustedProxies: []string{"10.0.0.0/8", "::1", "unix"}, RateLimit: RateLimit{Requests: 6, Burst: 7},
		AccessLog: folder + "/empty/access.json", RequestID: "X-Trace", Compression: *newCompression(),
	}
	if !reflect.DeepEqual(c.HTTP, wantHTTP) {
		t.Errorf("http %+v", c.HTTP)
	}
	wantListen := []Listen{
		{Address: ":80", Protocol: "http", Pool: "web", at: "listen.0"},
		{Address: "unix:" + folder + "/web.sock", Protocol: "http", Pool: "jobs-2", at: "listen.1"},
	}
	for i := range wantListen {
		setDefaults(&wantListen[i].Sockets)
	}
	if !reflect.DeepEqual(c.Listen, wantListen) {
		t.Errorf("listen %+v", c.Listen)
	}
	web := &Pool{
		Name: "web", Worker: folder + "/app/worker.php", Directory: folder + "/app", Workers: 3, MinWorkers: 1,
		IdleTimeout: time.Minute,
		Env:         map[string]string{"APP_ENV": "prod", "WITH.DOT": "1"}, Concurrency: 7,
		StartTimeout: 4 * time.Second, DrainTimeout: 5 * time.Second, StopTimeout: 6 * time.Second,
		QueueTimeout: 7 * time.Second, MaxRequests: 8, MaxAge: 9 * time.Second, MaxMemory: 10, MaxMemoryHard: 11,
		LogRate:     2 << 20,
		SlowRequest: 12 * time.Second, SlowTrace: true, Retry: "never",
		Reload: "never", Surge: 2, InPlace: true, Warmup: []Warmup{{Path: "/"}, {"/health?full=1", 401}},
		RequestBody: "stream",
		FileRoots:   []string{folder + "/public", folder + "/app"}, Delivery: "at-most-once", Wire: "stdio",
		PHP: folder + "/bin/php", API: "sdk",
		PHPIni: Settings{"memory_limit": "1G", "opcache.enable": "0", "zend.assertions": "1"},
		Gates:  Gates{OnFailure: "back", Timeout: 5 * time.Minute},
		Deploy: Deploy{Current: "current", Branch: "main", Timeout: 15 * time.Minute, Keep: 5},
		Kind:   PHPFile, Script: "worker.php", Site: Site{Index: "index.php"}, at: "pool.web",
	}
	setDefaults(&web.Canary)
	setDefaults(&web.Fetch)
	if !reflect.DeepEqual(c.Pool("web"), web) {
		t.Errorf("pool %+v", c.Pool("web"))
	}
	if p := c.Pools[1]; p.Kind != Program || !slices.Equal(p.Command, []string{"sh", "a b"}) ||
		p.Directory != folder+"/current" {
		t.Errorf("pool %+v", p)
	}
	if p := c.Pools[1]; p.Workers != 0 || p.MinWorkers != 2 || p.MaxWorkers != 9 || p.IdleTimeout != 8*time.Second ||
		p.MaxPoolMemory != 7<<30 {
		t.Errorf("pool %+v", p)
	}
	if c.Warnings != nil {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestWithoutAFileAWorkerAloneIsServedOnTheLoopback(t *testing.T) {
	folder := site(t)
	c, err := Load("", variables())
	if err != nil {
		t.Fatal(err)
	}
	apply(t, c, Overrides{Worker: "app", Dev: true})
	if len(c.Listen) != 1 || c.Listen[0].Address != "127.0.0.1:8080" || c.Listen[0].Pool != "default" ||
		c.Listen[0].Protocol != "http" {
		t.Errorf("listen %+v", c.Listen)
	}
	p := c.Pool("default")
	if p == nil || p.Worker != folder+"/app/worker.php" || p.Directory != folder+"/app" || p.Script != "worker.php" ||
		p.Workers < 4 {
		t.Fatalf("pool %+v", p)
	}
	if p.StartTimeout != 30*time.Second || p.Queue != 1024 || p.Wire != "descriptors" || p.FileRoots != nil {
		t.Errorf("pool %+v", p)
	}
	if !c.Dev || c.Path != "" || filepath.Dir(c.Control) != folder {
		t.Errorf("dev %v, path %q, control %q", c.Dev, c.Path, c.Control)
	}
}

func TestACommandAfterTheDashesRunsInTheWorkingDirectory(t *testing.T) {
	folder := site(t)
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, c, Overrides{Command: []string{"sh", "-c", "exit"}, Listen: []string{":0", "unix:a.sock"}, Workers: 2})
	p := c.Pools[0]
	if p.Kind != Program || p.Directory != folder || p.Workers != 2 ||
		!slices.Equal(p.Command, []string{"sh", "-c", "exit"}) {
		t.Errorf("pool %+v", p)
	}
	if network, address := c.Listen[1].Network(); network != "unix" || address != folder+"/a.sock" {
		t.Errorf("second listener %s %s", network, address)
	}
}

func TestAHostTOMLBesideYouIsReadWithoutBeingNamed(t *testing.T) {
	site(t)
	if err := os.WriteFile(FileName, []byte("[pool.web]\nworker = 'goapp'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load("", variables())
	if err != nil {
		t.Fatal(err)
	}
	if c.Path != FileName || c.Pool("web").Kind != GoPackage || c.Listen[0].Address != DefaultAddress {
		t.Errorf("%+v", c)
	}
}

func TestFlagsWinOverTheFile(t *testing.T) {
	folder := site(t)
	c := parse(t, `
control = "a.sock"
log = { level = "warn", format = "text" }
listen = [{ address = ":1" }, { address = ":2" }]
[pool.web]
worker = "worker.php"
workers = 9
`)
	apply(t, c, Overrides{Control: "b.sock", LogLevel: "error", LogFormat: "json", Listen: []string{":3"}, Workers: 1})
	if c.Control != folder+"/b.sock" || c.Log.Level != "error" || c.Log.Format != "json" || c.Pools[0].Workers != 1 {
		t.Errorf("control %q, log %+v, workers %d", c.Control, c.Log, c.Pools[0].Workers)
	}
	if len(c.Listen) != 1 || c.Listen[0].Address != ":3" || c.Listen[0].Pool != "web" {
		t.Errorf("listen %+v", c.Listen)
	}
	c = parse(t, "[pool.web]\nworker = \"worker.php\"\nmin_workers = 2\nmax_workers = 9\n")
	apply(t, c, Overrides{Workers: 3})
	if least, most := c.Pools[0].Span(); least != 3 || most != 3 {
		t.Errorf("-n 3 gives from %d to %d workers", least, most)
	}
}

// A pool resolves the symlink of its directory anew for each generation, so neither the directory nor the script may
// have been resolved here.
func TestADeployedSymlinkIsLeftForThePoolToFollow(t *testing.T) {
	folder := site(t)
	for _, file := range []string{
		"[pool.web]\nworker = 'current/work.php'\n",
		"[pool.web]\ndirectory = 'current'\nworker = 'work.php'\n",
	} {
		p := parse(t, file).Pools[0]
		if p.Directory != folder+"/current" || p.Script != "work.php" {
			t.Errorf("%s: directory %q, script %q", file, p.Directory, p.Script)
		}
	}
	p := parse(t, "[pool.web]\ndirectory = 'current'\nworker = '../app/other.php'\n").Pools[0]
	if p.Script != folder+"/app/other.php" {
		t.Errorf("script outside the directory is %q", p.Script)
	}
}

func TestAPoolWithoutAListenerIsAWarning(t *testing.T) {
	site(t)
	c := apply(t, parse(t, `
[[listen]]
address = ":80"
pool = "web"
[pool.web]
worker = "app"
[pool.jobs]
worker = "app/other.php"
`), Overrides{})
	want := "host.toml:7: [pool.jobs] has no listener or route: it runs, but nothing reaches it"
	if c.Warnings.Error() != want || c.Warnings[0].Key != "pool.jobs" {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestVariablesAreExpandedInEveryKindOfValue(t *testing.T) {
	site(t)
	c := parse(t, `
[http]
max_body = "${BODY}"
read_timeout = "${SECONDS_}s"
[[listen]]
address = "127.0.0.1:${PORT:-9000}"
[pool.web]
worker = "${WHICH}.php"
workers = "${WORKERS:-4}"
env = { SECRET = "${SECRET}", PRICE = "5$$", "${NAME}" = "keys are plain" }
php_ini = { memory_limit = "${MEMORY:-64M}" }
`, "BODY", "2MiB", "SECONDS_", "7", "PORT", "", "WHICH", "worker", "SECRET", `"'${WHICH}'"`)
	p := c.Pools[0]
	if c.HTTP.MaxBody != 2<<20 || c.HTTP.ReadTimeout != 7*time.Second || c.Listen[0].Address != "127.0.0.1:9000" ||
		p.Workers != 4 {
		t.Errorf("%+v %+v %+v", c.HTTP, c.Listen, p)
	}
	want := map[string]string{"SECRET": `"'${WHICH}'"`, "PRICE": "5$", "${NAME}": "keys are plain"}
	if !maps.Equal(p.Env, want) || p.PHPIni["memory_limit"] != "64M" {
		t.Errorf("env %q, php_ini %q", p.Env, p.PHPIni)
	}
}

func TestACertificateAndItsKeyAreAcceptedTogetherOnly(t *testing.T) {
	folder := site(t)
	write := func(name, kind string, der []byte) {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1)}
		certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(name+".pem", "CERTIFICATE", certificate)
		write(name+".key", "PRIVATE KEY", private)
	}
	file := good + "[[listen]]\naddress = ':443'\ntls = { certificate = 'a.pem', key = '%s' }\n"
	c := parse(t, fmt.Sprintf(file, "a.key"))
	want := TLS{Certificate: Words{folder + "/a.pem"}, Key: Words{folder + "/a.key"}, Require: true}
	if !reflect.DeepEqual(*c.Listen[0].TLS, want) {
		t.Errorf("tls %+v", c.Listen[0].TLS)
	}
	_, err := Parse("host.toml", []byte(fmt.Sprintf(file, "b.key")), variables())
	if err == nil || !strings.HasPrefix(err.Error(),
		"host.toml:5: [[listen]] tls: "+folder+"/a.pem and "+folder+"/b.key are not a PEM certificate and its key: ") {
		t.Errorf("with another key: %v", err)
	}
}

func TestThePoolsVariablesReplaceTheHostsOwn(t *testing.T) {
	p := &Pool{Env: map[string]string{"B": "2", "A": "1=1"}, InheritEnv: []string{"A*"}}
	got := p.Environ([]string{"PATH=/bin", "A=0", "AA=3"})
	if want := []string{"PATH=/bin", "AA=3", "A=1=1", "B=2"}; !slices.Equal(got, want) {
		t.Errorf("environment %q", got)
	}
}

func TestWorkersInheritOnlyWhatIsListed(t *testing.T) {
	host := []string{"PATH=/bin", "HOME=/root", "USER=root", "LC_TIME=C", "SECRET=1", "APP_ENV=prod", "APP_KEY=2",
		"NAMED=3"}
	for name, c := range map[string]struct {
		pool Pool
		want []string
	}{
		"nothing listed": {Pool{}, []string{"PATH=/bin", "HOME=/root", "USER=root", "LC_TIME=C"}},
		"names": {Pool{InheritEnv: []string{"NAMED", "APP_*"}},
			[]string{"PATH=/bin", "HOME=/root", "USER=root", "LC_TIME=C", "APP_ENV=prod", "APP_KEY=2", "NAMED=3"}},
		"everything": {Pool{InheritEnv: []string{"*"}}, host},
		"of another user": {Pool{Identity: &privilege.Identity{User: "www", UID: 1 << 20, Home: "/srv"},
			InheritEnv: []string{"*"}},
			[]string{"PATH=/bin", "LC_TIME=C", "SECRET=1", "APP_ENV=prod", "APP_KEY=2", "NAMED=3", "USER=www",
				"LOGNAME=www", "HOME=/srv"}},
	} {
		if got := c.pool.Environ(host); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTheReferenceListsEveryKeyWithItsDefault(t *testing.T) {
	docs := Keys()
	known := map[string]KeyDoc{}
	for _, d := range docs {
		if d.Type == "" || d.Default == "" || d.Meaning == "" || strings.HasSuffix(d.Meaning, ".") {
			t.Errorf("%s %s lacks something: %+v", d.Section, d.Key, d)
		}
		known[d.Section+" "+d.Key] = d
	}
	if len(known) != len(docs) || len(docs) < 40 {
		t.Errorf("%d keys, %d different", len(docs), len(known))
	}
	for place, want := range map[string]KeyDoc{
		"[http] max_body":            {Type: "size", Default: `"1GiB"`},
		"[pool.NAME] workers":        {Type: "whole number", Default: "2 per CPU, at least 4; 1 for Go"},
		"[pool.NAME] queue":          {Type: "whole number", Default: "1024"},
		"[[listen]] tls.certificate": {Type: "path or array", Default: "required without auto"},
		"[pool.NAME] request_body": {Type: `"buffer" or "stream"`,
			Default: "buffer; stream for workers that take several requests at once"},
		"[log] level":                 {Type: `one of "trace", "debug", "info", "warn" or "error"`, Default: `"info"`},
		"[pool.NAME] request_timeout": {Type: "duration", Default: `"60s"`},
		"[pool.NAME] php_ini":         {Type: "table of strings, numbers and truth values", Default: "{}"},
		"[pool.NAME] file_roots":      {Type: "array of paths", Default: "the pool's directory"},
		"[[listen]] protocol":         {Type: `one of "http", "tcp" or "udp"`, Default: `"http"`},
	} {
		if got := known[place]; got.Type != want.Type || got.Default != want.Default {
			t.Errorf("%s is %+v", place, got)
		}
	}
}

func TestAnAddressMayBeTheNameOfASocketThatIsPassed(t *testing.T) {
	for address, problem := range map[string]string{
		"fd:web": "", "fd:workerhost.socket": "", "fd:": "expected a name after fd:", "fd:a:80": "expected a name",
		"fd:ä": "expected a name",
	} {
		got, err := parseAddress(address, "/srv")
		if problem == "" && (err != nil || got != address) || problem != "" && (err == nil ||
			!strings.Contains(err.Error(), problem)) {
			t.Errorf("%s: %q, %v", address, got, err)
		}
	}
	for _, c := range []struct {
		a, b  Listen
		taken bool
	}{
		{Listen{Address: "fd:web"}, Listen{Address: "fd:web", Protocol: "tcp"}, true},
		{Listen{Address: "fd:dns"}, Listen{Address: "fd:dns", Protocol: "udp"}, false},
		{Listen{Address: "fd:web"}, Listen{Address: "fd:api"}, false},
		{Listen{Address: "fd:web", Protocol: "udp"}, Listen{Address: ":80"}, false},
	} {
		if (c.a.takes()[0] == c.b.takes()[0]) != c.taken {
			t.Errorf("%s of %q and %s of %q", c.a.Address, c.a.Protocol, c.b.Address, c.b.Protocol)
		}
	}
}
