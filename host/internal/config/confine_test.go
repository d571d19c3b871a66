package config

import (
	"slices"
	"testing"

	"github.com/workerhost/workerhost/host/internal/privilege"
)

func TestMistakesAboutPrivilegesNameTheirRemedy(t *testing.T) {
	if !privilege.Supported {
		t.Skip("there are no users here")
	}
	checkMistakes(t, []mistake{
		{good + "user = 'no-such-user'",
			`host.toml:3: [pool.web] user: there is no user "no-such-user": create it (useradd --system no-such-user), or name another`},
		{good + "group = 'no-such-group'",
			`host.toml:3: [pool.web] group: there is no group "no-such-group": create it (groupadd --system no-such-group), or name another`},
		{good + "user = '3999999'",
			`host.toml:3: [pool.web] user: no user has this number, so that its group is not known: give group, too`},
		{good + "user = ''", `host.toml:3: [pool.web] user: expected a name or a number in quotes, found ""`},
		{good + "umask = '8'", `host.toml:3: [pool.web] umask: expected three octal digits, such as "027", found "8"`},
		{good + "inherit_env = ['A=1']",
			`host.toml:3: [pool.web] inherit_env.0: expected the name of a variable, such as "APP_ENV" or "APP_*", found "A=1"`},
		{good + "rlimits = { nofiles = 4 }",
			"host.toml:3: unknown key `nofiles` in [pool.web] rlimits: did you mean `nofile`?"},
		{good + "rlimits = { core = 'much' }",
			`host.toml:3: [pool.web] rlimits.core: expected a size of at least 0, such as "64KiB" or a number of bytes, found "much": "much" does not begin with a digit`},
		{good + "rlimits = { address_space = '1MiB' }",
			`host.toml:3: [pool.web] rlimits.address_space: expected a size of at least 16MiB, such as "64KiB" or a number of bytes, found "1MiB"`},
		{"[pool.web]\nworker = 'goapp'\nrlimits = { address_space = '512MiB' }",
			`host.toml:3: [pool.web] rlimits.address_space: a Go program maps more than a GiB before its first line, and dies of too little with a dump of its stacks: write at least 2GiB, or set GOMEMLIMIT in env and max_memory instead`},
		{good + "[pool.web.confine]\nbind = 80\nconnect = [443, 70000, 'https']",
			"host.toml:4: [pool.web] confine.bind: expected an array of ports, such as [443, 5432], found the " +
				"number 80\n" +
				"host.toml:5: [pool.web] confine.connect.2: expected a port, such as 443, found \"https\"\n" +
				"host.toml:5: [pool.web] confine.connect.1: expected a port from 1 to 65535, found 70000"},
		{good + "[pool.web.confine]\nwritable = ['none']",
			`host.toml:4: [pool.web] confine.writable.0: there is no SITE/none: create it, or mend the path`},
	})
}

func TestAPoolsPrivilegesAreRead(t *testing.T) {
	folder := site(t)
	p := parse(t, good+"user = '0'\ngroup = '12'\numask = '0027'\nrlimits = { nofile = 64, core = 0 "+
		"}\n[pool.web.confine]\nreadable = ['empty']\n").Pools[0]
	if p.Identity == nil || p.Identity.UID != 0 || p.Identity.GID != 12 || p.Identity.User != "root" ||
		!slices.Contains(p.Identity.Groups, 12) {
		t.Errorf("identity %+v", p.Identity)
	}
	if bits := p.UmaskBits(); bits == nil || *bits != 0o27 {
		t.Errorf("umask %v", bits)
	}
	if p.Rlimits.Files == nil || *p.Rlimits.Files != 64 || p.Rlimits.Core == nil || *p.Rlimits.Core != 0 ||
		p.Rlimits.AddressSpace != nil {
		t.Errorf("limits %+v", p.Rlimits)
	}
	if p.Confine == nil || !slices.Equal(p.Confine.Readable, []string{folder + "/empty"}) || p.Confine.Optional {
		t.Errorf("confined to %+v", p.Confine)
	}
	if plain := parse(t, good).Pools[0]; plain.Confine != nil || plain.Identity != nil || plain.UmaskBits() != nil {
		t.Errorf("a plain pool has privileges: %+v", plain)
	}
}
