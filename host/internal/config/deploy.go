// deploy.go has [deploy]: where releases come from, and how they are made. The host itself does nothing by it but to
// have the symlink follow a roll back.

package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/privilege"
)

// Deploy is [deploy], or [pool.NAME.deploy].
type Deploy struct {
	Current           string        `key:"current" holds:"path" default:"current" means:"the symlink that leads to the release that is live, and that directory of pools goes through; releases and shared are folders beside it"`
	Repository        string        `key:"repository" holds:"path or URL" absent:"none" means:"git repository that host deploy REF takes commits from: a folder, https://…, ssh://… or user@host:path; one that is elsewhere is mirrored in .repository.git beside current"`
	Branch            string        `key:"branch" default:"main" means:"branch that a push to the repository of host deploy init deploys"`
	Webhook           string        `key:"webhook" holds:"host:port" absent:"off" means:"where host deploy --follow is told of pushes, by webhooks that are signed as GitHub's are (X-Hub-Signature-256)"`
	WebhookSecretFile string        `key:"webhook_secret_file" holds:"path" absent:"required with webhook" means:"file with the secret of webhooks, of at least 16 characters"`
	Shared            []string      `key:"shared" holds:"array of names" absent:"[]" means:"files and folders, such as [\"storage/\", \".env\"], that lie in the folder shared, and that each release has a symlink to; what is not there yet is taken from the release, and a folder that ends in a slash is made"`
	Build             Commands      `key:"build" absent:"[]" means:"commands, such as [[\"composer\", \"install\", \"--no-dev\"]], that run one after the other in a new release, as the pool's user and with its environment, before the host is asked for anything; the first that fails ends the deploy"`
	Timeout           time.Duration `key:"timeout" default:"15m" min:"1ms" means:"time for each command of build"`
	Keep              int           `key:"keep" default:"5" min:"2" max:"1000" means:"how many releases stay, besides those that are in use"`
}

var branchName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./@+=-]*$`)

func (d *Deploy) checkWebhook(c *Config, at string, fail fail) {
	if d.WebhookSecretFile != "" {
		d.WebhookSecretFile = absolute(c.Folder, d.WebhookSecretFile)
	}
	switch _, _, err := net.SplitHostPort(d.Webhook); {
	case d.Webhook == "" && d.WebhookSecretFile != "":
		fail(at+".webhook_secret_file", "has no effect without webhook: write webhook = \"127.0.0.1:9000\"")
	case d.Webhook == "":
	case err != nil:
		fail(at+".webhook", "expected host:port, found %q", d.Webhook)
	case d.WebhookSecretFile == "":
		fail(at+".webhook", "needs a secret, or whoever reaches it could have it deploy: write webhook_secret_file = "+
			"\"FILE\" (openssl rand -hex 24 > FILE)")
	}
}

// check looks at the table at a place, and makes its paths absolute.
func (d *Deploy) check(c *Config, at string, fail fail) {
	if d.Current == "" {
		fail(at+".current", "expected the path of a symlink, found \"\"")
	}
	d.Current = absolute(c.Folder, d.Current)
	switch {
	case strings.HasPrefix(d.Repository, "-"):
		fail(at+".repository", "expected a folder or a URL, found %q", d.Repository)
	case d.Repository != "" && !strings.Contains(d.Repository, ":"):
		d.Repository = absolute(c.Folder, d.Repository)
	}
	if !branchName.MatchString(d.Branch) {
		fail(at+".branch", "expected the name of a branch, found %q", d.Branch)
	}
	d.checkWebhook(c, at, fail)
	for i, name := range d.Shared {
		clean := filepath.Clean(name)
		if name == "" || clean == "." || !filepath.IsLocal(name) || strings.Contains(name, "..") ||
			strings.HasPrefix(clean+"/", ".git/") {
			fail(fmt.Sprintf("%s.shared.%d", at, i), "expected a name in the release, such as \"storage/\" or "+
				"\".env\", found %q", name)
			continue
		}
		for _, before := range d.Shared[:i] {
			one, other := filepath.ToSlash(filepath.Clean(before))+"/", filepath.ToSlash(clean)+"/"
			if strings.HasPrefix(one, other) || strings.HasPrefix(other, one) {
				fail(fmt.Sprintf("%s.shared.%d", at, i), "%q and %q are the same, or one lies in the other: the "+
					"outer one alone shares both", name, before)
			}
		}
	}
	for i, command := range d.Build {
		if len(command) == 0 || command[0] == "" {
			fail(fmt.Sprintf("%s.build.%d", at, i), "no program: write [\"PROGRAM\", \"ARGUMENT\"]")
		}
	}
}

// checkDeploy looks at [deploy] and those of pools.
func (c *Config) checkDeploy(fail fail) {
	c.Deploy.check(c, "deploy", fail)
	for _, p := range c.Pools {
		if at := p.at + ".deploy"; c.has(at) {
			p.Deploy.check(c, at, fail)
		}
	}
}

// Deploying is what host deploy goes by.
type Deploying struct {
	Deploy
	Path   string // of the file, absolute
	Inside string // from Current to the folder that the pool runs in: "." or "public"
	Pool   *Pool  // as whose worker the commands run; of it only what the file says by itself is known
	Before []Before
	// Keeper is to whom the folder belongs that Current is in, if this is root, and it is not root's: that user is to
	// deploy then, and not root, who could be led elsewhere there. nil is nobody else
	Keeper *privilege.Identity
}

// Before are the commands that have to succeed before a release goes live, of one of the pools in it.
type Before struct {
	Pool     *Pool
	Inside   string // as that of Deploying
	Commands Commands
	Timeout  time.Duration // for each
}

// FindDeploy reads how the releases of a pool are made, or, for "", those of [deploy]. It looks at nothing else of the
// file, and not at what is below Current, so that the first release can be made when there is none yet. An empty path
// means host.toml in the working directory.
func FindDeploy(path, pool string, env func(string) (string, bool)) (*Deploying, error) {
	path, err := find(path)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, fmt.Errorf("there is no %s here: name the file with -c FILE; `host help deploy` begins one",
			FileName)
	}
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	document, err := parseDocument(path, data)
	if err != nil {
		return nil, err
	}
	c, err := Default()
	if err != nil {
		return nil, err
	}
	found := &Deploying{Path: absolute(c.Folder, path)}
	c.Path, c.Folder = path, filepath.Dir(found.Path)
	c.lines = findLines(trimMark(data))
	d := &decoder{path: path, env: env, lines: c.lines, failed: map[string]bool{}}
	d.table("", document, c)
	c.checkDeploy(d.fail)
	for _, p := range c.Pools {
		p.checkIdentity(c, d.fail)
	}
	if err := d.problems.err(); err != nil {
		return nil, err
	}
	return found, found.choose(c, pool)
}

// choose finds the table and the pool.
func (d *Deploying) choose(c *Config, name string) (err error) {
	d.Deploy = c.Deploy
	if name != "" {
		p := c.Pool(name)
		if p == nil {
			return c.ProblemAt("", noPool(c, name))
		}
		if c.has(p.at + ".deploy") {
			d.Deploy = p.Deploy
		}
	}
	for _, p := range c.Pools {
		if name != "" && p.Name != name {
			continue
		}
		if at, ok := d.Deploy.Leads(c.folderOf(p)); ok {
			d.Inside, d.Pool = at, p
			break
		}
	}
	for _, p := range c.Pools {
		at, ok := d.Deploy.Leads(c.folderOf(p))
		gates := p.Gates
		if len(c.Pools) == 1 && !gates.given() {
			gates = c.Reload.Gates
		}
		if ok && p.Reload != "never" {
			d.Before = append(d.Before, Before{p, at, gates.Before, gates.Timeout})
		}
	}
	if d.Pool == nil {
		what := "no pool runs"
		if name != "" {
			what = "pool " + name + " does not run"
		}
		return c.ProblemAt("deploy", fmt.Sprintf("%s in a release: write directory = %q in [pool.NAME], or another "+
			"symlink as current of [deploy]; of a folder that is changed in place `host deploy adopt` makes a release",
			what, d.Current))
	}
	if os.Geteuid() == 0 {
		if d.Keeper, err = privilege.OwnerOf(filepath.Dir(d.Current)); err != nil {
			return err
		}
		if d.Keeper != nil && d.Keeper.UID == 0 {
			d.Keeper = nil
		}
	}
	if d.Keeper != nil { // who looks at this again
		return nil
	}
	return d.identify(c)
}

// identify refuses commands that would run as root without a word of the file.
func (d *Deploying) identify(c *Config) error {
	asRoot := func(p *Pool, commands Commands, at string) error {
		if os.Geteuid() != 0 || p.User != "" || len(commands) == 0 {
			return nil
		}
		return c.ProblemAt(at, fmt.Sprintf("would run as root: give [pool.%s] a user, or write user = \"root\" "+
			"there if that is meant", p.Name))
	}
	if err := asRoot(d.Pool, d.Build, "deploy.build"); err != nil {
		return err
	}
	for _, b := range d.Before {
		if err := asRoot(b.Pool, b.Commands, "reload.before"); err != nil {
			return err
		}
	}
	return nil
}

// Leads says whether a folder is what the symlink leads to, or lies in it, and where.
func (d *Deploy) Leads(folder string) (inside string, ok bool) {
	inside, err := filepath.Rel(d.Current, folder)
	return inside, d.Current != "" && err == nil && filepath.IsLocal(inside)
}

// folderOf is where a pool runs, by what the file says alone.
func (c *Config) folderOf(p *Pool) string {
	switch {
	case p.Root != "":
		return absolute(c.Folder, p.Root)
	case p.Directory != "":
		return absolute(c.Folder, p.Directory)
	case filepath.Ext(p.Worker) != "":
		return filepath.Dir(absolute(c.Folder, p.Worker))
	case p.Worker != "":
		return absolute(c.Folder, p.Worker)
	}
	return c.Folder
}

// Through are the pools whose folder lies behind a symlink.
func (c *Config) Through(link string) (pools []*Pool) {
	d := Deploy{Current: link}
	return slices.DeleteFunc(slices.Clone(c.Pools), func(p *Pool) bool {
		_, inside := d.Leads(p.Directory)
		return !inside
	})
}

// DeployOf is how releases of a pool are made, of those that lie behind a symlink; nil if that is not known.
func (c *Config) DeployOf(p *Pool) *Deploy {
	for _, d := range []*Deploy{&p.Deploy, &c.Deploy} {
		if _, inside := d.Leads(p.Directory); inside && (c.has("deploy") || c.has(p.at+".deploy")) {
			return d
		}
	}
	return nil
}

// Resolved is where Directory leads: its symlinks followed, unless a deploy brings another release.
func (p *Pool) Resolved() (string, error) {
	if p.Release != "" {
		return p.Release, nil
	}
	return filepath.EvalSymlinks(p.Directory)
}

// Owner is to whom releases of a pool belong; nil is whoever makes them.
func (d *Deploying) Owner() *privilege.Identity {
	if i := d.Pool.Identity; i != nil && i.UID >= 0 {
		return i
	}
	return nil
}
