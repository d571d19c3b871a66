// terminal.go: where output goes, and how it looks there.

package cli

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// Terminal is a command's output. It need not be a terminal.
type Terminal struct {
	Out, Err io.Writer
	Program  string   // the name by which the program is called, host or workerhost; "" is that of its file
	commands []string // the names of its commands
	colours  bool
	live     bool // what was written to out can be written over
}

// SystemTerminal is this process's own standard output and error.
func SystemTerminal() *Terminal {
	return &Terminal{Out: os.Stdout, Err: os.Stderr,
		colours: IsTerminal(os.Stdout) && IsTerminal(os.Stderr) && ColoursWanted(),
		live:    IsTerminal(os.Stdout) && os.Getenv("TERM") != "dumb"}
}

// width is how many characters a line of the terminal has.
func (t *Terminal) width() int {
	if f, ok := t.Out.(*os.File); ok {
		if n := columns(f); n > 0 {
			return n
		}
	}
	return 80
}

// IsTerminal says whether f is a terminal, for people to read.
func IsTerminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()) }

// ColoursWanted heeds https://no-color.org, and terminals that have none.
func ColoursWanted() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

func (t *Terminal) paint(code, text string) string {
	if !t.colours || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold is text for headings and names; like the others it is text alone where there are no colours.
func (t *Terminal) Bold(text string) string { return t.paint("1", text) }

// Faint is text that matters less.
func (t *Terminal) Faint(text string) string { return t.paint("2", text) }

// Red is for what failed.
func (t *Terminal) Red(text string) string { return t.paint("31", text) }

// Green is for what is well.
func (t *Terminal) Green(text string) string { return t.paint("32", text) }

// Yellow is for what wants a look.
func (t *Terminal) Yellow(text string) string { return t.paint("33", text) }

func (t *Terminal) blue(text string) string { return t.paint("34", text) }
