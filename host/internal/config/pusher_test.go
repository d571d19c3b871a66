package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

const leads = "[[route]]\npath = ['/app/*', '/apps/*']\npusher = 'main'\n[pusher.main]\n"

const app = leads + "id = '7'\nkey = 'k'\nsecret = 'env:WORD'\n"

func TestAnAppIsReadWithItsDefaults(t *testing.T) {
	folder := site(t)
	if err := os.WriteFile(folder+"/secret", []byte(" s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := apply(t, parse(t, leads+"id = '7'\nkey = 'k'\nsecret = 'secret'\n"+good), Overrides{})
	p := c.Pushers[0]
	if p.Secret() != "s3cret" || p.Pool != "web" || p.ClientEvents || p.ActivityTimeout != 2*time.Minute ||
		p.MaxMembers != 1000 || p.MaxEvent != 100<<10 || p.Origins != nil {
		t.Errorf("%+v", p)
	}
	if got := c.Routes[0].Targets(); got != "Pusher's protocol, app main" {
		t.Error(got)
	}
	for _, k := range Keys() {
		if k.Section == "[pusher.NAME]" && strings.Contains(k.Default, "s3cret") {
			t.Error(k)
		}
	}
	shown := reflect.ValueOf(*p)
	for _, f := range reflect.VisibleFields(shown.Type()) {
		if f.IsExported() && strings.Contains(shown.FieldByIndex(f.Index).String(), "s3cret") {
			t.Errorf("%s shows the secret", f.Name)
		}
	}
}

func TestMistakesInAppsSayWhatToDo(t *testing.T) {
	const several = "[pool.a]\nworker = 'worker.php'\nrealm = 'one'\n" +
		"[pool.b]\nworker = 'worker.php'\nrealm = 'two'\n[[listen]]\naddress = ':80'\npool = 'a'\n"
	checkMistakes(t, []mistake{
		{"pusher = 7\n" + good, "host.toml:1: [pusher]: expected a table for each app, found the number 7: write " +
			"[pusher.NAME], for example [pusher.main]"},
		{"[pusher.A]\n" + good, `host.toml:1: [pusher.A]: "A" is no name for an app: use a-z, 0-9, - and _, ` +
			"beginning with a letter or a digit"},
		{good + "[[route]]\npusher = 'mian'\n" + app, "host.toml:4: [[route]] pusher: there is no app \"mian\": " +
			`did you mean "main"?`},
		{good + "[[route]]\npusher = 'x'\n", "host.toml:4: [[route]] pusher: there is no app \"x\": " +
			"write [pusher.x]"},
		{good + "[pusher.main]\nid = '7'\nkey = 'k'\nsecret = 'env:WORD'\n", "host.toml:3: [pusher.main]: no route " +
			"leads to it: write\n\n    [[route]]\n    path = [\"/app/*\", \"/apps/*\"]\n    pusher = \"main\"\n"},
		{good + leads + "id = 'a/b'\nkey = ''\nsecret = 'env:WORD'\n", "host.toml:7: [pusher.main] id: expected 1 " +
			"to 64 letters, digits, - and _, as the application has it, found \"a/b\"\nhost.toml:8: [pusher.main] " +
			"key: expected 1 to 64 letters, digits, - and _, as the application has it, found \"\""},
		{good + leads + "id = '7'\nkey = 'k'\n", "host.toml:6: [pusher.main] secret: is missing: write " +
			`secret = "FILE", or secret = "env:NAME" for a variable of the environment`},
		{good + leads + "id = '7'\nkey = 'k'\nsecret = 'none'\n", "host.toml:9: [pusher.main] secret: can't be " +
			"read: there is no SITE/none: mend the path"},
		{good + leads + "id = '7'\nkey = 'k'\nsecret = 'env:NONE'\n", "host.toml:9: [pusher.main] secret: the " +
			`host's environment has no variable "NONE"`},
		{good + leads + "id = '7'\nkey = 'k'\nsecret = 'env:EMPTY'\n", "host.toml:9: [pusher.main] secret: " +
			"env:EMPTY holds no secret: expected one word"},
		{good + app + "origins = ['example.org']\n", "host.toml:10: [pusher.main] origins.0: expected an origin " +
			"such as \"https://example.org\", or \"*\" for all, found \"example.org\""},
		{good + app + "pool = 'wed'\n", "host.toml:10: [pusher.main] pool: there is no pool \"wed\": did you mean " +
			`"web"?`},
		{several + app, "host.toml:13: [pusher.main]: the pools are in several realms, and workers of one may send " +
			`to its clients: write pool = "a"`},
		{good + "[[route]]\npool = 'web'\npusher = 'main'\n" + app, "host.toml:5: [[route]] pusher: pool is given " +
			"as well: keep one of them"},
	})
}
