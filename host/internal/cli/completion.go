// host completion: what a shell needs to complete command lines of host, made from the table of commands.

package cli

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// shells write the completion of the commands of a program, by the name that it goes by.
var shells = map[string]func(p Commands, w io.Writer, program string){
	"bash": Commands.bash, "zsh": Commands.zsh, "fish": Commands.fish,
}

// CompletionCommand is host completion, for the commands of a program.
func CompletionCommand(all func() Commands) *Command {
	names := []string{"bash", "zsh", "fish"}
	return &Command{
		Name:      "completion",
		Arguments: "bash | zsh | fish",
		Summary:   "Print a shell's completion of these commands",
		Detail: "What is printed completes commands, flags, topics and files. For bash and fish it lies where the\n" +
			"example has it; for zsh it is a file named _host in a folder of $fpath.",
		Example: "host completion bash > ~/.local/share/bash-completion/completions/host\n" +
			"host completion zsh > ~/.zfunc/_host\n" +
			"host completion fish > ~/.config/fish/completions/host.fish",
		Words: func() []string { return names },
		Define: func(*pflag.FlagSet) func(*Terminal, []string) error {
			return func(t *Terminal, args []string) error {
				if len(args) != 1 || !slices.Contains(names, args[0]) {
					return Misused("expected bash, zsh or fish, and got %q", strings.Join(args, " "))
				}
				var b bytes.Buffer
				shells[args[0]](all(), &b, t.program())
				_, err := t.Out.Write(b.Bytes())
				return err
			}
		},
	}
}

// shown are the commands that a person may want.
func (p Commands) shown() (list Commands) {
	for _, c := range p {
		if !c.Hidden {
			list = append(list, c)
		}
	}
	return list
}

// names are those of the commands that a person may want.
func (p Commands) names() (names []string) {
	for _, c := range p.shown() {
		names = append(names, c.Name)
	}
	return names
}

// flag is one of a command's, as a completion wants it.
type flag struct {
	spelled  []string // "-c", "--config"
	takes    string   // what it calls its value; "" if it takes none, or none that has to be there
	file     bool     // the value is a file's path
	repeated bool
	usage    string // one sentence, without the default
}

// flags are the command's, --help among them.
func (c *Command) flags() (list []flag) {
	set := c.flagSet()
	c.Define(set)
	set.VisitAll(func(f *pflag.Flag) {
		takes, usage := pflag.UnquoteUsage(f)
		one := flag{takes: takes, usage: usage}
		if f.Shorthand != "" {
			one.spelled = []string{"-" + f.Shorthand}
		}
		one.spelled = append(one.spelled, "--"+f.Name)
		if f.NoOptDefVal != "" {
			one.takes = ""
		}
		one.file = one.takes == "FILE" || one.takes == "PATH"
		_, one.repeated = f.Value.(pflag.SliceValue)
		list = append(list, one)
	})
	return append(list, flag{spelled: []string{"-h", "--help"}, usage: "explain the command"})
}

// words are what the command's arguments may be, as far as they are known beforehand.
func (c *Command) words() []string {
	if c.Words == nil {
		return nil
	}
	return c.Words()
}

// files says whether the command's arguments are files or folders.
func (c *Command) files() bool {
	return strings.Contains(c.Arguments, "WORKER") || strings.Contains(c.Arguments, "DIR")
}

func (p Commands) bash(w io.Writer, program string) {
	fmt.Fprintf(w, `# The completion of %[1]s for bash, made by: %[1]s completion bash
_%[1]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words='' flags='' files='' word
	COMPREPLY=()
	# bash takes the = of --config=FILE for a word.
	if [ "$cur" = = ]; then cur=''; elif [ "$prev" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
	if [ "$COMP_CWORD" -eq 1 ]; then
		words='%[2]s' flags='--help --version'
	else
		case ${COMP_WORDS[1]} in
`, program, strings.Join(p.names(), " "))
	for _, c := range p.shown() {
		var files, others, all []string
		for _, f := range c.flags() {
			all = append(all, f.spelled[len(f.spelled)-1])
			switch {
			case f.file:
				files = append(files, f.spelled...)
			case f.takes != "":
				others = append(others, f.spelled...)
			}
		}
		fmt.Fprintf(w, "\t\t%s)\n\t\t\tcase $prev in\n", c.Name)
		if files != nil {
			fmt.Fprintf(w, "\t\t\t%s) files=yes ;;\n", strings.Join(files, "|"))
		}
		if others != nil {
			fmt.Fprintf(w, "\t\t\t%s) return ;;\n", strings.Join(others, "|"))
		}
		fmt.Fprintf(w, "\t\t\t*) words='%s' flags='%s'", strings.Join(c.words(), " "), strings.Join(all, " "))
		if c.files() {
			fmt.Fprint(w, " files=yes")
		}
		fmt.Fprint(w, " ;;\n\t\t\tesac ;;\n")
	}
	fmt.Fprintf(w, `		esac
	fi
	case $cur in -*) words=$flags files='' ;; esac
	while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$cur")
	[ -n "$files" ] || return 0
	compopt -o filenames 2>/dev/null
	while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
}
complete -F _%[1]s %[1]s
`, program)
}

func (p Commands) zsh(w io.Writer, program string) {
	fmt.Fprintf(w, `#compdef %[1]s
# The completion of %[1]s for zsh, made by: %[1]s completion zsh
_%[1]s() {
	local -a commands=(
`, program)
	for _, c := range p.shown() {
		fmt.Fprintf(w, "\t\t%s\n", quoted(c.Name+":"+c.Summary))
	}
	fmt.Fprint(w, `	)
	if (( CURRENT == 2 )); then
		_describe command commands
		return
	fi
	shift words
	(( CURRENT-- ))
	case $words[1] in
`)
	forSpec := strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`)
	for _, c := range p.shown() {
		fmt.Fprintf(w, "\t%s) _arguments -s", c.Name)
		for _, f := range c.flags() {
			spec := "[" + forSpec.Replace(f.usage) + "]"
			if f.takes != "" {
				spec += ":" + f.takes + ":"
				if f.file {
					spec += "_files"
				}
			}
			before := "(" + strings.Join(f.spelled, " ") + ")"
			if f.repeated {
				before = "*"
			}
			for _, name := range f.spelled {
				if f.takes != "" && strings.HasPrefix(name, "--") {
					name += "="
				}
				fmt.Fprintf(w, " \\\n\t\t%s", quoted(before+name+spec))
			}
		}
		switch {
		case c.Words != nil:
			fmt.Fprintf(w, " \\\n\t\t%s", quoted("*:argument:("+strings.Join(c.words(), " ")+")"))
		case c.files():
			fmt.Fprintf(w, " \\\n\t\t%s", quoted("*:file:_files"))
		}
		fmt.Fprint(w, " ;;\n")
	}
	fmt.Fprintf(w, `	esac
}
# compinit loads this file as the function, when first there is something to complete.
_%s "$@"
`, program)
}

func (p Commands) fish(w io.Writer, program string) {
	fmt.Fprintf(w, `# The completion of %[1]s for fish, made by: %[1]s completion fish
function __%[1]s_command_is
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"
end
complete -c %[1]s -e
complete -c %[1]s -f
`, program)
	for _, c := range p.shown() {
		fmt.Fprintf(w, "complete -c %[1]s -n '__%[1]s_command_is \"\"' -a %[2]s -d %[3]s\n", program, c.Name,
			fishQuoted(c.Summary))
	}
	for _, c := range p.shown() {
		line := fmt.Sprintf("complete -c %[1]s -n '__%[1]s_command_is %[2]s'", program, c.Name)
		if words := c.words(); words != nil {
			fmt.Fprintf(w, "%s -a %s\n", line, fishQuoted(strings.Join(words, " ")))
		}
		if c.files() {
			fmt.Fprintf(w, "%s -F\n", line)
		}
		for _, f := range c.flags() {
			names := ""
			for _, name := range f.spelled {
				if long, ok := strings.CutPrefix(name, "--"); ok {
					names += " -l " + long
				} else {
					names += " -s " + name[1:]
				}
			}
			switch {
			case f.file:
				names += " -r -F"
			case f.takes != "":
				names += " -x"
			}
			fmt.Fprintf(w, "%s%s -d %s\n", line, names, fishQuoted(f.usage))
		}
	}
}

// quoted is text as one word of bash and zsh.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// fishQuoted is text as one word of fish, where a backslash escapes within single quotes, too.
func fishQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
