package config

import (
	"strings"
	"testing"
)

func TestMistakesAboutClientsAreExplained(t *testing.T) {
	checkMistakes(t, []mistake{
		{good + "[http]\naccess_log = 'on'",
			`host.toml:4: [http] access_log: expected "off", "text", "json" or a path, such as "/var/log/app/access.json", found "on"`},
		{good + "[http]\naccess_log = 'no/such.log'",
			`host.toml:4: [http] access_log: there is no folder SITE/no: create it, or mend the path`},
		{good + "[http]\naccess_log = './public'",
			`host.toml:4: [http] access_log: SITE/public is a folder: write the path of a file in it`},
		{good + "[http]\nrequest_id = 'X Id'",
			`host.toml:4: [http] request_id: expected the name of a header, such as "X-Request-Id", or "" for none, found "X Id"`},
		{good + "[http]\nrequest_id = 'content-length'",
			`host.toml:4: [http] request_id: Content-Length has a meaning of its own, and would lose it: write another name, such as "X-Request-Id"`},
		{good + "[http]\ntrusted_proxies = ['::1', 'proxy']",
			`host.toml:4: [http] trusted_proxies.1: expected a network such as "10.0.0.0/8", an address, or "unix" for whoever uses a unix socket, found "proxy"`},
		{good + "[http]\nrate_limit = 5", `host.toml:4: [http] rate_limit: expected a table, found the number 5`},
		{good + "[http.rate_limit]\nburst = 5",
			`host.toml:4: [http] rate_limit.burst: has no effect without requests: write requests = 5`},
		{good + "priority = ['health']",
			`host.toml:3: [pool.web] priority.0: expected a path without a query, such as "/health", found "health"`},
		{good + "measure = ['api']",
			`host.toml:3: [pool.web] measure.0: expected a path as it is in a URL, such as "/login", or "/api/*" for all below /api/, found "api"`},
		{good + "measure = ['/api*']",
			`host.toml:3: [pool.web] measure.0: expected a path as it is in a URL, such as "/login", or "/api/*" for all below /api/, found "/api*"`},
		{good + "measure = ['/a/../b', '/c//d']", "host.toml:3: [pool.web] measure.0: \"/a/../b\" is matched by no " +
			"request, since dots and doubled slashes are resolved first: write the path without them\n" +
			"host.toml:3: [pool.web] measure.1: \"/c//d\" is matched by no request, since dots and doubled slashes " +
			"are resolved first: write the path without them"},
		{good + "measure = ['/', '/api/', '/api/*', '/*', '/']",
			`host.toml:3: [pool.web] measure.4: "/" stands there twice: remove one of them`},
		{good + "measure = [" + strings.Repeat("'/a',", 21) + "]", "host.toml:3: [pool.web] measure: expected at " +
			"most 20 routes, found 21: each is some twenty series of /metrics for each generation; write /* for " +
			"what belongs together"},
	})
}
