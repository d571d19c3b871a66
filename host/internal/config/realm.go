// realm.go: which pools know each other's connections.

package config

import (
	"cmp"
	"regexp"
	"slices"
)

// DefaultRealm is the realm of pools that name neither a realm nor a user.
const DefaultRealm = "default"

var realmName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// InRealm is the realm that the pool is in: what it says itself, or its user's name.
func (p *Pool) InRealm() string {
	if p.Realm == "" && p.Identity != nil && p.Identity.User != "" {
		return p.Identity.User
	}
	return cmp.Or(p.Realm, DefaultRealm)
}

// Realms are those of the pools, in alphabetical order.
func (c *Config) Realms() (all []string) {
	for _, p := range c.Pools {
		all = append(all, p.InRealm())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// checkRealm looks at what the pool says of its realm. Nobody gets into that of the pools without a user by a name.
func (p *Pool) checkRealm(c *Config, fail fail) {
	if at := p.at + ".realm"; c.has(at) && !realmName.MatchString(p.Realm) {
		fail(at, "expected a name of at most 64 letters, digits, dots, hyphens and underscores, found %s",
			describe(p.Realm))
	} else if p.Realm == "" && p.Identity != nil && p.Identity.User == DefaultRealm {
		fail(p.at+".user", "pools that name no user are in the realm %q, and would know the connections of this "+
			"one: write realm = \"NAME\" as well", DefaultRealm)
	}
}
