// names_test.go has the tests of what stands at the head of files and over declarations, and of the words in names.

package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// source is a Go file that is no test's.
type source struct {
	name, folder string // from the root, with slashes
	file         *ast.File
	fset         *token.FileSet
}

// at is where a node stands, for errors.
func (s source) at(n ast.Node) string {
	return s.name + ":" + strings.TrimPrefix(s.fset.Position(n.Pos()).String(), s.fset.File(n.Pos()).Name()+":")
}

// sources are those of every system, without testdata.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 300 {
		t.Fatalf("only %d files were found", len(all))
	}
	return all
}

var parsed = sync.OnceValues(func() (all []source, err error) {
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", ".cache", "testdata", "vendor", "bin"}, d.Name()):
			return fs.SkipDir
		case path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || generated(name):
			return nil
		}
		fset := token.NewFileSet()
		const mode = parser.ParseComments | parser.SkipObjectResolution
		file, err := parser.ParseFile(fset, filepath.Join(root, name), nil, mode)
		all = append(all, source{name, path.Dir(name), file, fset})
		return err
	})
	return all, err
})

// A word of the page's glossary that other languages and libraries use for other things means one thing here, so only
// the packages that deal with that have it in their names. Locks are held in comments alone, and a flag or a counter
// has a word of the trade: refs, retain, contains, start.
func TestTheWordsOfTheGlossaryAreInNamesForOneThing(t *testing.T) {
	words := []struct {
		word, forms string
		in          []string
	}{
		{"hold", "hold holds holding held", []string{
			"protocol", "workers", "sdk-go", "examples/ticker-sse-go", "host/internal/bench",
			"host/internal/cache", "host/internal/hub", "host/internal/leaks", "host/internal/peer",
			"host/internal/recent",
			"host/internal/rehearse", "host/internal/shadow", "host/internal/succession", "host/internal/web",
		}},
		{"front", "front fronts", nil},
		{"begin", "begin begins beginning", []string{
			"protocol", "workers", "host/internal/cache", "host/internal/canary", "host/internal/faults",
			"host/internal/fetch",
			"host/internal/hub", "host/internal/leaks", "host/internal/pusher", "host/internal/rehearse",
			"host/internal/serve", "host/internal/shadow", "host/internal/tasks", "host/internal/web",
			"host/internal/e2e/harness",
		}},
	}
	part := regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+`)
	glossary, found := read(t, page), map[string]bool{}
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			for _, p := range part.FindAllString(id.Name, -1) {
				for _, w := range words {
					if !slices.Contains(strings.Fields(w.forms), strings.ToLower(p)) {
						continue
					}
					if found[w.word+s.folder] = true; !slices.Contains(w.in, s.folder) {
						t.Errorf("%s: %s has %q in its name for something else: see \"The words\" in %s",
							s.at(id), id.Name, w.word, page)
					}
				}
			}
			return true
		})
	}
	for _, w := range words {
		if !strings.Contains(glossary, "- **"+w.word+"**: ") {
			t.Errorf("%s has no %q among its words", page, w.word)
		}
		for _, folder := range w.in {
			if !found[w.word+folder] {
				t.Errorf("no name of %s has %q any more: remove it here", folder, w.word)
			}
		}
	}
}

// One file of a package has its comment, right above the clause; each other one says what is in it, and then has an
// empty line.
func TestEachFileBeginsWithWhatItIsFor(t *testing.T) {
	documented := map[string]string{} // by folder
	for _, s := range sources(t) {
		opener := false
		for _, c := range s.file.Comments {
			opener = opener || c.End() < s.file.Package && !strings.HasPrefix(c.List[0].Text, "//go:")
		}
		if !opener {
			t.Errorf("%s does not say what it is for: begin it with a comment and an empty line", s.name)
		}
		if s.file.Doc == nil {
			continue
		}
		if first := documented[s.folder]; first != "" {
			t.Errorf("%s and %s both have their package's comment: put an empty line after one", first, s.name)
		}
		documented[s.folder] = s.name
		if name := s.file.Name.Name; name != "main" && !strings.HasPrefix(s.file.Doc.Text(), "Package "+name+" ") {
			t.Errorf("%s: the comment of a package begins with its name: Package %s …", s.name, name)
		}
	}
	for _, s := range sources(t) {
		if documented[s.folder] == "" {
			t.Errorf("%s: its package has no comment", s.name)
			documented[s.folder] = s.name // once is enough
		}
	}
}

// A group of constants or variables has one comment, or one for each; fields speak for themselves.
func TestWhateverIsExportedIsDocumented(t *testing.T) {
	count := 0
	for _, s := range sources(t) {
		missing := func(n ast.Node, name string) { t.Errorf("%s: %s is exported, and has no comment", s.at(n), name) }
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
					if count++; d.Doc == nil {
						missing(d, d.Name.Name)
					}
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if count++; spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
							missing(spec, spec.Name.Name)
						}
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							if count++; name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
								missing(name, name.Name)
							}
						}
					}
				}
			}
		}
	}
	if count < 1000 {
		t.Errorf("only %d declarations were looked at", count)
	}
}

// receiver is the name of a method's type.
func receiver(d *ast.FuncDecl) (name string) {
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

// So it is with the public methods of the PHP SDK. Those that implement an interface of PHP or of a PSR have their
// comment there, and those of src/Compat, which other people's libraries have as well, in host/docs/workerman.md.
func TestThePublicMethodsOfThePHPSDKAreDocumented(t *testing.T) {
	method := regexp.MustCompile(`^\s+(?:final |abstract )?public (?:static )?function (\w+)\(`)
	const folder = "sdk-php/src"
	count := 0
	err := fs.WalkDir(os.DirFS(filepath.Join(root, folder)), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "Internal" || d.Name() == "Compat") {
			return fs.SkipDir
		}
		if path.Ext(name) != ".php" {
			return nil
		}
		lines := strings.Split(read(t, path.Join(folder, name)), "\n")
		for i, line := range lines {
			found := method.FindStringSubmatch(line)
			if found == nil {
				continue
			}
			above := i - 1
			for above > 0 && strings.HasPrefix(strings.TrimSpace(lines[above]), "#[") {
				above--
			}
			if count++; !strings.HasSuffix(strings.TrimSpace(lines[above]), "*/") {
				t.Errorf("%s/%s:%d: %s is public, and has no comment", folder, name, i+1, found[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 100 {
		t.Errorf("only %d methods were found", count)
	}
}
