//go:build unix

package config

import (
	"strings"
	"testing"
)

func TestASymlinkThatLeadsNowhereIsNotToBeCreated(t *testing.T) {
	const why = "SITE/gone is a symlink to releases/0, which does not exist: point it at what does (ln -sfn TARGET " +
		"SITE/gone), or mend the path"
	checkMistakes(t, []mistake{
		{"[pool.web]\nworker = 'worker.php'\ndirectory = 'gone'", "host.toml:3: [pool.web] directory: " + why},
		{"[pool.web]\nworker = 'gone/worker.php'", "host.toml:2: [pool.web] worker: " + why},
		{"[pool.web]\ncommand = ['gone/run.sh']", "host.toml:2: [pool.web] command: " + why},
		{good + "file_roots = ['gone/files']", "host.toml:3: [pool.web] file_roots.0: " + why},
		{good + "[http]\npublic = 'gone/public'", "host.toml:4: [http] public: " + why},
		{good + "[http]\naccess_log = 'gone/access.log'", "host.toml:4: [http] access_log: " + why},
		{"[control]\nlisten = ':1'\ntoken_file = 'gone'\n" + good,
			"host.toml:3: [control] token_file: can't read the token: " + why},
		{"[[listen]]\naddress = ':1'\ntls = { certificate = 'gone/a.pem', key = 'worker.php' }\n" + good,
			"host.toml:3: [[listen]] tls.certificate: can't read the certificate: " + why},
	})
	folder := site(t)
	_, err := Load("gone", variables())
	if err == nil || !strings.HasPrefix(err.Error(), "gone: gone is a symlink to releases/0, ") {
		t.Errorf("-c gone: %v", err)
	}
	if _, err := Load("/none/host.toml", variables()); err == nil ||
		err.Error() != "/none/host.toml: there is no such file: name one with -c FILE, or leave -c out" {
		t.Errorf("-c /none/host.toml: %v", err)
	}
	if _, err := Load(folder, variables()); err == nil ||
		!strings.Contains(err.Error(), "it is a folder: name the file, as in -c "+folder+"/host.toml") {
		t.Errorf("-c %s: %v", folder, err)
	}
}
