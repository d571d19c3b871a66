package config

import (
	"testing"
	"time"
)

func TestARouteSaysWhatItsCacheStores(t *testing.T) {
	const route = good + "[[route]]\npath = '/*'\npool = 'web'\ncache = "
	site(t)
	c := parse(t, route+"{ default_ttl = '2s', harmless_cookies = ['_ga*'], purge_from = ['10.0.0.0/8', '::1'] }\n")
	got := c.Routes[0].Cache
	if got.Off || got.DefaultTTL != 2*time.Second || len(got.Purgers()) != 2 || got.MaxBody != 1<<20 || !c.Caches() {
		t.Errorf("%+v", got)
	}
	if got.String() != "what says so, all else for 2s" {
		t.Error(got)
	}
	for _, off := range []string{route + "false\n", good} {
		if parse(t, off).Caches() {
			t.Errorf("%q has a cache", off)
		}
	}
}

func TestMistakesInACacheNameThePlace(t *testing.T) {
	const route = good + "[[route]]\npath = '/*'\npool = 'web'\n"
	checkMistakes(t, []mistake{
		{route + "cache = 'yes'\n", "host.toml:6: [[route]] cache: expected true, false or a table, found \"yes\""},
		{route + "cache = { harmless_cookies = ['*'] }\n", "host.toml:6: [[route]] cache.harmless_cookies.0: " +
			"expected the name of a cookie, such as \"theme\", or \"_ga*\" for all that begin so, found \"*\""},
		{route + "cache = { purge_from = ['all'] }\n", "host.toml:6: [[route]] cache.purge_from.0: expected a " +
			"network such as \"10.0.0.0/8\", or an address, found \"all\""},
		{route + "cache = { defaul_ttl = '1s' }\n",
			"host.toml:6: unknown key `defaul_ttl` in [[route]] cache: did you mean `default_ttl`?"},
		{good + "[[route]]\npath = '/*'\nrespond = 204\ncache = true\n",
			"host.toml:6: [[route]] cache: has no effect without a pool: remove it"},
	})
}
