// program.go: the name that this program goes by.

package cli

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The names of the program. Packages install it as workerhost, since Debian's and Fedora's host asks DNS.
const (
	ownName      = "host"
	packagedName = "workerhost"
)

// called is the name by which the program at a path is called; whatever else its file is named, it is host.
func called(path string) string {
	if strings.TrimSuffix(filepath.Base(path), ".exe") == packagedName {
		return packagedName
	}
	return ownName
}

// program is the name that the program goes by here.
func (t *Terminal) program() string {
	if t.Program == "" {
		return called(os.Args[0])
	}
	return t.Program
}

// renamed is text in which host's command lines have the name of the program instead.
func (t *Terminal) renamed(text string) string {
	name := t.program()
	if name == ownName || t.commands == nil {
		return text
	}
	// "have the host send a file" is no command line; \fB makes letters bold in a page of the manual.
	lines := regexp.MustCompile(`(?m)(\b[Tt]he |^|[^\w/.-]|\\fB)host( (?:` + strings.Join(t.commands, "|") + `|COMMAND)\b)`)
	return lines.ReplaceAllStringFunc(text, func(found string) string {
		part := lines.FindStringSubmatch(found)
		if strings.HasSuffix(part[1], "he ") {
			return found
		}
		return part[1] + name + part[2]
	})
}

// renaming is a writer of whole lines, renamed, to w.
func (t *Terminal) renaming(w io.Writer) io.Writer { return &renamer{t, w} }

type renamer struct {
	t *Terminal
	w io.Writer
}

// Write implements io.Writer.
func (r *renamer) Write(b []byte) (int, error) {
	if _, err := io.WriteString(r.w, r.t.renamed(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
