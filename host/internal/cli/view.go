// view.go: how the commands that show a host's status show it: once or again and again, for people or as JSON.

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// watchEvery is how often --watch looks.
const watchEvery = time.Second

// view is what the flags say.
type view struct {
	json, watch *bool
}

func viewFlags(f *pflag.FlagSet) *view {
	return &view{
		json:  f.Bool("json", false, "print JSON; with --watch one object a line"),
		watch: f.BoolP("watch", "w", false, "show it again each second, until interrupted"),
	}
}

// show asks the host, and prints what choose takes of its status as JSON, or calls draw.
func (v *view) show(t *Terminal, args []string, find func() (*control.Client, error), choose func(control.Status) any,
	draw func(*Terminal, control.Status)) error {
	if err := noArguments(args); err != nil {
		return err
	}
	client, err := find()
	if err != nil {
		return err
	}
	ask := func(ctx context.Context) (control.Status, error) {
		ctx, cancel := context.WithTimeout(ctx, AskTimeout)
		defer cancel()
		return client.Status(ctx)
	}
	encoder := json.NewEncoder(t.Out)
	encoder.SetEscapeHTML(false)
	if !*v.watch {
		st, err := ask(context.Background())
		if err != nil {
			return withRemedy(err)
		}
		if *v.json {
			encoder.SetIndent("", "  ")
			return encoder.Encode(choose(st))
		}
		draw(t, st)
		return nil
	}
	ctx, done := UntilInterrupted()
	defer done()
	each := func(st control.Status) error { return t.redraw(func(page *Terminal) { draw(page, st) }) }
	if *v.json {
		each = func(st control.Status) error { return encoder.Encode(choose(st)) }
	}
	return watchStatus(ctx, ask, each)
}

// watchStatus calls each with the status again and again, until ctx ends. A host that is away for a moment, as in a
// restart, is waited for; one that was never there is an error.
func watchStatus(ctx context.Context, ask func(context.Context) (control.Status, error),
	each func(control.Status) error) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for seen := false; ; {
		st, err := ask(ctx)
		var none *control.NoHost
		switch {
		case ctx.Err() != nil:
			return nil // the usual way to end a watch
		case err == nil:
			seen = true
			if err := each(st); err != nil {
				return err
			}
		case !seen || !errors.As(err, &none):
			return withRemedy(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// redraw puts a page in the place of the one before, in one write so that it does not flicker. What is no terminal
// gets one page after the other.
func (t *Terminal) redraw(draw func(page *Terminal)) error {
	var page bytes.Buffer
	draw(&Terminal{Out: &page, Err: t.Err, colours: t.colours})
	text := page.String()
	live := t.colours
	if f, ok := t.Out.(*os.File); ok {
		live = IsTerminal(f) && os.Getenv("TERM") != "dumb"
	}
	if live {
		text = "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
	} else {
		text += "\n"
	}
	if _, err := io.WriteString(t.Out, text); err != nil {
		return fmt.Errorf("can't print: %w", err)
	}
	return nil
}
