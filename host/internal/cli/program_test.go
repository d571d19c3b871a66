package cli

import "testing"

func TestAProgramIsHostWhateverItsFileIsNamedUnlessAPackageNamedIt(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/workerhost": "workerhost", "workerhost": "workerhost", "workerhost.exe": "workerhost",
		"bin/host": "host", "host_1.2.3_linux_amd64": "host", "/opt/workerhost/bin/host": "host", "": "host",
	} {
		if got := called(path); got != want {
			t.Errorf("%q is called %s", path, got)
		}
	}
}

func TestOnlyCommandLinesAreRenamed(t *testing.T) {
	terminal := &Terminal{Program: packagedName, commands: []string{"reload", "send"}}
	for text, want := range map[string]string{
		"run `host reload`":                   "run `workerhost reload`",
		"host reload\nhost send":              "workerhost reload\nworkerhost send",
		"cd /srv && host reload -c host.toml": "cd /srv && workerhost reload -c host.toml",
		`\fBhost reload\fR`:                   `\fBworkerhost reload\fR`,
		"host COMMAND":                        "workerhost COMMAND",
		"they have the host send a file":      "they have the host send a file",
		"host stops":                          "host stops",
		"a host reloads":                      "a host reloads",
		"/run/host reload":                    "/run/host reload",
	} {
		if got := terminal.renamed(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := (&Terminal{Program: ownName, commands: terminal.commands}).renamed("host reload"); got != "host reload" {
		t.Errorf("host is called %q", got)
	}
}
