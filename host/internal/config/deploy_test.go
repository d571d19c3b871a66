package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMistakesAboutDeploysAreExplained(t *testing.T) {
	checkMistakes(t, []mistake{
		{good + "[deploy]\nshared = ['../x', '', '/etc', '.git/hooks']",
			`host.toml:4: [deploy] shared.0: expected a name in the release, such as "storage/" or ".env", found "../x"
host.toml:4: [deploy] shared.1: expected a name in the release, such as "storage/" or ".env", found ""
host.toml:4: [deploy] shared.2: expected a name in the release, such as "storage/" or ".env", found "/etc"
host.toml:4: [deploy] shared.3: expected a name in the release, such as "storage/" or ".env", found ".git/hooks"`},
		{good + "[deploy]\nshared = ['storage/', '.env', './storage/app']", `host.toml:4: [deploy] shared.2: ` +
			`"./storage/app" and "storage/" are the same, or one lies in the other: the outer one alone shares both`},
		{good + "[deploy]\nbuild = [[]]",
			`host.toml:4: [deploy] build.0: no program: write ["PROGRAM", "ARGUMENT"]`},
		{good + "[deploy]\nbuild = ['make']", `host.toml:4: [deploy] build: expected an array of commands, each of ` +
			`them an array of strings, found an array: write [["PROGRAM", "ARGUMENT"]]`},
		{good + "[deploy]\nrepository = '--upload-pack=x'\nkeep = 1",
			`host.toml:4: [deploy] repository: expected a folder or a URL, found "--upload-pack=x"
host.toml:5: [deploy] keep: expected a whole number from 2 to 1000, found the number 1`},
		{good + "[deploy]\nbranch = '-x'", `host.toml:4: [deploy] branch: expected the name of a branch, found "-x"`},
		{good + "[deploy]\nwebhook = ':9000'", `host.toml:4: [deploy] webhook: needs a secret, or whoever reaches it ` +
			`could have it deploy: write webhook_secret_file = "FILE" (openssl rand -hex 24 > FILE)`},
		{good + "[deploy]\nwebhook = 'x'\nwebhook_secret_file = 'f'", `host.toml:4: [deploy] webhook: expected ` +
			`host:port, found "x"`},
		{good + "[deploy]\nwebhook_secret_file = 'f'", `host.toml:4: [deploy] webhook_secret_file: has no effect ` +
			`without webhook: write webhook = "127.0.0.1:9000"`},
		{good + "[pool.web.deploy]\ncurrent = ''", `host.toml:4: [pool.web] deploy.current: expected the path of a ` +
			`symlink, found ""`},
	})
}

// A file is read for a deploy before there is anything of what it names.
func TestADeployIsKnownBeforeTheFirstRelease(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "host.toml")
	for text, want := range map[string]string{
		"[pool.web]\nworker = 'worker.php'\ndirectory = 'current'":          "current . web 5",
		"[pool.web]\nworker = 'current/app/worker.php'\n[deploy]\nkeep = 3": "current app web 3",
		"[pool.a]\nworker = 'a.php'\n[pool.b]\nfpm = true\nroot = 'live/public'\n[deploy]\ncurrent = 'live'": "live " +
			"public b 5",
		"[pool.web]\nworker = 'worker.php'": "no pool runs in a release",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := FindDeploy(path, "", os.LookupEnv)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(filepath.Base(d.Current), " ", d.Inside, " ", d.Pool.Name, " ", d.Keep)
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s\ngot:  %s\nwant: %s", text, got, want)
		}
	}
	two := "[pool.a]\nworker = 'a.php'\ndirectory = 'a/now'\n[pool.a.deploy]\ncurrent = 'a/now'\n" +
		"[pool.b]\nworker = 'b.php'\ndirectory = 'b/now'\n[pool.b.deploy]\ncurrent = 'b/now'\n"
	if err := os.WriteFile(path, []byte(two), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := FindDeploy(path, "b", os.LookupEnv)
	if err != nil || d.Current != filepath.Join(folder, "b/now") || d.Pool.Name != "b" {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := FindDeploy(path, "c", os.LookupEnv); err == nil {
		t.Error("pool c is there")
	}
}
