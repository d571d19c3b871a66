package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// declaring is a program for Workerman with these Workers, in the working directory.
func declaring(t *testing.T, toml string, o Overrides, workers ...Declared) (*Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	script := []byte("<?php Worker::runAll();")
	if err := os.WriteFile("start.php", script, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Default()
	if toml != "" {
		c, err = Parse(FileName, []byte(toml), variables())
	} else {
		o.Worker = "start.php"
	}
	if err != nil {
		t.Fatal(err)
	}
	o.Declare = func(p *Pool) ([]Declared, error) {
		if len(workers) == 0 {
			return nil, errors.New("it has none")
		}
		return workers, nil
	}
	o.Control = filepath.Join(t.TempDir(), "c")
	return c, c.Apply(o)
}

// described is what it came to, in a line.
func described(c *Config) string {
	var all []string
	for _, p := range c.Pools {
		all = append(all, fmt.Sprintf("%s(%s)×%d", p.Name, p.Env[WorkermanWorker], p.Workers))
	}
	for _, l := range c.Listen {
		all = append(all, fmt.Sprintf("%s/%s%s>%s%v", l.Address, l.Protocol, l.Framing, l.Pool, l.AllowedOrigins))
	}
	return strings.Join(all, " ")
}

func TestAProgramsWorkersBecomePoolsAndListeners(t *testing.T) {
	web := Declared{Name: "web", Count: 3, Listen: []DeclaredListener{{Address: "0.0.0.0:80", Protocol: "http"}}}
	lines := Declared{Name: "lines", Count: 1,
		Listen: []DeclaredListener{{Address: ":81", Protocol: "tcp", Framing: "line"}}}
	clock := Declared{Name: "clock", Count: 1}
	const pool = "[pool.app]\nworker = 'start.php'\n"
	for _, c := range []struct {
		toml    string
		o       Overrides
		workers []Declared
		want    string // or what the error has
	}{
		{"", Overrides{}, []Declared{web}, "default(web)×3 0.0.0.0:80/http>default[same-host]"},
		{"", Overrides{Workers: 7}, []Declared{web}, "default(web)×7 0.0.0.0:80/http>default[same-host]"},
		{"", Overrides{Listen: []string{":9", ":8"}}, []Declared{web},
			"default(web)×3 :9/http>default[same-host] :8/http>default[same-host]"},
		{"", Overrides{}, []Declared{clock}, "default(clock)×1"},
		{"", Overrides{}, []Declared{web, lines, clock},
			"web(web)×3 lines(lines)×1 clock(clock)×1 0.0.0.0:80/http>web[same-host] :81/tcpline>lines[]"},
		{"", Overrides{Listen: []string{":9"}}, []Declared{web, lines}, "-l: the program has several listeners"},
		{pool + "workers = 2\n[[listen]]\naddress = ':80'\nallowed_origins = ['*']", Overrides{},
			[]Declared{web, clock}, "app-web(web)×2 app-clock(clock)×2 :80/http>app-web[*]"},
		{pool + "[[listen]]\naddress = ':80'\nprotocol = 'tcp'", Overrides{}, []Declared{web},
			`the program has protocol = "http"`},
		{pool + "[pool.app-web]\ncommand = ['true']", Overrides{}, []Declared{web, clock}, "the same name"},
		{pool, Overrides{}, nil, "[pool.app]: it has none"},
	} {
		got, err := declaring(t, c.toml, c.o, c.workers...)
		switch {
		case err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s%+v: %v, expected %s", c.toml, c.o, err, c.want)
		case err == nil && described(got) != c.want:
			t.Errorf("%s%+v: %s, expected %s", c.toml, c.o, described(got), c.want)
		}
	}
}

func TestWhatAProgramSaysOfMessagesIsItsListenersUnlessTheFileSaysMore(t *testing.T) {
	own := Declared{Name: "own", Count: 1, Listen: []DeclaredListener{{Address: ":81", Protocol: "tcp", Framing: "raw",
		Message: 2 << 20, Session: 3 << 20}}}
	const file = "[pool.app]\nworker = 'start.php'\n[[listen]]\naddress = ':81'\nprotocol = 'tcp'\nframing = 'raw'\n"
	for toml, want := range map[string][2]Size{"": {2 << 20, 3 << 20}, file: {2 << 20, 3 << 20},
		file + "max_message = '5KiB'\nsession_limit = '4MiB'": {5 << 10, 4 << 20}} {
		c, err := declaring(t, toml, Overrides{}, own)
		if err != nil {
			t.Fatal(err)
		}
		if l := c.Listen[0]; l.MaxMessage != want[0] || l.SessionLimit != want[1] {
			t.Errorf("%s: %v, %v", toml, l.MaxMessage, l.SessionLimit)
		}
	}
}
