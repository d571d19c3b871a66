package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

const two = "[pool.web]\nworker = 'worker.php'\n[pool.api]\nworker = 'worker.php'\n"

func TestRoutesAreReadWithTheirDefaults(t *testing.T) {
	folder := site(t)
	if err := os.WriteFile(folder+"/app/index.html", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := apply(t, parse(t, `
[[listen]]
address = ":80"
[[listen]]
address = ":443"
pool = "web"
[[route]]
host = "Example.ORG."
path = ["/api/*", "/v1"]
method = "POST"
pool = "api"
max_body = "1KiB"
request_timeout = "0s"
rate_limit = { requests = 5 }
[[route]]
name = "to https"
listen = ":80"
redirect = "https://{host}{target}"
[[route]]
host = ["*.Example.org", "files"]
public = "app"
fallback = "index.html"
`+two), Overrides{})
	r := c.Routes[0]
	if r.Name != "POST example.org/api/*" || !reflect.DeepEqual(r.Host, Words{"example.org"}) || r.Status != 308 ||
		*r.MaxBody != 1024 || *r.RequestTimeout != time.Duration(0) || *r.RateLimit != (RateLimit{5, 10}) {
		t.Errorf("%+v", r)
	}
	if c.Routes[2].Name != "*.example.org/*" || c.Routes[2].Public != folder+"/app" {
		t.Errorf("%+v", c.Routes[2])
	}
	if c.Listen[0].Pool != "" || c.Listen[1].Pool != "web" || len(c.Warnings) != 0 {
		t.Error(c.Listen, c.Warnings)
	}
	for i, want := range []string{"[to https POST example.org/api/* *.example.org/*]",
		"[POST example.org/api/* *.example.org/*]"} {
		routes, table, err := c.RoutesOf(&c.Listen[i])
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range table.Order() {
			if n := routes[e.Rule].Name; len(names) == 0 || !strings.Contains(strings.Join(names, "\n"), n) {
				names = append(names, n)
			}
		}
		if fmt.Sprint(names) != want {
			t.Errorf("%s: %v", c.Listen[i].Address, names)
		}
	}
	if c := apply(t, parse(t, "[[route]]\npath = '/x'\nrespond = "+
		"404\n"+good), Overrides{}); c.Listen[0].Pool != "web" {
		t.Error("the only pool is the listener's with routes, too:", c.Listen)
	}
}

func TestMistakesInRoutes(t *testing.T) {
	route := func(text string) string { return "[[route]]\n" + text + "\n" + two + "[[listen]]\naddress = ':1'\n" }
	const any = "expected one at least, found []: leave it out if the route is for any"
	checkMistakes(t, []mistake{
		{"route = 1", "host.toml:1: [[route]]: expected an array of tables, found the number 1: write [[route]], " +
			"with " +
			"two brackets"},
		{route("path = '/x'"), `host.toml:1: [[route]]: it leads nowhere: write pool = "NAME", public = "FOLDER", ` +
			`redirect = "https://…" or respond = 404`},
		{route("pool = 'ap'"), "host.toml:2: [[route]] pool: there is no pool \"ap\": did you mean \"api\"?"},
		{route("pool = 'api'\nrespond = 404"),
			"host.toml:3: [[route]] respond: pool is given as well: keep one of them"},
		{route("pool = 'api'\nhost = 'a:80'"), "host.toml:3: [[route]] host.0: expected a name without a port, " +
			"such as " +
			"\"example.org\" or \"*.example.org\", found \"a:80\""},
		{route("pool = 'api'\npath = 'x'"), "host.toml:3: [[route]] path.0: expected a path as it is in a URL, " +
			"such as " +
			"\"/login\", or \"/api/*\" for /api and all below it, found \"x\""},
		{route("pool = 'api'\npath = '/x*'"), "host.toml:3: [[route]] path.0: expected a path as it is in a URL, " +
			"such " +
			"as \"/login\", or \"/api/*\" for /api and all below it, found \"/x*\""},
		{route("pool = 'api'\npath = ['/', '//%61/*']"), "host.toml:3: [[route]] path.1: \"//%61/*\" is matched " +
			"by no " +
			"request, since paths are brought to one spelling first: write \"/a/*\""},
		{route("pool = 'api'\nmethod = 'get'"), "host.toml:3: [[route]] method.0: expected a method in capitals, " +
			"such " +
			"as \"POST\", found \"get\""},
		{route("pool = 'api'\nlisten = ':2'"), "host.toml:3: [[route]] listen.0: there is no [[listen]] with this " +
			"address, as it is written there: found \":2\"\n" +
			"host.toml:8: [[listen]] pool: which one? There are `web` and `api`: write pool = \"web\""},
		{route("pool = 'api'\nstrip = '/x'"), "host.toml:3: [[route]] strip: there are paths of the route that " +
			"do not " +
			"begin so: write path = \"/x/*\""},
		{route("pool = 'api'\nfallback = 'x'"), "host.toml:3: [[route]] fallback: goes with public, and without a " +
			"pool, which would never be asked: remove it"},
		{route("public = 'app'\nfallback = '../x'"), "host.toml:3: [[route]] fallback: expected the name of a " +
			"file in " +
			"public, such as \"index.html\", found \"../x\""},
		{route("redirect = '/{target}'"), "host.toml:2: [[route]] redirect: \"/{target}\" may lead to whatever " +
			"host a " +
			"client writes, since a target begins with a slash: write it without the slash before it"},
		{route("redirect = '//x/y'"), "host.toml:2: [[route]] redirect: \"//x/y\" is another host for browsers: " +
			"write https:// before its name, or one slash"},
		{route(`redirect = '/\x'`), `host.toml:2: [[route]] redirect: "/\\x" is another host for browsers: ` +
			`write https:// before its name, or one slash`},
		{route("pool = 'api'\nhost = []\npath = []\nmethod = []\nlisten = []"),
			"host.toml:3: [[route]] host: " + any + "\nhost.toml:4: [[route]] path: " + any +
				"\nhost.toml:5: [[route]] method: " + any + "\nhost.toml:6: [[route]] listen: " + any},
		{route("pool = 'api'\nrate_limit = { burst = 5 }"),
			"host.toml:3: [[route]] rate_limit.burst: has no effect without requests: write requests = 5"},
		{route("public = 'app'\nfallback = 'none.html'"), "host.toml:3: [[route]] fallback: there is no file " +
			"SITE/app/none.html: create it, or mend the name"},
		{route("public = 'empty'\nfallback = '.'"),
			"host.toml:3: [[route]] fallback: SITE/empty is no file: name one"},
		{route("redirect = '/x'\nheaders = { location = '/y' }"), "host.toml:3: [[route]] headers.location: has no " +
			"effect beside redirect, which is the Location: remove it"},
		{route("respond = 404\nheaders = { Sec-WebSocket-Accept = 'a', Content-Length = '5', Transfer-Encoding = " +
			"'chunked' }"), "host.toml:3: [[route]] headers.Content-Length: is not a route's to set: remove it\n" +
			"host.toml:3: [[route]] headers.Sec-WebSocket-Accept: is not a route's to set: remove it\n" +
			"host.toml:3: [[route]] headers.Transfer-Encoding: is not a route's to set: remove it"},
		{route("redirect = 'ftp://x'"), "host.toml:2: [[route]] redirect: expected an address such as " +
			"\"https://{host}{target}\" or \"/new{target}\", found \"ftp://x\""},
		{route("redirect = '/{path}'"), "host.toml:2: [[route]] redirect: there is {host} and {target}, and nothing " +
			"else in braces: found \"/{path}\""},
		{route("redirect = '/x'\nstatus = 304"), "host.toml:3: [[route]] status: expected 301, 302, 303, 307 or " +
			"308, " +
			"found 304"},
		{route("respond = 302"), "host.toml:2: [[route]] respond: expected 200, 204, or a status from 400 on, " +
			"found 302"},
		{route("respond = 404\nheaders = { Set-Cookie = 'a' }"), "host.toml:3: [[route]] headers.Set-Cookie: is " +
			"not a " +
			"route's to set: remove it"},
		{route("respond = 404\nheaders = { 'X-A' = \"a\\nb\" }"), "host.toml:3: [[route]] headers.X-A: \"X-A\": " +
			"\"a\\nb\"" +
			" is no header"},
		{route("pool = 'api'\n[[route]]\npath = '/*'\npool = 'web'"), "host.toml:3: [[route]]: the route in line " +
			"1 takes " +
			"/* already: remove one of them, or let them differ in host, path or method"},
		{good + "[[listen]]\naddress = ':1'\nstrict_hosts = true", "host.toml:5: [[listen]] strict_hosts: has no " +
			"effect " +
			"without a [[route]] for this listener: write one, or remove it"},
	})
}

func TestUsersAreReadAndTheirHashesNotShown(t *testing.T) {
	folder := site(t)
	hash := "$2y$10$" + strings.Repeat("x", 53)
	write := func(text string) {
		if err := os.WriteFile(folder+"/users", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := "[[route]]\npath = '/x'\npool = 'web'\nauth = { users = 'users' }\n" + good
	write("# staff\n\nada:" + hash + "\n bob:" + hash)
	a := parse(t, file).Routes[0].Auth
	if len(a.Hashes()) != 2 || a.Hashes()["bob"] != hash || a.Realm != "Restricted" || a.Users != folder+"/users" {
		t.Errorf("%+v", a)
	}
	for text, want := range map[string]string{
		"":                              "has no user",
		"ada:secret":                    "line 1: expected USER:HASH",
		"\nada:$apr1$x$y":               "line 2: expected USER:HASH",
		"ada:$2y$31$" + hash[7:]:        "line 1: expected USER:HASH",
		"ada:" + hash + "\nada:" + hash: `line 2: "ada" is there twice`,
	} {
		write(text)
		_, err := Parse("host.toml", []byte(file), variables())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestAGuardThatOtherNamesGoAroundIsWarnedOf: each file, and what is said of the route in line 1.
func TestAGuardThatOtherNamesGoAroundIsWarnedOf(t *testing.T) {
	folder := site(t)
	if err := os.WriteFile(folder+"/users", []byte("ada:$2y$10$"+strings.Repeat("x", 53)), 0o600); err != nil {
		t.Fatal(err)
	}
	const guard = "[[route]]\nhost = 'a.org'\npath = '/admin/*'\npool = 'web'\nauth = { users = 'users' }\n"
	const own, none = "[[listen]]\naddress = ':1'\npool = 'web'\n", "[[listen]]\naddress = ':1'\n"
	without := strings.Replace(guard, "host = 'a.org'\n", "", 1)
	both := strings.Replace(guard, "'a.org'", "['a.org', 'b.org']", 1)
	for _, c := range []struct{ file, want string }{
		{guard + own, "under any other, as the listener :1 leads to it"},
		{guard + own + "strict_hosts = true\n", ""},
		{guard + none, ""},
		{guard + none + "[[route]]\nhost = 'b.org'\npool = 'web'\n", "under b.org, by the route in line 8"},
		{guard + none + "[[route]]\nhost = '*.b.org'\npath = '/admin/x'\npool = 'web'\n", ""},
		{guard + none + "[[route]]\nhost = '*.b.org'\npath = ['/x', '/*']\npool = 'web'\n",
			"under any.b.org, by the route"},
		{guard + none + "[[route]]\npool = 'web'\n", "under any other, by the route in line 8"},
		{guard + none + "[[route]]\npool = 'api'\n", ""},
		{without + own, ""},
		{both + none + "[[route]]\nhost = 'b.org'\npool = 'web'\n", ""},
	} {
		got := apply(t, parse(t, c.file+two), Overrides{}).Warnings.Error()
		if strings.Contains(got, "is guarded") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("for:\n%s\ngot:  %s\nwant: %s", c.file, got, c.want)
		}
	}
}
