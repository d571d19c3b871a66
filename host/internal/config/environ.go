// environ.go decides what of the host's environment reaches the workers.

package config

import (
	"maps"
	"os"
	"slices"
	"strings"
)

// everywhere are the variables that every worker gets: where programs are, what language people speak, and where PHP
// has its settings.
var everywhere = []string{"PATH", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "PHPRC", "PHP_INI_SCAN_DIR",
	"SystemRoot", "TEMP", "TMP"}

// ofUser are those that belong to the user who runs the worker.
var ofUser = []string{"HOME", "USER", "LOGNAME"}

// Environ is the environment of the pool's workers: of base, usually os.Environ(), what every worker gets and what
// inherit_env names, with Env laid over it. HOME, USER and LOGNAME are those of the pool's user.
func (p *Pool) Environ(base []string) []string {
	passed := slices.Concat(everywhere, p.InheritEnv)
	own := p.Identity != nil && p.Identity.UID >= 0 && p.Identity.UID != os.Getuid()
	if !own {
		passed = append(passed, ofUser...)
	}
	var kept []string
	for _, pair := range base {
		name, _, _ := strings.Cut(pair, "=")
		if matchesAny(passed, name) && !(own && slices.Contains(ofUser, name)) {
			kept = append(kept, pair)
		}
	}
	if own {
		kept = append(kept, "USER="+p.Identity.User, "LOGNAME="+p.Identity.User)
		if p.Identity.Home != "" {
			kept = append(kept, "HOME="+p.Identity.Home)
		}
	}
	return p.overlay(kept)
}

// BuildEnviron is the environment in which a worker is built: all of base, with Env laid over it.
func (p *Pool) BuildEnviron(base []string) []string { return p.overlay(base) }

func (p *Pool) overlay(base []string) []string {
	var environ []string
	for _, pair := range base {
		name, _, _ := strings.Cut(pair, "=")
		if _, overridden := p.Env[name]; !overridden {
			environ = append(environ, pair)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		environ = append(environ, name+"="+p.Env[name])
	}
	return environ
}

// matchesAny compares a name with names, of which those that end in * stand for all that begin so.
func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, open := strings.CutSuffix(pattern, "*")
		return name == pattern || open && strings.HasPrefix(name, prefix)
	})
}
