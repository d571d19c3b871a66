// flags.go lays the command's flags over the file, and completes the settings.

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// defaultPool is the name of the pool that a WORKER on the command line makes.
const defaultPool = "default"

// Overrides are the flags of host serve and host check. The zero value of each field means that it was not given.
// Paths are relative to the working directory.
type Overrides struct {
	Listen    []string // -l: these replace every listener of the file
	Workers   int      // -n: applies to every pool
	Control   string   // --control
	LogLevel  string   // --log-level
	LogFormat string   // --log-format
	Worker    string   // WORKER: a .php file or a folder
	Command   []string // the command after --
	Dev       bool     // --dev
	TLS       bool     // --tls

	// Declare asks a pool's program for its workers, where it has several and says so itself; see Spread.
	Declare func(*Pool) ([]Declared, error)
}

// howToStart ends the messages for those who have nothing to serve yet.
const howToStart = `: name a worker, as in

    host serve examples/hello-php

or write a host.toml:

    [[listen]]
    address = "127.0.0.1:8080"

    [pool.web]
    worker = "worker.php"`

// Apply lets the flags win over the file and completes what depends on both: the listeners' pools and the control
// socket. It must be called once, also without any flag. After an error the Config is not to be used.
func (c *Config) Apply(o Overrides) error {
	var problems Problems
	fail := func(at, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if at == wholeFile {
			problems.add(c.Path, 0, "", "%s", text)
		} else if at == "" {
			problems.add("", 0, "", "%s", text)
		} else {
			problems.add(c.Path, lineOf(c.lines, at), at, "%s: %s", label(at), text)
		}
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	c.Dev = o.Dev
	c.Log.override("Level", "--log-level", o.LogLevel, fail)
	c.Log.override("Format", "--log-format", o.LogFormat, fail)
	c.overrideListeners(o.Listen, here, fail)
	c.addPool(o, here, fail)
	if o.Workers < 0 {
		fail("", "-n: expected a whole number of at least 1, found %d", o.Workers)
	}
	for _, p := range c.Pools {
		if o.Workers > 0 {
			p.fix(o.Workers)
		}
		p.size()
	}
	if len(problems) == 0 && o.Declare != nil {
		c.spread(o, fail)
	}
	if len(problems) == 0 {
		c.link(fail)
	}
	if o.Control != "" {
		if strings.Contains(o.Control, "://") {
			fail("", "--control: expected a path, found %q: to be steered over TCP, write listen and token_file "+
				"into [control] of host.toml", o.Control)
		}
		c.Control = absolute(here, o.Control)
		if err := checkSocketPath(c.Control); err != nil {
			fail("", "--control: %v", err)
		}
	} else if c.Control == "" {
		if c.Control, err = ControlPath(c.Path); err != nil {
			fail("", "%v", err)
		}
	}
	if c.State == "" {
		c.State = defaultState(os.LookupEnv)
	}
	if o.TLS {
		c.addLocalTLS()
	}
	return problems.err()
}

// override sets one field of [log], by the words that its tag allows.
func (l *Log) override(field, flag, value string, fail fail) {
	if value == "" {
		return
	}
	f, _ := reflect.TypeFor[Log]().FieldByName(field)
	words := strings.Fields(f.Tag.Get("oneof"))
	if !slices.Contains(words, value) {
		fail("", "%s: expected %s, found %q", flag, oneOf(words), value)
		return
	}
	reflect.ValueOf(l).Elem().FieldByIndex(f.Index).SetString(value)
}

func (c *Config) overrideListeners(addresses []string, here string, fail fail) {
	if len(addresses) == 0 {
		return
	}
	c.Listen, c.replaced = nil, true
	for _, given := range addresses {
		address, err := parseAddress(given, here)
		if err != nil {
			fail("", "-l %s: %v", given, err)
			continue
		}
		c.Listen = append(c.Listen, flagListener(address))
	}
}

func flagListener(address string) Listen {
	l := Listen{}
	setDefaults(&l)
	l.Address = address
	return l
}

// hasOwn says whether a WORKER is the folder of the configuration file: then the file says what is served.
func (c *Config) hasOwn(worker string) bool {
	return worker != "" && c.Path != "" && sameFile(c.Path, filepath.Join(worker, FileName))
}

// addPool makes the pool of a WORKER or of a command after --.
func (c *Config) addPool(o Overrides, here string, fail fail) {
	given := o.Worker
	if len(o.Command) > 0 {
		given = "-- " + strings.Join(o.Command, " ")
	}
	switch {
	case o.Worker != "" && len(o.Command) > 0:
		fail("", "both a WORKER, %s, and a command after -- are given: keep one of them", o.Worker)
		return
	case len(c.Pools) > 0 && (given == "" || c.hasOwn(o.Worker)):
		return
	case given == "" && c.Path != "":
		fail(wholeFile, "it defines no pool, so there is nothing to serve%s", howToStart)
		return
	case given == "":
		fail("", "nothing to serve: there is no %s here, and no WORKER was given%s", FileName, howToStart)
		return
	case len(c.Pools) > 0:
		fail("", "%s: %s already defines %s: leave out the worker, or name another file with -c", given, c.Path,
			label(c.Pools[0].at))
		return
	}
	p := newPool(defaultPool)
	p.InheritEnv = []string{"*"} // as any command has it that is run from a shell
	if o.Worker != "" {
		if file := fileIn(o.Worker); file != "" && c.Path == FileName && !c.hasOwn(o.Worker) {
			fail("", "WORKER: %s has a %s, and so has this folder: say which one is meant, with -c %s or -c %s",
				o.Worker, FileName, file, FileName)
			return
		}
		p.Worker = o.Worker
		if err := p.resolve(here); err != nil {
			fail("", "WORKER: %v", err)
		}
	} else {
		p.Command, p.Directory = o.Command, here
		if err := p.checkCommand(); err != nil {
			fail("", "%s: %v", given, err)
		}
	}
	c.Pools = []*Pool{p}
}
