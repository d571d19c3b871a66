// deploy.go: a pass that brings a release to which the symlink does not lead yet. It is moved once the release is
// live, so that whatever ends the host before that leaves a symlink to what was live.

package serve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/deploy"
)

// incoming is the release of a pass. The zero value is none.
type incoming struct {
	move  *deploy.Move // until it is made
	claim *os.File     // its mark, so that no other deploy removes the release; nil without one
}

// end lets go of what is not needed any more.
func (i *incoming) end() {
	if i.move != nil {
		i.move.Discard()
	}
	if i.claim != nil {
		i.claim.Close()
	}
}

// again says whether the pass brings a release that was live before.
func (p *pass) again() bool { return p.ask.Deploy != nil && p.ask.Deploy.Again }

// bring leads the pools of the new configuration that lie behind the symlink to the release. Nothing changes by it.
func (p *pass) bring(c *config.Config) (err error) {
	ask := p.ask.Deploy
	if ask == nil {
		return nil
	}
	place := deploy.Place{Current: ask.Link}
	if !filepath.IsAbs(ask.Link) || filepath.Dir(ask.Folder) != place.Releases() {
		return fmt.Errorf("%s is no release of %s: it has to lie in %s", ask.Folder, ask.Link, place.Releases())
	}
	pools := c.Through(ask.Link)
	if len(pools) == 0 {
		return fmt.Errorf("no pool of the configuration has a directory that %s leads to", ask.Link)
	}
	p.ask.Pools = nil
	for _, pool := range pools {
		inside, err := filepath.Rel(ask.Link, pool.Directory)
		if err == nil {
			pool.Release, err = filepath.EvalSymlinks(filepath.Join(ask.Folder, inside))
		}
		if err != nil {
			return fmt.Errorf("the release has no folder for pool %s: %w", pool.Name, err)
		}
		if len(pools) < len(c.Pools) { // the others, and the rest of the file, stay as they are
			p.ask.Pools = append(p.ask.Pools, pool.Name)
		}
	}
	if p.incoming.claim, err = deploy.Claim(ask.Folder); err != nil {
		return err
	}
	if p.incoming.move, err = deploy.Prepare(ask.Link, ask.Folder); err != nil {
		p.incoming.end()
	}
	return err
}

// leadOn has the symlink lead to the release, which serves.
func (p *pass) leadOn() {
	if p.incoming.move == nil {
		return
	}
	if err := p.incoming.move.Commit(); err != nil {
		p.verdict.outcome = control.NotDone
		p.verdict.looked = fmt.Sprintf("the new code is live, but the symlink could not be moved (%v): lead %s to %s "+
			"by hand, or a restart of the host goes back", err, p.ask.Deploy.Link, p.ask.Deploy.Folder)
		p.host.log.Error("deploy: " + p.verdict.looked)
		return
	}
	p.incoming.move = nil
	p.tellLed(p.ask.Deploy.Link, p.ask.Deploy.Folder)
}

func (p *pass) tellLed(link, folder string) {
	text := fmt.Sprintf("%s leads to %s", link, strings.TrimPrefix(folder, filepath.Dir(link)+"/"))
	p.host.log.Info("deploy: " + text)
	p.account.Add(control.Event{Kind: control.LinkMoved, Directory: folder, What: text})
}

// settled are the settings of a pool once its symlink leads where it is to.
func settled(c *config.Pool) *config.Pool {
	if c.Release == "" {
		return c
	}
	led := *c
	led.Release = ""
	return &led
}

// leadBack has the symlinks of [deploy] lead to what a roll back has put live, where all pools behind one run the same
// release of it.
func (p *pass) leadBack(next []plannedPool) {
	c := p.host.config()
	var links []string
	for _, n := range next {
		known := c.Pool(n.old.name)
		if known == nil || n.old.live() != n.back {
			continue
		}
		if d := c.DeployOf(known); d != nil && !slices.Contains(links, d.Current) {
			links = append(links, d.Current)
		}
	}
	for _, link := range links {
		folder, err := p.releaseBehind(c, link)
		var move *deploy.Move
		if err == nil {
			move, err = deploy.Prepare(link, folder)
		}
		if err == nil {
			err = move.Commit()
		}
		if err != nil { // what remains is told by tellRemains
			p.host.log.Warn("roll back: the symlink stays", "link", link, "error", err)
			continue
		}
		p.tellLed(link, folder)
	}
}

// releaseBehind is the release that all pools behind a symlink run.
func (p *pass) releaseBehind(c *config.Config, link string) (folder string, err error) {
	place := deploy.Place{Current: link}
	releases, err := filepath.EvalSymlinks(place.Releases())
	if err != nil {
		return "", err
	}
	for _, pool := range c.Through(link) {
		old := byName(p.host.pools(), pool.Name)
		if old == nil || !old.running.Load() {
			continue
		}
		below, err := filepath.Rel(releases, old.workers.Status().Directory)
		if err != nil || !filepath.IsLocal(below) {
			return "", fmt.Errorf("pool %s runs no release of it", pool.Name)
		}
		number, _, _ := strings.Cut(below, string(filepath.Separator))
		switch runs := filepath.Join(place.Releases(), number); {
		case folder == "":
			folder = runs
		case folder != runs:
			return "", errors.New("the pools behind it run several releases")
		}
	}
	if folder == "" {
		return "", errors.New("no pool behind it runs")
	}
	return folder, nil
}
