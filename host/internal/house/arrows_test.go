// arrows_test.go has the tests of who imports whom, for all systems at once.

package house

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root     = "../../.."
	module   = "github.com/workerhost/workerhost/"
	rooms    = "host/internal/" // left out in names
	page     = "host/docs/architecture.md"
	howAgain = "the arrows stand in " + page + ", in the block that begins with ```arrows"
)

// arrows are a package's imports, each by its name in the table and in order: what it imports of the repository, what
// outside of it (modules, and those packages of the standard library that most must not know), and of both what its
// tests alone import. never is what it must not reach by any way.
type arrows struct{ inside, outside, tests, never []string }

// watched are the packages of the standard library that the table names.
var watched = []string{"net/http", "os/exec"}

// An import that the table lacks is a decision about the design: change the table in the commit that makes it, and say
// why. So is a new package.
func TestEveryPackageImportsWhatItsArrowsSayAndNothingElse(t *testing.T) {
	found, allowed := imports(t), table(t)
	for _, name := range slices.Sorted(maps.Keys(found)) {
		want, listed := allowed[name]
		if !listed {
			t.Errorf("%s is a package without arrows; %s", name, howAgain)
			continue
		}
		for _, kind := range []struct {
			name      string
			got, want []string
		}{
			{"imports", found[name].inside, want.inside},
			{"imports from outside", found[name].outside, want.outside},
			{"has tests that import", found[name].tests, want.tests},
		} {
			for _, n := range kind.got {
				if !slices.Contains(kind.want, n) {
					t.Errorf("%s %s %s, and has no arrow to it; %s", name, kind.name, n, howAgain)
				}
			}
			for _, n := range kind.want {
				if !slices.Contains(kind.got, n) {
					t.Errorf("%s no longer %s %s: remove the arrow; %s", name, kind.name, n, howAgain)
				}
			}
		}
	}
	for name := range allowed {
		if _, there := found[name]; !there {
			t.Errorf("there is no package %s any more; %s", name, howAgain)
		}
	}
}

// An arrow that the table allows must not open a way round to what is kept apart.
func TestNoWayLeadsToWhatIsNeverImported(t *testing.T) {
	allowed := table(t)
	count := 0
	for name, a := range allowed {
		for _, never := range a.never {
			count++
			if way := wayTo(allowed, map[string]bool{}, name, never); way != nil {
				t.Errorf("%s reaches %s: %s", name, never, strings.Join(way, " → "))
			}
		}
	}
	if count == 0 {
		t.Error("nothing is kept apart from anything")
	}
	if way := wayTo(allowed, map[string]bool{}, "serve", "os/exec"); way == nil {
		t.Error("ways are not found")
	}
}

// wayTo is the way from a package to another one, or to a module. been has the packages that it need not look at
// again.
func wayTo(allowed map[string]arrows, been map[string]bool, from, to string) []string {
	if from == to {
		return []string{to}
	}
	if slices.Contains(allowed[from].outside, to) {
		return []string{from, to}
	}
	been[from] = true
	for _, next := range allowed[from].inside {
		if been[next] {
			continue
		}
		if way := wayTo(allowed, been, next, to); way != nil {
			return append([]string{from}, way...)
		}
	}
	return nil
}

func TestTheArchitecturesPictureIsDrawnFromItsArrows(t *testing.T) {
	if want := picture(table(t)); !strings.Contains(read(t, page), "```picture\n"+want+"```\n") {
		t.Errorf("the block that begins with ```picture in %s has to be\n%s", page, want)
	}
}

// picture has a line for each package with code that is no test's, those on top that nobody imports, and a mark in the
// column of each package that it imports.
func picture(allowed map[string]arrows) string {
	depth := map[string]int{}
	var below func(name string) int
	below = func(name string) int {
		if _, known := depth[name]; !known {
			depth[name] = 0 // a circle, which the compiler finds
			for _, next := range allowed[name].inside {
				depth[name] = max(depth[name], below(next)+1)
			}
		}
		return depth[name]
	}
	var names []string
	for name := range allowed {
		if below(name); !strings.HasPrefix(name, "e2e/") && !strings.HasPrefix(name, ".ci/") && name != "house" {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if depth[a] != depth[b] {
			return depth[b] - depth[a]
		}
		return strings.Compare(a, b)
	})
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-*=%&@$#!?<>^~:;/|_,'()[]{}"
	var b strings.Builder
	width := 0
	for _, name := range names {
		width = max(width, len(name)+1)
	}
	fmt.Fprintf(&b, "%*s%s\n", width+2, "", letters[:len(names)])
	for i, name := range names {
		line := fmt.Sprintf("%c %-*s", letters[i], width, name)
		for _, column := range names {
			switch {
			case column == name:
				line += "\\"
			case slices.Contains(allowed[name].inside, column):
				line += "x"
			default:
				line += "."
			}
		}
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

// table reads the arrows of the page: a package's name begins a line, and what follows, on lines that begin with a
// space as well, are the names that it imports; each of the words below begins another list.
func table(t *testing.T) map[string]arrows {
	t.Helper()
	block := regexp.MustCompile("(?s)```arrows\n(.*?)```").FindStringSubmatch(read(t, page))
	if block == nil {
		t.Fatalf("%s has no arrows", page)
	}
	all := map[string]arrows{}
	var name string
	var a arrows
	list := &a.inside
	for _, line := range strings.Split(block[1], "\n") {
		words := strings.Fields(line)
		if len(words) > 0 && line[0] != ' ' {
			name, words = words[0], words[1:]
			if _, twice := all[name]; twice {
				t.Errorf("%s: %s has arrows twice", page, name)
			}
			a, list = arrows{}, &a.inside
		}
		for _, word := range words {
			switch word {
			case "outside:":
				list = &a.outside
			case "tests:":
				list = &a.tests
			case "never:":
				list = &a.never
			default:
				*list = append(*list, word)
			}
		}
		if name != "" {
			all[name] = a
		}
	}
	return all
}

// imports are those of all files, whatever system they are for. Programs of testdata, and those in examples that are
// modules of their own, are no packages of this one.
func imports(t *testing.T) map[string]arrows {
	t.Helper()
	modules := required(t)
	code, tests := map[string][]string{}, map[string][]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			_, err := os.Stat(filepath.Join(root, file, "go.mod"))
			if own := err == nil && file != "."; own || d.Name() == "testdata" || d.Name() == ".git" ||
				d.Name() == ".cache" {
				return fs.SkipDir
			}
			return nil
		case path.Ext(file) != ".go":
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		of := strings.TrimPrefix(path.Dir(file), rooms)
		into := code
		if strings.HasSuffix(file, "_test.go") {
			into = tests
		}
		into[of] = append(into[of], "") // it is a package, whatever it imports
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			// tests in a package of their own import the one beside them
			if name := nameOf(imported, modules); name != of {
				into[of] = append(into[of], name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]arrows{}
	for of := range tests {
		code[of] = append(code[of], "")
	}
	for of, list := range code {
		var a arrows
		for _, name := range distinct(list) {
			if strings.HasPrefix(name, outsideMark) || slices.Contains(watched, name) {
				a.outside = append(a.outside, strings.TrimPrefix(name, outsideMark))
			} else {
				a.inside = append(a.inside, name)
			}
		}
		for _, name := range distinct(tests[of]) {
			if !slices.Contains(code[of], name) && !slices.Contains(watched, name) {
				a.tests = append(a.tests, strings.TrimPrefix(name, outsideMark))
			}
		}
		all[of] = a
	}
	return all
}

func distinct(names []string) []string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// outsideMark begins the name of a module.
const outsideMark = "module "

// nameOf is the name that the table has for an import; "" is one that it does not name.
func nameOf(imported string, modules []string) string {
	if inside, ok := strings.CutPrefix(imported, module); ok {
		return strings.TrimPrefix(inside, rooms)
	}
	for _, m := range modules {
		if imported == m || strings.HasPrefix(imported, m+"/") {
			return outsideMark + path.Base(regexp.MustCompile(`/v\d+$`).ReplaceAllString(m, ""))
		}
	}
	switch first, _, _ := strings.Cut(imported, "/"); {
	case strings.Contains(first, "."):
		return outsideMark + imported // that go.mod does not have
	case slices.Contains(watched, imported):
		return imported
	}
	return ""
}

// required are the modules of go.mod.
func required(t *testing.T) (modules []string) {
	for _, found := range regexp.MustCompile(`(?m)^\t(\S+) v`).FindAllStringSubmatch(read(t, "go.mod"), -1) {
		modules = append(modules, found[1])
	}
	if len(modules) < 5 {
		t.Fatalf("go.mod requires %v", modules)
	}
	return modules
}

// read is a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
