// confine.go looks at whom workers run as, and at what they are kept from.

package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/privilege"
)

// Rlimits are limits that the kernel holds a worker to. What is absent stays as the host has it.
type Rlimits struct {
	Files        *int  `key:"nofile" absent:"the host's" min:"16" max:"1073741816" means:"files and sockets that a worker may have open"`
	Core         *Size `key:"core" absent:"the host's" min:"0" means:"largest core dump; 0 is none, which also keeps secrets in memory from disk"`
	AddressSpace *Size `key:"address_space" absent:"the host's" min:"16MiB" means:"memory that a worker may map, shared libraries and all: well above memory_limit"`
}

// Ports are numbers of TCP ports.
type Ports []int

// Confine names what workers may use of the file system, besides what every worker needs, and of the network.
type Confine struct {
	Readable []string `key:"readable" holds:"array of paths" absent:"[]" means:"files and folders that a confined worker may read and execute, besides the system's (/usr, /etc and the like) and its directory"`
	Writable []string `key:"writable" holds:"array of paths" absent:"[]" means:"files and folders that it may change, besides its temporary folder and the uploads"`
	Bind     *Ports   `key:"bind" holds:"array of numbers" absent:"all" means:"TCP ports that a confined worker may listen on; [] is none. Needs Linux 6.7"`
	Connect  *Ports   `key:"connect" holds:"array of numbers" absent:"all" means:"TCP ports, of whatever address, that it may connect to, such as [443, 5432]; [] is none. Unix sockets and UDP, such as questions to a name server, are free. Needs Linux 6.7"`
	Optional bool     `key:"optional" absent:"false" means:"serve without confinement, with a warning, where the kernel has no Landlock, or one too old for the ports; otherwise the pool does not start there"`
}

// leastForGo is what Go's runtime maps as it starts, and threads with it; hardly any of that is used.
const leastForGo Size = 2 << 30

var (
	umaskText    = regexp.MustCompile(`^0?[0-7]{3}$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\*?$`)
)

// checkPrivilege resolves the user, and looks at the limits.
func (p *Pool) checkPrivilege(c *Config, fail fail) {
	for _, key := range []string{"user", "group", "umask", "rlimits"} {
		if at := p.at + "." + key; c.has(at) && !privilege.Supported {
			fail(at, "has no effect on this system: remove it")
			return
		}
	}
	p.checkIdentity(c, fail)
	p.checkRealm(c, fail)
	if p.Umask != "" && !umaskText.MatchString(p.Umask) {
		fail(p.at+".umask", `expected three octal digits, such as "027", found %s`, describe(p.Umask))
	}
	for i, name := range p.InheritEnv {
		p.checkInherited(i, name, fail)
	}
	if limit := p.Rlimits.AddressSpace; p.Kind == GoPackage && limit != nil && *limit < leastForGo {
		fail(p.at+".rlimits.address_space", "a Go program maps more than a GiB before its first line, and dies of "+
			"too little with a dump of its stacks: write at least %s, or set GOMEMLIMIT in env and max_memory "+
			"instead", leastForGo)
	}
	if p.Confine != nil {
		p.Confine.check(c, p.at+".confine", fail)
	}
}

func (p *Pool) checkInherited(i int, name string, fail fail) {
	if name != "*" && !variableName.MatchString(name) {
		fail(fmt.Sprintf("%s.inherit_env.%d", p.at, i),
			`expected the name of a variable, such as "APP_ENV" or "APP_*", found %s`, describe(name))
	}
}

func (p *Pool) checkIdentity(c *Config, fail fail) {
	for _, key := range []string{"user", "group"} {
		if at := p.at + "." + key; c.has(at) && (key == "user" && p.User == "" || key == "group" && p.Group == "") {
			fail(at, `expected a name or a number in quotes, found ""`)
			return
		}
	}
	if p.User == "" && p.Group == "" {
		return
	}
	identity, err := privilege.Find(p.User, p.Group)
	var noGroup *privilege.UnknownGroup
	switch {
	case errors.As(err, &noGroup):
		fail(p.at+".group", "%v", err)
	case err != nil:
		fail(p.at+".user", "%v", err)
	}
	p.Identity = identity
}

// Ports says whether there are rules for them.
func (f *Confine) Ports() bool { return f.Bind != nil || f.Connect != nil }

func (f *Confine) check(c *Config, at string, fail fail) {
	for _, list := range []struct {
		key   string
		ports *Ports
	}{{"bind", f.Bind}, {"connect", f.Connect}} {
		if list.ports == nil {
			continue
		}
		for i, port := range *list.ports {
			if port < 1 || port > 65535 {
				fail(fmt.Sprintf("%s.%s.%d", at, list.key, i), "expected a port from 1 to 65535, found %d", port)
			}
		}
	}
	for _, list := range []struct {
		key   string
		paths []string
	}{{"readable", f.Readable}, {"writable", f.Writable}} {
		for i, path := range list.paths {
			place := fmt.Sprintf("%s.%s.%d", at, list.key, i)
			if path == "" {
				fail(place, `expected a path, found ""`)
				continue
			}
			list.paths[i] = absolute(c.Folder, path)
			if _, err := os.Stat(list.paths[i]); errors.Is(err, os.ErrNotExist) {
				fail(place, "%s", missing("", list.paths[i], "create it, or mend the path"))
			} else if err != nil {
				fail(place, "can't be looked at: %v", err)
			}
		}
	}
}

// UmaskBits is the umask as a number; nil if the file has none.
func (p *Pool) UmaskBits() *int {
	if p.Umask == "" {
		return nil
	}
	bits, err := strconv.ParseInt(strings.TrimSpace(p.Umask), 8, 32)
	if err != nil {
		return nil // check refused it
	}
	n := int(bits)
	return &n
}
