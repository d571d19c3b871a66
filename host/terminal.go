// terminal.go: where output goes, and how it looks there.

package main

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// terminal is a command's output. It need not be a terminal.
type terminal struct {
	out, err io.Writer
	colours  bool
	live     bool // what was written to out can be written over
}

func systemTerminal() *terminal {
	return &terminal{out: os.Stdout, err: os.Stderr, colours: isTerminal(os.Stdout) && isTerminal(os.Stderr) && coloursWanted(),
		live: isTerminal(os.Stdout) && os.Getenv("TERM") != "dumb"}
}

// width is how many characters a line of the terminal has.
func (t *terminal) width() int {
	if f, ok := t.out.(*os.File); ok {
		if n := columns(f); n > 0 {
			return n
		}
	}
	return 80
}

func isTerminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()) }

// coloursWanted heeds https://no-color.org, and terminals that have none.
func coloursWanted() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

func (t *terminal) paint(code, text string) string {
	if !t.colours || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (t *terminal) bold(text string) string   { return t.paint("1", text) }
func (t *terminal) faint(text string) string  { return t.paint("2", text) }
func (t *terminal) red(text string) string    { return t.paint("31", text) }
func (t *terminal) green(text string) string  { return t.paint("32", text) }
func (t *terminal) yellow(text string) string { return t.paint("33", text) }
func (t *terminal) blue(text string) string   { return t.paint("34", text) }
