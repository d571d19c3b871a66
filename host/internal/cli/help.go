// host help: the overview, a command's page, the reference of host.toml, and the pages of host/docs.

package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/docs"
	"github.com/workerhost/workerhost/host/internal/config"
)

// HelpCommand explains the commands of a program, itself among them.
func HelpCommand(all func() Commands) *Command {
	return &Command{
		Name:      "help",
		Arguments: "[COMMAND | TOPIC]",
		Summary:   "Explain a command, host.toml, the exit statuses, or a topic",
		Detail: "`host help COMMAND` is the same as `host COMMAND --help`. `host help host.toml` lists every key of " +
			"the\n" +
			"configuration, and `host help exit` how commands end. `host help TOPIC` shows a page that this binary " +
			"carries:\n" +
			strings.Join(docs.Topics(), ", ") + ".",
		Example: "host help reload\nhost help host.toml\nhost help exit\nhost help architecture",
		Words: func() []string {
			return slices.Concat(all().names(), []string{config.FileName, "exit"}, docs.Topics())
		},
		Define: func(*pflag.FlagSet) func(*Terminal, []string) error {
			return func(t *Terminal, args []string) error {
				out := t.renaming(t.Out)
				switch {
				case len(args) == 0:
					all().overview(out)
				case len(args) > 1:
					return Misused("expected one command or topic, and got %s", strings.Join(args, " "))
				case args[0] == config.FileName:
					reference(out)
				case args[0] == "exit":
					exitTable(out)
				default:
					return all().explain(args[0], out)
				}
				return nil
			}
		},
	}
}

// explain shows a command's page, a topic's, or both of a name that is either.
func (p Commands) explain(name string, w io.Writer) error {
	c := p.find(name)
	page, topic := docs.Page(name)
	if c == nil && !topic {
		return p.unknown(name)
	}
	if c != nil {
		c.help(w)
	}
	if topic {
		fmt.Fprint(w, page)
	}
	return nil
}

func (p Commands) overview(w io.Writer) {
	fmt.Fprint(w, `The host serves HTTP with pools of PHP and Go workers, and puts their new code live without losing a request.

    host serve examples/hello-php     serve on http://127.0.0.1:8080/
    host reload                       put new code live

Commands:

`)
	list := table{indent: "    "}
	for _, c := range p.shown() {
		list.add(plain("host "+c.Name, c.Summary)...)
	}
	list.write(w)
	fmt.Fprint(w, "\n`host help COMMAND` explains one of them, `host help host.toml` the configuration, and `host "+
		"help exit` how\n"+
		"commands end. `host help TOPIC` shows a page: "+strings.Join(docs.Topics(), ", ")+".\n")
}

// help is the command's page.
func (c *Command) help(w io.Writer) {
	flags := c.flagSet()
	c.Define(flags)
	usage := "host " + c.Name
	if flags.HasAvailableFlags() {
		usage += " [flags]"
	}
	if c.Arguments != "" {
		usage += " " + c.Arguments
	}
	fmt.Fprintf(w, "%s.\n\nUsage:\n    %s\n\n%s\n\n", c.Summary, usage, c.Detail)
	if flags.HasAvailableFlags() {
		fmt.Fprintf(w, "Flags:\n%s\n", flags.FlagUsages())
	}
	fmt.Fprintf(w, "Example:\n    %s\n", strings.ReplaceAll(c.Example, "\n", "\n    "))
}

const keysIntroduction = `Every key of host.toml. Durations are written "30s", sizes "256MiB"; "${NAME}" and "${NAME:-default}" stand for
environment variables in any string, and $$ for a dollar. Paths are relative to the file. Flags win over the file.`

// reference lists the keys of host.toml.
func reference(w io.Writer) {
	fmt.Fprintln(w, keysIntroduction)
	section := "-"
	for _, k := range config.Keys() {
		if k.Section != section {
			section = k.Section
			fmt.Fprintln(w, strings.TrimRight("\n"+section, "\n"))
		}
		fmt.Fprintf(w, "  %s\n      %s (%s; default: %s)\n", k.Key, k.Meaning, k.Type, k.Default)
	}
}
