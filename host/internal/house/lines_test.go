// lines_test.go has the test of how long lines are.

package house

import (
	"bytes"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// widest is the last column that a line may reach, counted from 1, a tab being four.
const widest = 119

// Tables of documents, their code, and what stands between backquotes are as wide as they have to be.
func TestLinesEndBeforeColumn120(t *testing.T) {
	for _, name := range lined(t) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		free := map[int]bool{}
		switch filepath.Ext(name) {
		case ".go":
			free = rawLines(text)
		case ".md":
			free = laidOutLines(text)
		case ".php":
			free = heredocLines(text)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if n := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t"); n > widest && !free[i+1] {
				t.Errorf("%s:%d has %d columns: break it before column %d", name, i+1, n, widest+1)
			}
		}
	}
}

// lined are the files whose lines are held, by their names below root.
func lined(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		base := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && (base == "vendor" || base == "node_modules" || base == "templates" || base == "var" ||
			name != "." && strings.HasPrefix(base, ".") && base != ".github"):
			return fs.SkipDir
		case d.IsDir(), generated(name):
		case strings.HasSuffix(base, ".go"), strings.HasSuffix(base, ".md"):
			names = append(names, name)
		case strings.HasSuffix(base, ".php") && !strings.Contains(name, "/tests/") &&
			!strings.HasPrefix(base, "page"): // tests and pages hold programs and HTML in strings
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 500 {
		t.Fatalf("only %d files were found below %s", len(names), root)
	}
	return names
}

// generated says whether a file is a program's work, as protoc-gen-go's.
func generated(name string) bool { return strings.HasSuffix(name, ".pb.go") }

// rawLines are those of Go that a raw string, such as a field's tag, stands on.
func rawLines(text []byte) map[int]bool {
	lines := map[int]bool{}
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0)
	for {
		pos, kind, literal := s.Scan()
		if kind == token.EOF {
			return lines
		}
		if kind == token.STRING && literal[0] == '`' {
			first := file.Line(pos)
			for n := range strings.Count(literal, "\n") + 1 {
				lines[first+n] = true
			}
		}
	}
}

var unbreakable = regexp.MustCompile(`^\s*(\||#|<|\[[^\]]+\]:)`)

// laidOutLines are those of Markdown that are no text: code, tables, headings, HTML, the targets of links.
func laidOutLines(text []byte) map[int]bool {
	lines, code := map[int]bool{}, false
	for i, line := range bytes.Split(text, []byte("\n")) {
		fence := bytes.HasPrefix(bytes.TrimSpace(line), []byte("```"))
		lines[i+1] = code || fence || unbreakable.Match(line)
		code = code != fence
	}
	return lines
}

var heredoc = regexp.MustCompile(`<<<\s*['"]?(\w+)`)

// heredocLines are those of PHP within a heredoc.
func heredocLines(text []byte) map[int]bool {
	lines, end := map[int]bool{}, ""
	for i, line := range strings.Split(string(text), "\n") {
		lines[i+1] = end != ""
		if end != "" && strings.HasPrefix(strings.TrimSpace(line), end) {
			end = ""
		} else if m := heredoc.FindStringSubmatch(line); end == "" && m != nil {
			end = m[1]
		}
	}
	return lines
}
