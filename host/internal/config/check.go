// check.go looks at what the decoder read: are the files there, and does it fit together? It makes paths absolute.

package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// fail reports a problem at a place in the file; "" is a place that no file has.
type fail func(at, format string, args ...any)

// wholeFile is the place of what is about the file, and about no line of it. No key has this name.
const wholeFile = "."

var iniName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// check looks at each table by itself.
func (c *Config) check(fail fail) {
	c.Remote.check(c, fail)
	if c.Control != "" && c.Control != NoSocket {
		c.Control = absolute(c.Folder, c.Control)
		if err := checkSocketPath(c.Control); err != nil {
			fail("control", "%v", err)
		}
	}
	if c.State != "" {
		c.State = absolute(c.Folder, c.State)
	}
	if c.UpgradeBinary != "" {
		c.UpgradeBinary = absolute(c.Folder, c.UpgradeBinary)
	}
	c.Admin.check(fail)
	c.Log.check(fail)
	c.ACME.check(c, fail)
	c.Engine.check(c, fail)
	c.Cluster.check(c, fail)
	c.checkStores(fail)
	c.checkChannels(fail)
	c.Reload.Notify.check(fail)
	c.checkDeploy(fail)
	for i := range c.Listen {
		l := &c.Listen[i]
		if !c.has(l.at + ".address") {
			fail(l.at, "no address: write address = %q", DefaultAddress)
		} else if address, err := parseAddress(l.Address, c.Folder); err != nil {
			fail(l.at+".address", "%v", err)
		} else {
			l.Address = address
		}
		if l.TLS != nil {
			l.TLS.check(c, l.at+".tls", fail)
		}
		l.checkSocketFile(c, fail)
		l.check(c, fail)
	}
	c.folder(&c.HTTP.Public, "http.public", fail)
	c.folder(&c.HTTP.SpoolDirectory, "http.spool_directory", fail)
	c.HTTP.check(c, fail)
	for _, p := range c.Pools {
		p.check(c, fail)
	}
	for _, r := range c.Routes {
		r.check(c, fail)
	}
}

// has says whether the file has something at this place.
func (c *Config) has(at string) bool {
	_, ok := c.lines[at]
	return ok
}

// folder makes the path of a folder absolute; it has to exist. An empty one stays empty.
func (c *Config) folder(path *string, at string, fail fail) bool {
	if *path == "" {
		return true
	}
	*path = absolute(c.Folder, *path)
	info, err := os.Stat(*path)
	switch {
	case os.IsNotExist(err):
		fail(at, "%s", missing("folder ", *path, "create it, or mend the path"))
	case err != nil:
		fail(at, "can't read the folder: %v", err)
	case !info.IsDir():
		fail(at, "%s is not a folder", *path)
	default:
		return true
	}
	return false
}

// ProblemAt is one with a place of the file, such as "pool.web". What is not in the file has none.
func (c *Config) ProblemAt(key, text string) *Problem {
	if c.Path == "" {
		key = ""
	}
	return &Problem{Path: c.Path, Line: lineOf(c.lines, key), Key: key, Text: text}
}

// check completes a pool of the file: its directory, and what its worker is.
func (p *Pool) check(c *Config, fail fail) {
	command, worker, directory := p.at+".command", p.at+".worker", p.at+".directory"
	hasFolder := c.folder(&p.Directory, directory, fail)
	switch {
	case p.serves():
		p.checkSite(c, fail)
	case c.has(command) && c.has(worker):
		fail(p.at, "both command and worker are given: keep one of them")
	case c.has(command):
		if p.Directory == "" {
			p.Directory = c.Folder
		}
		if err := p.checkCommand(); err != nil && hasFolder {
			fail(command, "%v", err)
		}
	case c.has(worker):
		base := c.Folder
		if p.Directory != "" {
			base = p.Directory
		}
		if p.Worker == "" {
			fail(worker, "expected a .php file or a folder, found \"\"")
		} else if err := p.resolve(base); err != nil && hasFolder {
			fail(worker, "%v", err)
		}
	default:
		fail(p.at, "neither command nor worker is given: write worker = \"worker.php\", or command = [\"PROGRAM\", "+
			"\"ARGUMENT\"], or fpm = true and root = \"FOLDER\" for unmodified PHP")
	}
	if p.Kind != FPM && p.Kind != FastCGI {
		p.checkNoSite(c, fail)
	}
	p.checkPHP(c, fail)
	p.checkAPI(c, fail)
	p.checkFork(c, fail)
	checkTargets(slices.DeleteFunc(slices.Clone(p.Warmup), Warmup.isRecent), p.at+".warmup", fail)
	p.checkPriority(fail)
	p.checkMeasure(fail)
	p.checkScaling(c, fail)
	p.checkParking(c, fail)
	if p.SlowTrace && p.SlowRequest == 0 {
		fail(p.at+".slow_trace", "has no effect without slow_request: write, for example, slow_request = \"2s\"")
	}
	p.checkPrivilege(c, fail)
	p.Canary.check(c, p.at+".canary", fail)
	p.Fetch.check(c, p.at+".fetch", fail)
	if p.MaxMemoryHard > 0 && p.MaxMemoryHard < p.MaxMemory {
		fail(p.at+".max_memory_hard", "%s is less than max_memory, %s: a worker would be ended before it could be "+
			"replaced; write more, or leave one of them out", p.MaxMemoryHard, p.MaxMemory)
	}
	for i, root := range p.FileRoots {
		if root == "" {
			fail(fmt.Sprintf("%s.file_roots.%d", p.at, i), "expected a folder, found \"\"")
		}
		c.folder(&p.FileRoots[i], fmt.Sprintf("%s.file_roots.%d", p.at, i), fail)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		if name == "" || strings.Contains(name, "=") {
			fail(p.at+".env."+name, "%q is no name for a variable", name)
		}
	}
}

// resolve finds out what Worker is, and completes what follows from that. A relative Worker starts from base.
func (p *Pool) resolve(base string) error {
	kind, file, err := Resolve(absolute(base, p.Worker))
	if err != nil {
		return err
	}
	p.Kind, p.Worker = kind, file
	if kind == FPM {
		p.FPM, p.Deny = true, slices.Clone(denyUploads)
		p.serve(file)
		return nil
	}
	folder := file
	if kind == PHPFile {
		folder = filepath.Dir(file)
	}
	if p.Directory == "" {
		p.Directory = folder
	}
	if kind == PHPFile {
		if p.API == "" {
			p.API = findAPI(file)
		}
		p.Script = file
		if inside, err := filepath.Rel(p.Directory, file); err == nil && filepath.IsLocal(inside) {
			p.Script = inside
		}
	}
	return nil
}

// checkCommand looks for the program, so that a wrong path is found before anything runs.
func (p *Pool) checkCommand() error {
	if len(p.Command) == 0 || p.Command[0] == "" {
		return fmt.Errorf("no program: write command = [\"PROGRAM\", \"ARGUMENT\"]")
	}
	program := p.Command[0]
	if filepath.Base(program) != program {
		_, err := exec.LookPath(absolute(p.Directory, program))
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("can't run %s: %w: is it executable (chmod +x)?", absolute(p.Directory, program),
				UnwrapExec(err))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return errors.New(missing("program ", absolute(p.Directory, program), "mend the path, or install it"))
		}
		if err != nil {
			return fmt.Errorf("can't run %s: %w: mend the path, or install it", absolute(p.Directory, program),
				UnwrapExec(err))
		}
		return nil
	}
	if _, ownPath := p.Env["PATH"]; ownPath {
		return nil // looked up when it starts, with that PATH
	}
	if _, err := exec.LookPath(absolute(p.Directory, program)); err == nil && runtime.GOOS == "windows" {
		return nil // looked for there first, as in its shells
	}
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("there is no program %q in $PATH: install it, or write its path", program)
	}
	return nil
}

// UnwrapExec takes the path, which the message has already, out of an error of package exec or of the file system.
func UnwrapExec(err error) error {
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		err = lookup.Err
	}
	var access *fs.PathError
	if errors.As(err, &access) {
		err = access.Err
	}
	return err
}

// checkPHP refuses settings that would have no effect or would reach php as something else.
func (p *Pool) checkPHP(c *Config, fail fail) {
	p.checkPatterns("unchecked", p.Unchecked, fail)
	if c.has(p.at+".unchecked") && p.Kind != PHPFile && p.Kind != FPM {
		fail(p.at+".unchecked", "has no effect on what is no PHP: remove it")
	}
	for _, key := range []string{"build_tags", "build_ldflags", "build_flags"} {
		if c.has(p.at+"."+key) && p.Kind != GoPackage {
			fail(p.at+"."+key, "has no effect on what is no Go package: remove it")
		}
	}
	for _, key := range []string{"php", "php_ini"} {
		if c.has(p.at+"."+key) && c.has(p.at+".command") {
			fail(p.at+"."+key,
				"has no effect on a command: write the options into command, or use worker = \"FILE.php\"")
		} else if c.has(p.at+"."+key) && p.Kind == GoPackage {
			fail(p.at+"."+key, "has no effect on a Go worker: remove it")
		}
	}
	if strings.ContainsAny(p.PHP, `/\`) {
		p.PHP = absolute(c.Folder, p.PHP)
	}
	for _, name := range slices.Sorted(maps.Keys(p.PHPIni)) {
		at := p.at + ".php_ini." + name
		if !iniName.MatchString(name) {
			fail(at, "%q is no name for a php.ini setting", name)
		} else if strings.ContainsAny(p.PHPIni[name], "\r\n") {
			fail(at, "expected one line, found %s", describe(p.PHPIni[name]))
		}
	}
}

// link ties listeners to pools, and may be called again once flags have changed either.
func (c *Config) link(fail fail) {
	c.Warnings = nil
	declares := slices.ContainsFunc(c.Pools, func(p *Pool) bool { return p.API == Workerman })
	if len(c.Listen) == 0 && len(c.Pools) > 1 && len(c.Routes) == 0 && !declares {
		fail(c.Pools[0].at, "there are %d pools and no [[listen]]: write for each\n\n    [[listen]]\n    address = "+
			"%q\n    pool = %q\n", len(c.Pools), DefaultAddress, c.Pools[0].Name)
		return
	}
	if len(c.Listen) == 0 && !declares {
		c.Listen = []Listen{flagListener(DefaultAddress)}
	}
	names := make([]string, len(c.Pools))
	for i, p := range c.Pools {
		names[i] = p.Name
	}
	served := map[string]bool{}
	taken := map[string]string{}
	for i := range c.Listen {
		l := &c.Listen[i]
		l.link(c, names, fail)
		served[l.Pool] = true
		if p := c.Pool(l.Pool); p != nil {
			l.linkSockets(c, p, fail)
		}
		name := fmt.Sprintf("the listener on %s", l.Address)
		if line := c.lines[l.place("address")]; line > 0 {
			name = fmt.Sprintf("the listener in line %d", line)
		}
		if first := take(taken, l, name); first != "" {
			fail(l.place("address"), "%s is already taken by %s: remove one of them", l.Address, first)
		}
	}
	c.linkRoutes(names, fail)
	c.linkDials(names, fail)
	c.linkPushers(names, fail)
	c.ACME.link(c, fail)
	c.linkGates(fail)
	for _, r := range c.Routes {
		served[r.Pool] = true
	}
	c.linkPrograms(fail)
	for _, e := range c.Cron {
		served[e.Pool] = served[e.Pool] || e.Path != ""
	}
	c.linkQueues(names, served, fail)
	for _, own := range []struct{ place, address string }{{"admin.listen", c.Admin.Listen},
		{"control.listen", c.Remote.Listen}} {
		name := fmt.Sprintf("%s in line %d", own.place, c.lines[own.place])
		if first := take(taken, &Listen{Address: own.address}, name); first != "" {
			fail(own.place, "%s is already taken by %s: choose another port", own.address, first)
		}
	}
	for _, w := range c.Remote.warnings() {
		c.Warnings = append(c.Warnings, c.ProblemAt(w.key, w.text))
	}
	for _, w := range c.Cluster.warnings(c) {
		c.Warnings = append(c.Warnings, c.ProblemAt(w.key, w.text))
	}
	if text := c.upgradeWarning(); text != "" {
		c.Warnings = append(c.Warnings, c.ProblemAt("upgrade_binary", text))
	}
	for _, p := range c.Pools {
		if text := p.parkingWarning(); text != "" {
			c.Warnings = append(c.Warnings, c.ProblemAt(p.at+".park", text))
		}
		if !served[p.Name] && p.API != Workerman {
			text := fmt.Sprintf("[pool.%s] has no listener or route: it runs, but nothing reaches it", p.Name)
			c.Warnings = append(c.Warnings, c.ProblemAt(p.at, text))
		}
	}
}

// take notes who has what l takes, and says who had some of it already; "" if nobody did.
func take(taken map[string]string, l *Listen, name string) (first string) {
	for _, key := range l.takes() {
		first = cmp.Or(first, taken[key])
		taken[key] = name
	}
	return first
}

// link finds the listener's pool among names. With routes, and several pools, it needs none.
func (l *Listen) link(c *Config, names []string, fail fail) {
	routes, _, _ := c.RoutesOf(l)
	if l.Strict && len(routes) == 0 {
		fail(l.place("strict_hosts"), "has no effect without a [[route]] for this listener: write one, or remove it")
	}
	switch {
	case l.Pool == "" && len(names) == 1:
		l.Pool = names[0]
	case l.Pool == "" && len(routes) > 0: // what they don't take is 404
	case l.Pool == "" && l.at == "":
		fail("", "-l %s: there are several pools, %s: write a [[listen]] with this address and its pool", l.Address,
			listed(names))
	case l.Pool == "":
		fail(l.place("pool"), "which one? There are %s: write pool = %q", listed(names), names[0])
	case !slices.Contains(names, l.Pool):
		hint := "the pools are " + listed(names)
		if name := Nearest(l.Pool, names); name != "" {
			hint = fmt.Sprintf("did you mean %q?", name)
		}
		fail(l.place("pool"), "there is no pool %q: %s", l.Pool, hint)
	}
}

// place is where the file has this key of the listener; "" for a listener of the command line.
func (l *Listen) place(key string) string {
	if l.at == "" {
		return ""
	}
	return l.at + "." + key
}
