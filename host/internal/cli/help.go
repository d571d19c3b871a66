// host help: the overview, a command's page, and the reference of host.toml.

package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
)

// HelpCommand explains the commands of a program, itself among them.
func HelpCommand(all func() Commands) *Command {
	return &Command{
		Name:      "help",
		Arguments: "[COMMAND]",
		Summary:   "Explain a command, host.toml, or the exit statuses",
		Detail: "`host help COMMAND` is the same as `host COMMAND --help`. `host help host.toml` lists every key of the\n" +
			"configuration, and `host help exit` how commands end.",
		Example: "host help reload\nhost help host.toml\nhost help exit",
		Define: func(*pflag.FlagSet) func(*Terminal, []string) error {
			return func(t *Terminal, args []string) error {
				switch {
				case len(args) == 0:
					all().overview(t.Out)
				case len(args) > 1:
					return Misused("expected one command, and got %s", strings.Join(args, " "))
				case args[0] == config.FileName:
					reference(t.Out)
				case args[0] == "exit":
					exitTable(t.Out)
				case all().find(args[0]) == nil:
					return all().unknown(args[0])
				default:
					all().find(args[0]).help(t.Out)
				}
				return nil
			}
		},
	}
}

func (p Commands) overview(w io.Writer) {
	fmt.Fprint(w, `The host serves HTTP with pools of PHP and Go workers, and puts their new code live without losing a request.

    host serve examples/hello-php     serve on http://127.0.0.1:8080/
    host reload                       put new code live

Commands:

`)
	list := table{indent: "    "}
	for _, c := range p {
		if !c.Hidden {
			list.add(plain("host "+c.Name, c.Summary)...)
		}
	}
	list.write(w)
	fmt.Fprint(w, "\n`host help COMMAND` explains one of them, `host help host.toml` the configuration, and `host help exit` how\ncommands end.\n")
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

// reference lists the keys of host.toml.
func reference(w io.Writer) {
	fmt.Fprint(w, "Every key of host.toml. Durations are written \"30s\", sizes \"256MiB\"; \"${NAME}\" and \"${NAME:-default}\" stand for\n",
		"environment variables in any string, and $$ for a dollar. Paths are relative to the file. Flags win over the file.\n")
	section := "-"
	for _, k := range config.Keys() {
		if k.Section != section {
			section = k.Section
			fmt.Fprintln(w, strings.TrimRight("\n"+section, "\n"))
		}
		fmt.Fprintf(w, "  %s\n      %s (%s; default: %s)\n", k.Key, k.Meaning, k.Type, k.Default)
	}
}
