// Package cli has what a subcommand is, how its command line is read and how it ends, and those commands that talk to
// a running host, or to a person: reload, status, stop, send, check, help. Of the host they know package control
// alone. Nothing here is safe for concurrent use but Version: a process runs one command.
//
// exit.go has how errors become text and an exit status, terminal.go and table.go how output looks.
package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
)

// Command is a subcommand.
type Command struct {
	Name      string
	Arguments string // after the name, for the help
	Summary   string // one line
	Detail    string // paragraphs
	Example   string // lines, without a prompt
	Hidden    bool
	Words     func() []string // what an argument may be, for completion; nil if that is not known
	// Define declares the flags, and returns what runs once they have been read.
	Define func(*pflag.FlagSet) func(t *Terminal, args []string) error
}

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (u *usageError) Error() string { return u.text }

// Misused is the error of a command line that can't be run as it stands: the command ends with ExitUsage.
func Misused(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// Commands is a program: its commands, in the order of the help.
type Commands []*Command

// Run runs the command that the arguments name. It returns the exit status.
func (p Commands) Run(args []string, t *Terminal) int {
	t.commands = p.names()
	if len(args) == 0 {
		p.overview(t.renaming(t.Err))
		return ExitUsage
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
		return report(t, t.program(), false, p.unknown(name))
	}
	return c.Run(t, args[1:])
}

func (p Commands) find(name string) *Command {
	for _, c := range p {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// unknown is the error about a command that there is not.
func (p Commands) unknown(name string) error {
	if strings.HasPrefix(name, "-") {
		return Misused("a command comes first, as in `host serve %s`; `host help` lists them", name)
	}
	if meant := config.Nearest(name, p.names()); meant != "" {
		return Misused("there is no command %q; did you mean `host %s`?", name, meant)
	}
	return Misused("there is no command %q; `host help` lists them", name)
}

// Run reads the flags and runs the command. It returns the exit status.
func (c *Command) Run(t *Terminal, args []string) int {
	flags := c.flagSet()
	work := c.Define(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		c.help(t.renaming(t.Out))
		return ExitOK
	case err != nil:
		err = explainFlag(err, flags)
	default:
		err = work(t, flags.Args())
	}
	return report(t, t.program()+" "+c.Name, wantsJSON(flags, args), err)
}

// wantsJSON says whether --json is given; it may stand behind a flag that could not be read.
func wantsJSON(flags *pflag.FlagSet, args []string) bool {
	f := flags.Lookup("json")
	return f != nil && (f.Value.String() == "true" || !f.Changed && slices.Contains(args, "--json"))
}

func (c *Command) flagSet() *pflag.FlagSet {
	flags := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
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
		if meant := config.Nearest(unknown.GetSpecifiedName(), names); meant != "" &&
			unknown.GetSpecifiedShortnames() == "" {
			return Misused("there is no flag --%s; did you mean --%s?", unknown.GetSpecifiedName(), meant)
		}
	}
	return Misused("%v", err)
}

// noArguments refuses arguments for a command that takes none.
func noArguments(args []string) error {
	if len(args) > 0 {
		return Misused("it takes no arguments, and got %s", strings.Join(args, " "))
	}
	return nil
}
