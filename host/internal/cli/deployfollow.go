// deployfollow.go: deploys that nobody types. A push to a repository of ours, a branch that moves, a webhook.

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/deploy"
	"github.com/workerhost/workerhost/host/internal/webhook"
)

// initRepository is host deploy init.
func (d *deployment) initRepository(pool, socket string) error {
	ctx, done := UntilInterrupted()
	defer done()
	folder, told := d.by.Repository, ""
	switch {
	case folder == "":
		folder = filepath.Join(filepath.Dir(d.by.Current), "repository.git")
		told = "\nand write into [deploy], so that host deploy REF finds it: repository = \"" + folder + "\""
	case deploy.Elsewhere(folder):
		return Misused("repository of [deploy] is elsewhere, so it can't be pushed to here: name a folder, or " +
			"use --follow")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := []string{self, "deploy", "--pushed", "-c", d.by.Path}
	if socket != "" {
		if socket, err = filepath.Abs(socket); err != nil {
			return err
		}
		command = append(command, "--control", socket)
	}
	if pool != "" {
		command = append(command, pool)
	}
	hook, err := deploy.Init(ctx, folder, d.by.Branch, command)
	if err != nil {
		return err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "HOST"
	}
	fmt.Fprintf(d.t.Out, "%s is to be pushed to, and %s deploys what comes. In your checkout:\n\n"+
		"    git remote add host ssh://%s%s\n    git push host %s\n%s\n", folder, hook, name, folder,
		d.by.Branch, told)
	return nil
}

// pushOptions are the flags that git push -o NAME=VALUE may give.
var pushOptions = []string{"proves", "canary", "for", "at-most", "message"}

// setPushed sets the flags that a push was given.
func setPushed(f *pflag.FlagSet, options []string) error {
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		if !slices.Contains(pushOptions, name) || f.Lookup(name) == nil {
			return Misused("git push -o %.100q: expected %s=…", option, strings.Join(pushOptions, "=…, "))
		}
		if err := f.Set(name, value); err != nil {
			return Misused("git push -o %.100q: %v", option, err)
		}
	}
	return nil
}

// receive is what the hook runs: a push to the branch is the deploy.
func (d *deployment) receive() error {
	commit, others, err := deploy.Pushed(os.Stdin, d.by.Branch)
	if err != nil {
		return Misused("--pushed is for the hook of a repository: %v", err)
	}
	for _, ref := range others {
		d.tell("push", printable(ref)+" is taken, and not deployed: that is "+d.by.Branch)
	}
	if commit == "" {
		return nil
	}
	if d.by.Repository, err = os.Getwd(); err != nil {
		return err
	}
	if d.client.Message == "" {
		d.client.Message = "push to " + d.by.Branch
	}
	ctx, done := UntilInterrupted()
	defer done()
	return d.run(ctx, source{what: d.by.Branch, commit: commit, pushed: true})
}

const (
	followEvery = time.Second // for a repository that is here, which costs nothing
	fetchEvery  = time.Minute // for one that is elsewhere
)

// follow deploys a branch whenever it has moved, until it is interrupted. A commit that failed is not tried again.
func (d *deployment) follow(branch string, every time.Duration) error {
	if d.by.Repository == "" {
		return Misused("--follow needs a repository: set it in [deploy]")
	}
	ctx, done := UntilInterrupted()
	defer done()
	pushed, failed := make(chan struct{}, 1), make(chan error, 1)
	if address := d.by.Webhook; address != "" {
		secret, err := config.ReadToken(d.by.WebhookSecretFile)
		if err != nil {
			return err
		}
		r := &webhook.Receiver{Secret: secret, Branch: branch, Pushed: func() {
			select {
			case pushed <- struct{}{}:
			default: // one is to be looked at already
			}
		}}
		go func() { failed <- r.Serve(ctx, address) }() // ends with ctx
	}
	g := d.repository()
	if every == 0 {
		if every = followEvery; deploy.Elsewhere(g.From) {
			every = fetchEvery
		}
	}
	d.tell("follow", fmt.Sprintf("%s of %s", branch, g.Shown()))
	tick := time.NewTicker(every)
	defer tick.Stop()
	seen, tried := "", d.place.Commit()
	for {
		if now := g.Look(branch); deploy.Elsewhere(g.From) || now != seen || now == "" {
			seen = now
			tried = d.keepUp(ctx, g, branch, tried)
		}
		select {
		case <-tick.C:
		case <-pushed:
		case err := <-failed:
			if ctx.Err() == nil {
				return fmt.Errorf("webhooks can't be taken: %w", err)
			}
		case <-ctx.Done():
			return nil // the usual way to end it
		}
	}
}

// keepUp deploys a branch if it is not at the commit that was tried last, and gives the one that was tried.
func (d *deployment) keepUp(ctx context.Context, g deploy.Repository, branch, tried string) string {
	err := g.Fetch(ctx)
	commit := ""
	if err == nil {
		commit, err = g.Resolve(ctx, "refs/heads/"+branch)
	}
	switch {
	case ctx.Err() != nil:
		return tried
	case err != nil:
		d.warn(err)
		return tried
	case commit == tried:
		return tried
	}
	one := *d // with a story of its own
	one.story, one.status = newReloadStory(d.t), nil
	one.story.done = d.story.done
	if err := one.run(ctx, source{what: branch, commit: commit}); err != nil {
		if errors.Is(err, deploy.ErrBusy) { // it is tried again, when that has ended
			d.warn(err)
			return tried
		}
		if ctx.Err() == nil && err.Error() != "" {
			d.warn(err)
		}
	}
	return commit
}
