// deploythere.go: releases that need not be made, since their files are there: a roll back, and an adoption.

package cli

import (
	"cmp"
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/deploy"
)

// rollbackTo puts a release live that is there.
func rollbackTo(t *Terminal, f *pflag.FlagSet, find func() (*control.Client, error), pool string,
	launcher func() ([]string, error), n int, asJSON bool) error {
	d, err := newDeployment(t, f, find, pool, launcher, asJSON)
	if err != nil {
		return err
	}
	ctx, done := UntilInterrupted()
	defer done()
	lock, err := d.place.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := d.mend(ctx, lock); err != nil {
		return &deployStep{"mend", err}
	}
	folder, err := d.place.Find(n)
	if err != nil {
		return err
	}
	if d.status == nil {
		return d.move(folder)
	}
	d.story.done = "rolled back"
	d.ask.Canary = &control.CanaryAsk{Off: true}
	return d.live(ctx, folder, true)
}

// adopt makes a release of a folder that is changed in place.
func (d *deployment) adopt() error {
	if path, err := filepath.EvalSymlinks(d.by.Path); err == nil && deploy.Within(path, d.by.Current) {
		return fmt.Errorf("%s lies in %s, and would become part of the release: move it to the folder above, with "+
			"the paths in it, and restart the host with -c", d.by.Path, d.by.Current)
	}
	ctx, done := UntilInterrupted()
	defer done()
	lock, err := d.place.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := d.look(ctx); err != nil {
		return err
	}
	folder, shares, err := lock.Adopt(d.by.Shared)
	if folder != "" {
		d.tell("adopt", fmt.Sprintf("%s leads to %s", d.by.Current, d.short(folder)))
	}
	for _, name := range shares {
		d.tell("share", name+" is in "+d.place.Shared())
	}
	if err != nil || d.status == nil {
		return err
	}
	d.ask.Canary = &control.CanaryAsk{Off: true}
	d.client.Message = cmp.Or(d.client.Message, "deploy adopt")
	return d.live(ctx, folder, true)
}
