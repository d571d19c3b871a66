// documents_test.go has the tests of documents: what they name is there, and their lines fit.

package house

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const contributing = ".github/CONTRIBUTING.md"

// documents are the Markdown files of the repository.
func documents(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{".git", ".cache", "vendor", "bin", "testdata"},
			d.Name()) {
			return filepath.SkipDir
		}
		if err == nil && path.Ext(file) == ".md" {
			inside, err := filepath.Rel(root, file)
			names = append(names, filepath.ToSlash(inside))
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", page, contributing} {
		if !slices.Contains(names, name) {
			t.Fatalf("there is no %s", name)
		}
	}
	return names
}

func TestWhatTheDocumentsLinkToIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, name := range documents(t) {
		for _, found := range link.FindAllStringSubmatch(read(t, name), -1) {
			to, _, _ := strings.Cut(found[1], "#")
			if to == "" || strings.Contains(to, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, path.Dir(name), to)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, to)
			}
		}
	}
}

func TestThePathsAndTargetsThatContributorsAreToldOfAreThere(t *testing.T) {
	quoted := regexp.MustCompile("`([^`\n]+)`")
	looksLikeOne := regexp.MustCompile(
		`^(\.github|host|protocol|workers|sdk-go|sdk-php|examples)(/[\w.-]+)*$|^[A-Z]+\.md$|^Makefile$`)
	target := regexp.MustCompile(`^make ([a-z]+)`)
	targets := read(t, "Makefile")
	paths, made := 0, 0
	for _, name := range []string{page, contributing, "README.md"} {
		for _, found := range quoted.FindAllStringSubmatch(read(t, name), -1) {
			if m := target.FindStringSubmatch(found[1]); m != nil {
				if made++; !strings.Contains(targets, "\n"+m[1]+":") {
					t.Errorf("%s names `%s`, and the Makefile has no such target", name, found[0])
				}
			}
			if looksLikeOne.MatchString(found[1]) && name != "README.md" ||
				strings.HasPrefix(found[1], "host/internal/") {
				paths++
				if _, err := os.Stat(filepath.Join(root, found[1])); err != nil {
					t.Errorf("%s names %s, which is not there", name, found[1])
				}
			}
		}
	}
	if paths < 20 || made < 5 {
		t.Errorf("only %d paths and %d targets were found", paths, made)
	}
}

// Packages under e2e and examples are told of by their folders.
func TestTheArchitectureHasARoomForEveryPackage(t *testing.T) {
	rooms, _, _ := strings.Cut(read(t, page), "## The arrows")
	for name := range table(t) {
		folder := name
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			folder = "host/internal/" + name
		}
		if first, _, _ := strings.Cut(folder, "/"); first == "examples" || first == ".ci" {
			continue
		}
		if folder, _, _ = strings.Cut(folder, "/e2e/"); strings.Contains(rooms, "`"+folder+"`") ||
			strings.HasSuffix(folder, "host/internal") {
			continue
		}
		t.Errorf("%s: the table of rooms has no `%s`", page, folder)
	}
}

// The README shows the tree, a line for each folder.
func TestTheReadmeTellsTheLayoutAsItIs(t *testing.T) {
	_, layout, found := strings.Cut(read(t, "README.md"), "\n## Layout\n")
	if !found {
		t.Fatal("the README has no layout")
	}
	for _, line := range regexp.MustCompile(`(?m)^    ( *)([\w.-]+)/`).FindAllStringSubmatch(layout, -1) {
		folder := line[2]
		if line[1] != "" {
			folder = "host/" + folder
		}
		if d, err := os.Stat(filepath.Join(root, folder)); err != nil || !d.IsDir() {
			t.Errorf("the README's layout has %s, which is no folder", folder)
		}
	}
	for _, folder := range []string{"host", "docs", "internal", "protocol", "workers", "sdk-php", "sdk-go",
		"examples"} {
		if !strings.Contains(layout, " "+folder+"/") {
			t.Errorf("the README's layout lacks %s/", folder)
		}
	}
}
