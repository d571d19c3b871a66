// Command typecheck checks the types of every package, tests included, for another system: GOOS=windows go run
// ./.ci/typecheck ./... It reads what they import from source, where go vet would first compile the whole standard
// library for that system.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// listed is a package as `go list -json` has it, after all that it imports.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string
	Standard   bool
	Module     *struct {
		Main      bool
		GoVersion string
	}
}

func main() {
	system := os.Getenv("GOOS")
	wrong, err := check(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "typecheck for %s: %v\n", system, err)
		os.Exit(2)
	}
	for _, err := range wrong {
		fmt.Println(err)
	}
	if len(wrong) > 0 {
		os.Exit(1)
	}
}

// check returns what is wrong with the types of the packages that match.
func check(patterns []string) (wrong []error, err error) {
	list := exec.Command("go", append([]string{"list", "-deps", "-test",
		"-json=ImportPath,Dir,GoFiles,ImportMap,Standard,Module"}, patterns...)...)
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := list.Start(); err != nil {
		return nil, err
	}
	arch, err := exec.Command("go", "env", "GOARCH").Output()
	if err != nil {
		return nil, err
	}
	files, sizes := token.NewFileSet(), types.SizesFor("gc", strings.TrimSpace(string(arch)))
	done := map[string]*types.Package{"unsafe": types.Unsafe}
	for packages := json.NewDecoder(out); ; {
		var p listed
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			return wrong, list.Wait()
		} else if err != nil {
			return nil, err
		}
		// the latter's file is made up by go test
		if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") {
			continue
		}
		ours := p.Module != nil && p.Module.Main
		settings := types.Config{
			Importer:         importer{p.ImportMap, done},
			Sizes:            sizes,
			IgnoreFuncBodies: !ours,
			Error: func(err error) {
				if ours {
					wrong = append(wrong, err)
				}
			},
		}
		if p.Module != nil && p.Module.GoVersion != "" {
			settings.GoVersion = "go" + p.Module.GoVersion
		}
		parsed, err := parse(files, p)
		if err != nil {
			return nil, err
		}
		path, _, _ := strings.Cut(p.ImportPath, " ") // "p [p.test]" is p with its tests
		done[p.ImportPath], _ = settings.Check(path, files, parsed, nil)
	}
}

func parse(files *token.FileSet, p listed) (parsed []*ast.File, err error) {
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, f)
	}
	return parsed, nil
}

// importer finds what was checked before: go list puts a package after its imports.
type importer struct {
	names map[string]string // as the source writes them, where that differs: vendored, or with tests
	done  map[string]*types.Package
}

func (i importer) Import(path string) (*types.Package, error) {
	if name, ok := i.names[path]; ok {
		path = name
	}
	if p := i.done[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s is not listed", path)
}
