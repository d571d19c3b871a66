package config

import "testing"

func TestWhoMayUseARouteIsChecked(t *testing.T) {
	const listen = "[[listen]]\naddress = ':1'\n"
	route := func(keys string) string { return "[[route]]\npool = 'api'\n" + keys + "\n" + two + listen }
	checkMistakes(t, []mistake{
		{route("allow_addresses = ['10.0.0.0/8', 'office']"), `host.toml:3: [[route]] allow_addresses.1: expected a ` +
			`network such as "10.0.0.0/8", an address, or "unix" for whoever uses a unix socket, found "office"`},
		{route("deny_addresses = '10.0.0.300'"), `host.toml:3: [[route]] deny_addresses.0: expected a ` +
			`network such as "10.0.0.0/8", an address, or "unix" for whoever uses a unix socket, found "10.0.0.300"`},
		{route("cors = {}"), "host.toml:3: [[route]] cors.origins: which pages may use the route is missing: write " +
			`cors = { origins = "https://example.org" }`},
		{route("cors = { origins = '*', credentials = true }"), "host.toml:3: [[route]] cors.credentials: any page " +
			"of the web could act as its user: name the origins, or remove it"},
		{route("cors = { origins = 'https://a.org', methods = 'put', headers = 'a b' }"), "host.toml:3: [[route]] " +
			"cors.methods: expected a method in capitals, such as \"POST\", found \"put\"\nhost.toml:3: [[route]] " +
			"cors.headers: expected the name of a header, such as \"X-Token\", found \"a b\""},
		{route("cors = { origins = 'https://a.org' }\nheaders = { access-control-max-age = '1' }"),
			"host.toml:4: [[route]] headers.access-control-max-age: is for cors to say: remove it"},
		{route("request_headers = { host = 'x', 'X-A' = \"a\\nb\" }"), "host.toml:3: [[route]] request_headers.X-A: " +
			"\"X-A\": \"a\\nb\" is no header\nhost.toml:3: [[route]] request_headers.host: is not a route's to set: " +
			"remove it"},
		{"[[route]]\nrespond = 404\nrequest_headers = { X-A = 'a' }\n" + two + listen,
			"host.toml:3: [[route]] request_headers: have no effect without a pool: remove them"},
	})
}
