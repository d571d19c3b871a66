// cache.go reads which routes' answers are stored, and for whom.

package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
)

// Cache says how a route's answers are stored. In the file it is true, false, or a table.
type Cache struct {
	Off bool

	DefaultTTL      time.Duration `key:"default_ttl" default:"0s" min:"0" means:"how long an answer stays fresh that says nothing of caches, for clients without cookies but harmless ones; 0s stores none such"`
	HarmlessCookies []string      `key:"harmless_cookies" absent:"[]" means:"names of cookies that no answer depends on, \"_ga*\" for all that begin so; with any other one what default_ttl has stored is passed by"`
	StaleIfError    time.Duration `key:"stale_if_error" default:"0s" min:"0" means:"for how long after it was fresh a stored answer is used where the pool has none or a status from 500 on, if the answer does not say so itself"`
	KeepOnReload    bool          `key:"keep_on_reload" default:"false" means:"what old code made stays fresh when a reload brings new code"`
	MaxBody         Size          `key:"max_body" default:"1MiB" min:"0" max:"64MiB" means:"longest body that is stored"`
	PurgeFrom       []string      `key:"purge_from" absent:"[]" means:"networks, such as \"10.0.0.0/8\", or addresses whose PURGE requests drop what is stored of their URL, or has the tags of their Cache-Tag"`
}

// String is the setting in words, of a line.
func (c Cache) String() string {
	if c.Off {
		return "off"
	}
	text := "what says so"
	if c.DefaultTTL > 0 {
		text += fmt.Sprintf(", all else for %s", c.DefaultTTL)
	}
	if c.StaleIfError > 0 {
		text += fmt.Sprintf(", %s longer in trouble", c.StaleIfError)
	}
	return text
}

// Purgers are the networks of purge_from.
func (c *Cache) Purgers() (networks []netip.Prefix) {
	for _, text := range c.PurgeFrom {
		if n, err := guard.ParseNetwork(text); err == nil {
			networks = append(networks, n)
		}
	}
	return networks
}

// cache reads true, false or a table.
func (d *decoder) cache(at string, v any) *Cache {
	c := &Cache{}
	setDefaults(c)
	switch v := v.(type) {
	case bool:
		c.Off = !v
	case map[string]any:
		d.table(at, v, c)
		for i, name := range c.HarmlessCookies {
			if bare := strings.TrimSuffix(name, "*"); bare == "" || strings.ContainsAny(bare, "*=;, \t") {
				d.fail(fmt.Sprintf("%s.harmless_cookies.%d", at, i), "expected the name of a cookie, such as "+
					"\"theme\", or \"_ga*\" for all that begin so, found %s", describe(name))
			}
		}
		for i, text := range c.PurgeFrom {
			if _, err := guard.ParseNetwork(text); err != nil {
				d.fail(fmt.Sprintf("%s.purge_from.%d", at, i), "expected a network such as \"10.0.0.0/8\", or an "+
					"address, found %s", describe(text))
			}
		}
	default:
		d.fail(at, "expected true, false or a table, found %s", describe(v))
	}
	return c
}

// Caches says whether any route has its answers stored.
func (c *Config) Caches() bool {
	for _, r := range c.Routes {
		if r.Caches() {
			return true
		}
	}
	return false
}

// Caches says whether the route has its answers stored.
func (r *Route) Caches() bool { return r.Cache != nil && !r.Cache.Off }
