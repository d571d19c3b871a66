// host man: host(1) and host.toml(5) in roff, made from the table of commands and the schema of host.toml.

package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/docs"
	"github.com/workerhost/workerhost/host/internal/config"
)

// ManCommand is host man, for the commands of a program.
func ManCommand(all func() Commands) *Command {
	return &Command{
		Name:      "man",
		Arguments: "[" + config.FileName + "]",
		Summary:   "Print a page of the manual, for man",
		Detail: "It is host(1), with every command, or host.toml(5), with every key: both in roff, of this very\n" +
			"version.",
		Example: "host man | man -l -\nhost man host.toml > /usr/local/share/man/man5/host.toml.5",
		Words:   func() []string { return []string{config.FileName} },
		Define: func(*pflag.FlagSet) func(*Terminal, []string) error {
			return func(t *Terminal, args []string) error {
				var b bytes.Buffer
				switch {
				case len(args) == 0:
					all().manual(t.renaming(&b), t.program())
				case len(args) == 1 && args[0] == config.FileName:
					manualOfKeys(t.renaming(&b), t.program())
				default:
					return Misused("expected nothing or %s, and got %s", config.FileName,
						strings.Join(args, " "))
				}
				_, err := t.Out.Write(b.Bytes())
				return err
			}
		},
	}
}

// manual writes host(1), of the program by its name.
func (p Commands) manual(w io.Writer, program string) {
	title(w, 1, program, "serve with pools of PHP and Go workers")
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B %s\n.I COMMAND\n[flags] [arguments]\n.SH DESCRIPTION\n", program)
	paragraphs(w, "The host serves HTTP with pools of PHP and Go workers, and puts their new code live without "+
		"losing a request. Its commands follow; host.toml(5) has the configuration.")
	fmt.Fprint(w, ".SH COMMANDS\n")
	for _, c := range p.shown() {
		c.manual(w)
	}
	fmt.Fprint(w, ".SH EXIT STATUS\n")
	var b bytes.Buffer
	exitTable(&b)
	literal(w, b.String())
	fmt.Fprint(w, ".SH SEE ALSO\nhost.toml(5);\n")
	paragraphs(w, "`host help TOPIC` shows a page: "+strings.Join(docs.Topics(), ", ")+".")
}

func (c *Command) manual(w io.Writer) {
	fmt.Fprintf(w, ".SS %s\n%s.\n", roff("host "+c.Name+" "+c.Arguments), line(c.Summary))
	fmt.Fprint(w, ".PP\n")
	paragraphs(w, c.Detail)
	flags := c.flagSet()
	c.Define(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		takes, usage := pflag.UnquoteUsage(f)
		name := `\fB` + roff("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			name = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + name
		}
		switch {
		case f.NoOptDefVal != "" && f.Value.Type() != "bool":
			name += `[=\fI` + roff(takes) + `\fR]`
		case takes != "":
			name += ` \fI` + roff(takes) + `\fR`
		}
		fmt.Fprintf(w, ".TP\n%s\n%s\n", name, line(usage))
	})
	fmt.Fprint(w, ".PP\nExample:\n")
	literal(w, c.Example)
}

// manualOfKeys writes host.toml(5).
func manualOfKeys(w io.Writer, program string) {
	title(w, 5, config.FileName, "configuration of "+program)
	fmt.Fprint(w, ".SH DESCRIPTION\n")
	paragraphs(w, keysIntroduction)
	section := ""
	fmt.Fprint(w, ".SS Top of the file\n")
	for _, k := range config.Keys() {
		if k.Section != section {
			section = k.Section
			fmt.Fprintf(w, ".SS %s\n", roff(section))
		}
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(k.Key), line(fmt.Sprintf("%s (%s; default: %s)", k.Meaning, k.Type,
			k.Default)))
	}
	fmt.Fprintf(w, ".SH SEE ALSO\n%s(1)\n", program)
}

// title begins a page. It has no date, so that a build tomorrow gives the same bytes.
func title(w io.Writer, section int, name, summary string) {
	fmt.Fprintf(w, ".TH %s %d \"\" \"host %s\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), section,
		roff(Version()), name, summary)
}

// paragraphs writes text whose paragraphs are separated by empty lines.
func paragraphs(w io.Writer, text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			fmt.Fprint(w, ".PP\n")
		}
		for l := range strings.SplitSeq(p, "\n") {
			fmt.Fprintln(w, line(l))
		}
	}
}

// literal writes lines that stay as they are.
func literal(w io.Writer, text string) {
	fmt.Fprint(w, ".RS 4\n.nf\n")
	for l := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintln(w, guarded(roff(l)))
	}
	fmt.Fprint(w, ".fi\n.RE\n")
}

// line is a line of text; what stands between backticks is bold.
func line(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(strings.TrimSpace(text), "`") {
		if i%2 == 1 {
			b.WriteString(`\fB` + roff(part) + `\fR`)
		} else {
			b.WriteString(roff(part))
		}
	}
	return guarded(b.String())
}

// guarded keeps roff from taking a line for a request.
func guarded(text string) string {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}

// roff is text that shows as it is; hyphens of flags and paths stay such that they can be copied.
func roff(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, `"`, `\(dq`, "^", `\(ha`, "~", `\(ti`).
		Replace(text)
}
