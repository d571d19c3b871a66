package config

import (
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func TestAControlListenerNeedsAToken(t *testing.T) {
	const listen = "[control]\nlisten = '127.0.0.1:9181'\n"
	checkMistakes(t, []mistake{
		{listen,
			`host.toml:2: [control] listen: needs a token, since whoever reaches it could stop the host: write token_file = "FILE" (openssl rand -hex 24 > FILE)`},
		{listen + "token = 'short'",
			`host.toml:3: [control] token: expected at least 16 characters without spaces (openssl rand -hex 24 makes some)`},
		{listen + "token_file = 'none'",
			`host.toml:3: [control] token_file: can't read the token: there is no SITE/none: mend the path`},
		{listen + "token_file = 'run.sh'",
			`host.toml:3: [control] token_file: SITE/run.sh holds no token: expected at least 16 characters without spaces (openssl rand -hex 24 > FILE)`},
		{"[control]\ntoken = '0123456789abcdef'",
			`host.toml:2: [control] token: has no effect without listen: write listen = "127.0.0.1:9181"`},
		{"[control]\nlisten = 'unix:/a'\ntoken = '0123456789abcdef'",
			`host.toml:2: [control] listen: expected host:port, found "unix:/a": the socket is control = "PATH"`},
		{"[control]\nlisten = ':x'\ntoken = '0123456789abcdef'",
			`host.toml:2: [control] listen: expected "host:port", ":port" or "unix:/path", found ":x": a port is a number from 0 to 65535`},
		{"[control]\nsocket = 'off'", `host.toml:2: [control] socket: "off" leaves no way to reload or stop the host: ` +
			`write listen = "127.0.0.1:9181" and token_file = "FILE" (openssl rand -hex 24 > FILE) beside it`},
		{"control = 'off'", `host.toml:1: control: "off" leaves no way to reload or stop the host: ` +
			`write listen = "127.0.0.1:9181" and token_file = "FILE" (openssl rand -hex 24 > FILE) beside it`},
		{"[control]\nsocket = 'off'\nlisten = '127.0.0.1:0'\ntoken = '0123456789abcdef'\nmode = '0600'",
			"host.toml:3: [control] listen: port 0 is another one at each start, which the commands can't know " +
				"without the socket: choose one\n" +
				"host.toml:5: [control] mode: has no effect without the socket, which is off: remove it"},
		{"[control]\nlistn = ''", "host.toml:2: unknown key `listn` in [control]: did you mean `listen`?"},
	})
}

func TestMistakesAboutWhoMayAreExplained(t *testing.T) {
	const token = "token = '0123456789abcdef'\n"
	const listen = "[control]\nlisten = '127.0.0.1:9181'\n"
	checkMistakes(t, []mistake{
		{"[control]\nmode = '0666'",
			`host.toml:2: [control] mode: 0666 lets everybody in, and whoever is in can stop the host: write "0660", and the group that is to be let in as group`},
		{"[control]\nmode = '0060'",
			`host.toml:2: [control] mode: 0060 keeps the host's own user out: write "0600", or "0660" with group`},
		{"[control]\nmode = '0640'",
			`host.toml:2: [control] mode: 0640 keeps the group out, since connecting to a socket takes write permission: write "0660", or "0600" without group`},
		{"[control]\ngroup = '4711'\nmode = '0640'",
			`host.toml:3: [control] mode: 0640 keeps the group out, since connecting to a socket takes write permission: write "0660", or "0600" without group`},
		{"[control]\ngroup = '4711'\nmode = '0600'",
			`host.toml:3: [control] mode: 0600 keeps the group out, since connecting to a socket takes write permission: write "0660", or "0600" without group`},
		{"[control]\nmode = '0602'",
			`host.toml:2: [control] mode: 0602 lets everybody in, and whoever is in can stop the host: write "0660", and the group that is to be let in as group`},
		{"[control]\nmode = '2660'",
			`host.toml:2: [control] mode: expected octal digits such as "0660", found "2660"`},
		{"[control]\nmode = 'rw'", `host.toml:2: [control] mode: expected octal digits such as "0660", found "rw"`},
		{"[control]\nmode = 660", `host.toml:2: [control] mode: expected a string, found the number 660`},
		{"[control]\ngroup = 'no-such-group'",
			`host.toml:2: [control] group: there is no group "no-such-group": create it (groupadd --system no-such-group), or name another`},
		{"[control.tokens.a]\nrights = ['status']",
			`host.toml:1: [control] tokens: has no effect without listen: write listen = "127.0.0.1:9181"`},
		{listen + "[control.tokens.a]\n" + token, "host.toml:3: [control.tokens.a] rights: expected what the token " +
			"is good for, such as rights = [\"status\"]; there are `status`, `reload`, `stop`, `connections`, " +
			"`cache`, `upgrade`, `profile`, `run`, `faults`, `replay`, `tasks` and `maintenance`"},
		{listen + "[control.tokens.a]\nrights = ['reloads']\n" + token,
			`host.toml:4: [control.tokens.a] rights.0: there is no right "reloads": did you mean "reload"?`},
		{listen + "[control.tokens.a]\nrights = ['update']\n" + token, "host.toml:4: [control.tokens.a] rights.0: " +
			"there is no right \"update\": the rights are `status`, `reload`, `stop`, `connections`, `cache`, " +
			"`upgrade`, `profile`, `run`, `faults`, `replay`, `tasks` and `maintenance`"},
		{listen + "[control.tokens.a]\nrights = ['stop']",
			`host.toml:3: [control.tokens.a]: has no token: write token_file = "FILE" (openssl rand -hex 24 > FILE)`},
		{listen + "[control.tokens.a]\nrights = ['stop']\ntoken = 'short'",
			`host.toml:5: [control.tokens.a] token: expected at least 16 characters without spaces (openssl rand -hex 24 makes some)`},
		{listen + "[control.tokens.a]\nright = ['stop']\n" + token, "host.toml:3: [control.tokens.a] rights: " +
			"expected what the token is good for, such as rights = [\"status\"]; there are `status`, `reload`, " +
			"`stop`, `connections`, `cache`, `upgrade`, `profile`, `run`, `faults`, `replay`, `tasks` and " +
			"`maintenance`\n" +
			"host.toml:4: unknown key `right` in [control.tokens.a]: did you mean `rights`?"},
		{listen + "[control.tokens.'A B']\nrights = ['stop']\n" + token,
			`host.toml:3: [control.tokens.A B]: "A B" is no name for a token: use a-z, 0-9, - and _, beginning with a letter or a digit`},
		{listen + "tokens = 'x'",
			`host.toml:3: [control] tokens: expected a table for each token, found "x": write [control.tokens.NAME], for example [control.tokens.monitoring]`},
		{listen + token + "[control.tokens.a]\nrights = ['stop']\n" + token,
			`host.toml:4: [control.tokens.a]: it has the same token as token, so that it can't be told what it is good for: make one of its own (openssl rand -hex 24 > FILE)`},
	})
}

func TestTokensHaveRights(t *testing.T) {
	site(t)
	c := parse(t, "[control]\nlisten = '127.0.0.1:1'\n[control.tokens.monitoring]\ntoken = "+
		"'0123456789abcdef'\nrights = ['status']\n[control.tokens.deploy]\ntoken = 'fedcba9876543210'\nrights = "+
		"['status', 'reload']\n"+good)
	if got, want := c.Remote.Secrets(), []Secret{
		{"deploy", "fedcba9876543210", []string{"status", "reload"}},
		{"monitoring", "0123456789abcdef", []string{"status"}},
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestTheSocketIsForItsGroupAsFarAsThatCanGetThere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes there")
	}
	folder := site(t)
	for text, want := range map[string]os.FileMode{"": 0, "group = '4711'": 0o660, "mode = '0660'": 0o660,
		"group = '4711'\nmode = '0620'": 0o620, "mode = '0600'": 0o600} {
		c := parse(t, "[control]\nsocket = 'run/c.sock'\n"+text+"\n"+good)
		mode, group := c.Remote.Access()
		if mode != want || (group != nil) != strings.Contains(text, "group") || group != nil && *group != 4711 {
			t.Errorf("%q: %04o, %v", text, mode, group)
		}
		if err := os.MkdirAll("run", 0o700); err != nil {
			t.Fatal(err)
		}
		why := c.Remote.Unreachable(c.Control)
		if closed := strings.Contains(why, "they may not enter "+folder+"/run (mode 0700)"); closed != (group != nil) {
			t.Errorf("%q: %q", text, why)
		}
	}
}

func TestTheControlSocketHasTwoSpellings(t *testing.T) {
	folder := site(t)
	for _, text := range []string{"control = 'run.sock'\n" + good, "[control]\nsocket = 'run.sock'\n" + good} {
		if c := parse(t, text); c.Control != folder+"/run.sock" || !reflect.DeepEqual(c.Remote, Remote{}) {
			t.Errorf("%q: %q, %+v", text, c.Control, c.Remote)
		}
		if err := os.WriteFile("host.toml", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if found, err := FindControl("", "", variables()); err != nil || found.Socket != folder+"/run.sock" {
			t.Errorf("%q: the commands look at %v, %v", text, found, err)
		}
	}
}

func TestWithoutASocketTheCommandsReadTheAddressAndTheTokenFromTheFile(t *testing.T) {
	folder := site(t)
	if err := os.WriteFile("token", []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "0123456789abcdef"
	for text, want := range map[string]Place{
		"listen = '127.0.0.1:9181'\ntoken = '" + secret + "'":  {Address: "127.0.0.1:9181", Token: secret},
		"listen = ':9181'\ntoken = '${TOKEN}'":                 {Address: "127.0.0.1:9181", Token: secret},
		"listen = '[::]:9181'\ntoken_file = 'token'":           {Address: "[::1]:9181", TokenFile: folder + "/token"},
		"listen = '0.0.0.0:9181'\ntoken = '" + secret + "'\n[": {Address: "127.0.0.1:9181", Token: secret},
	} {
		text = "[control]\nsocket = 'off'\n" + text
		if err := os.WriteFile(FileName, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := FindControl("", "", variables("TOKEN", secret)); err != nil || got != want {
			t.Errorf("%q: the commands look at %+v, %v", text, got, err)
		}
		if got, err := FindControl("x.sock", "", variables()); err != nil ||
			got != (Place{Socket: folder + "/x.sock"}) {
			t.Errorf("%q: with --control they look at %+v, %v", text, got, err)
		}
	}
	c := parse(t, "[control]\nsocket = 'off'\nlisten = ':9181'\ntoken_file = 'token'\n"+good)
	if got, want := c.ControlPlace(), (Place{Address: "127.0.0.1:9181", Token: secret}); got != want {
		t.Errorf("the file is read as %+v", got)
	}
	if err := os.WriteFile(FileName, []byte("[control]\nsocket = 'off'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := FindControl("", "", variables()); err == nil ||
		!strings.HasPrefix(err.Error(), `host.toml:2: [control] socket: "off" leaves no way`) {
		t.Errorf("without an address: %v", err)
	}
}

func TestAControlListenerForAllTheNetworkIsWarnedOf(t *testing.T) {
	site(t)
	if err := os.WriteFile("token", []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for address, warned := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false,
		":1": true, "10.0.0.1:1": true} {
		c := parse(t, "[control]\nlisten = '"+address+"'\ntoken_file = 'token'\n"+good)
		if s := c.Remote.Secrets(); len(s) != 1 || s[0].Secret != "0123456789abcdef" || s[0].Rights != nil {
			t.Errorf("tokens %+v", s)
		}
		if got := len(c.Warnings) == 1 && strings.Contains(c.Warnings[0].Text, "not encrypted"); got != warned {
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
		if got := len(c.Warnings) == 1 && strings.HasPrefix(c.Warnings[0].Error(), "host.toml:3: ") &&
			c.Warnings[0].Remedy() == "chmod 600 it"; got != warned {
			t.Errorf("mode %04o: warnings %q", mode, c.Warnings)
		}
	}
}
