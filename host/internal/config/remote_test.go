package config

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestAControlListenerNeedsAToken(t *testing.T) {
	const listen = "[control]\nlisten = '127.0.0.1:9181'\n"
	checkMistakes(t, []mistake{
		{listen, `host.toml:2: [control] listen: needs a token, since whoever reaches it could stop the host: write token_file = "FILE" (openssl rand -hex 24 > FILE)`},
		{listen + "token = 'short'", `host.toml:3: [control] token: expected at least 16 characters without spaces (openssl rand -hex 24 makes some)`},
		{listen + "token_file = 'none'", `host.toml:3: [control] token_file: can't read the token: open SITE/none: no such file or directory`},
		{listen + "token_file = 'run.sh'", `host.toml:3: [control] token_file: SITE/run.sh holds no token: expected at least 16 characters without spaces (openssl rand -hex 24 > FILE)`},
		{"[control]\ntoken = '0123456789abcdef'", `host.toml:2: [control] token: has no effect without listen: write listen = "127.0.0.1:9181"`},
		{"[control]\nlisten = 'unix:/a'\ntoken = '0123456789abcdef'", `host.toml:2: [control] listen: expected host:port, found "unix:/a": the socket is control = "PATH"`},
		{"[control]\nlisten = ':x'\ntoken = '0123456789abcdef'", `host.toml:2: [control] listen: expected "host:port", ":port" or "unix:/path", found ":x": a port is a number from 0 to 65535`},
		{"[control]\nlistn = ''", "host.toml:2: unknown key `listn` in [control]: did you mean `listen`?"},
	})
}

func TestTheControlSocketHasTwoSpellings(t *testing.T) {
	folder := site(t)
	for _, text := range []string{"control = 'run.sock'\n" + good, "[control]\nsocket = 'run.sock'\n" + good} {
		if c := parse(t, text); c.Control != folder+"/run.sock" || c.Remote != (Remote{}) {
			t.Errorf("%q: %q, %+v", text, c.Control, c.Remote)
		}
		if err := os.WriteFile("host.toml", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if found, err := FindControl("", "", variables()); err != nil || found != folder+"/run.sock" {
			t.Errorf("%q: the commands look at %q, %v", text, found, err)
		}
	}
}

func TestAControlListenerForAllTheNetworkIsWarnedOf(t *testing.T) {
	site(t)
	if err := os.WriteFile("token", []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for address, warned := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false, ":1": true, "10.0.0.1:1": true} {
		c := parse(t, "[control]\nlisten = '"+address+"'\ntoken_file = 'token'\n"+good)
		if c.Remote.Secret() != "0123456789abcdef" {
			t.Errorf("token %q", c.Remote.Secret())
		}
		if got := len(c.Warnings) == 1 && strings.Contains(c.Warnings[0], "not encrypted"); got != warned {
			t.Errorf("%s: warnings %q", address, c.Warnings)
		}
	}
}

func TestATokenThatOthersCanReadIsWarnedOf(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes there")
	}
	site(t)
	if err := os.WriteFile("token", []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true} {
		if err := os.Chmod("token", mode); err != nil {
			t.Fatal(err)
		}
		c := parse(t, "[control]\nlisten = '127.0.0.1:1'\ntoken_file = 'token'\n"+good)
		if got := len(c.Warnings) == 1 && strings.HasPrefix(c.Warnings[0], "host.toml:3: ") && strings.HasSuffix(c.Warnings[0], "chmod 600 it"); got != warned {
			t.Errorf("mode %04o: warnings %q", mode, c.Warnings)
		}
	}
}
