// command.go: what a subcommand is, and how its command line is read. exit.go has how its errors become text and an
// exit status.

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
)

// command is a subcommand.
type command struct {
	name      string
	arguments string // after the name, for the help
	summary   string // one line
	detail    string // paragraphs
	example   string // lines, without a prompt
	hidden    bool
	// define declares the flags, and returns what runs once they have been read.
	define func(*pflag.FlagSet) func(t *terminal, args []string) error
}

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (u *usageError) Error() string { return u.text }

func misused(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// commandSet is a program: its commands, in the order of the help.
type commandSet []*command

// run runs the command that the arguments name. It returns the exit status.
func (p commandSet) run(args []string, t *terminal) int {
	if len(args) == 0 {
		p.overview(t.err)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "--help":
		name = "help"
	case "-v", "--version":
		name = "version"
	}
	c := p.find(name)
	if c == nil {
		return report(t, "host", false, p.unknown(name))
	}
	return c.run(t, args[1:])
}

func (p commandSet) find(name string) *command {
	for _, c := range p {
		if c.name == name {
			return c
		}
	}
	return nil
}

// unknown is the error about a command that there is not.
func (p commandSet) unknown(name string) error {
	if strings.HasPrefix(name, "-") {
		return misused("a command comes first, as in `host serve %s`; `host help` lists them", name)
	}
	var names []string
	for _, c := range p {
		if !c.hidden {
			names = append(names, c.name)
		}
	}
	if meant := config.Nearest(name, names); meant != "" {
		return misused("there is no command %q; did you mean `host %s`?", name, meant)
	}
	return misused("there is no command %q; `host help` lists them", name)
}

// run reads the flags and runs the command. It returns the exit status.
func (c *command) run(t *terminal, args []string) int {
	flags := c.flagSet()
	work := c.define(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		c.help(t.out)
		return exitOK
	case err != nil:
		err = explainFlag(err, flags)
	default:
		err = work(t, flags.Args())
	}
	return report(t, "host "+c.name, wantsJSON(flags, args), err)
}

// wantsJSON says whether --json is given; it may stand behind a flag that could not be read.
func wantsJSON(flags *pflag.FlagSet, args []string) bool {
	f := flags.Lookup("json")
	return f != nil && (f.Value.String() == "true" || !f.Changed && slices.Contains(args, "--json"))
}

func (c *command) flagSet() *pflag.FlagSet {
	flags := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	return flags
}

// explainFlag adds the nearest flag to the error about one that does not exist.
func explainFlag(err error, flags *pflag.FlagSet) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		names := []string{"help"}
		flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if meant := config.Nearest(unknown.GetSpecifiedName(), names); meant != "" && unknown.GetSpecifiedShortnames() == "" {
			return misused("there is no flag --%s; did you mean --%s?", unknown.GetSpecifiedName(), meant)
		}
	}
	return misused("%v", err)
}

// noArguments refuses arguments for a command that takes none.
func noArguments(args []string) error {
	if len(args) > 0 {
		return misused("it takes no arguments, and got %s", strings.Join(args, " "))
	}
	return nil
}
