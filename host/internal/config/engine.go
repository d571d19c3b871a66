// engine.go has [engine].

package config

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Engine says where the host keeps what outlives its workers and is nobody's: tasks, stores, locks, channels. None of
// it is there before something needs it.
type Engine struct {
	Directory   string `key:"directory" holds:"path" absent:"engine in the state folder" means:"folder of the engine's files, made, mode 0700, once something needs it; no other host may have it"`
	URL         string `key:"url" holds:"URL" absent:"off: the host embeds it" means:"NATS servers with JetStream that stand elsewhere, \"nats://10.0.0.7:4222\" or tls://, several separated by commas, in place of the embedded one"`
	Credentials string `key:"credentials" holds:"path" absent:"off" means:"file with the JWT and the seed for those, as NATS' tools write it"`
	Replicas    int    `key:"replicas" default:"1" min:"1" max:"5" means:"with url, how many copies those servers keep of what is kept; embedded engines keep three, or as many as there are hosts in [cluster]"`
	MaxMemory   Size   `key:"max_memory" default:"256MiB" min:"1MiB" means:"memory that all that is kept in memory may take together; beyond it what is to be kept fails"`
	MaxDisk     Size   `key:"max_disk" default:"8GiB" min:"1MiB" means:"disk that all that is kept there may take together; beyond it what is to be kept fails"`
}

// engineSchemes are those that NATS' servers are reached by.
var engineSchemes = []string{"nats", "tls", "ws", "wss"}

func (e *Engine) check(c *Config, fail fail) {
	if e.Directory != "" {
		e.Directory = absolute(c.Folder, e.Directory)
	}
	for _, key := range []string{"directory", "max_memory", "max_disk"} {
		if c.has("engine."+key) && e.URL != "" {
			fail("engine."+key, "is for the embedded engine, and url names another one: remove one of them")
		}
	}
	if c.has("engine.replicas") && e.URL == "" {
		fail("engine.replicas", "is for another engine, which url has to name; embedded ones need none: remove it")
	}
	if e.Credentials != "" {
		if e.URL == "" {
			fail("engine.credentials", "are for another engine, which url has to name; the embedded one needs none")
		} else {
			c.readable(&e.Credentials, "engine.credentials", "credentials", fail)
		}
	}
	for each := range strings.SplitSeq(e.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(each))
		switch {
		case e.URL == "":
		case err != nil:
			fail("engine.url", "expected URLs such as \"nats://10.0.0.7:4222\", found one that can't be read")
		case !slices.Contains(engineSchemes, u.Scheme) || u.Hostname() == "":
			fail("engine.url", "expected URLs such as \"nats://10.0.0.7:4222\", found %q", u.Redacted())
		}
	}
}

// EngineFolder is the folder of the embedded engine's files, which it makes, mode 0700.
func (c *Config) EngineFolder() (string, error) {
	if c.Engine.Directory != "" {
		return c.privateFolder(c.Engine.Directory, "the engine")
	}
	if _, err := c.StateFolder("engine"); err != nil {
		return "", err
	}
	return c.StateFolder(filepath.Join("engine", c.own()))
}

// StationFolder is the folder that says which host of its cluster this is: that of the embedded engine, or with
// another one a folder of its own. It makes it, mode 0700.
func (c *Config) StationFolder() (string, error) {
	if c.Engine.URL == "" {
		return c.EngineFolder()
	}
	if _, err := c.StateFolder("cluster"); err != nil {
		return "", err
	}
	return c.StateFolder(filepath.Join("cluster", c.own()))
}

// own is the name of what this host alone has in State: that of its control socket, which no other host has.
func (c *Config) own() string { return strings.TrimSuffix(filepath.Base(c.JournalPath()), ".jsonl") }
