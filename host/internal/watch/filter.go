// filter.go: which files are code. A program writes files of its own beside its code, and to reload for these would
// never end.

package watch

import (
	"path/filepath"
	"slices"
	"strings"
)

// Filter says which files count.
type Filter struct {
	// Go leaves out tests, and takes folders at the top whose names would be those of caches in a PHP project.
	Go bool
	// Names count whatever their extension: programs that are built anew.
	Names []string
	// PHP has .php files count alone, those of installed packages too, but not what these have for their own tests.
	PHP bool
	// Except, if not nil, says of a file that it does not count after all.
	Except func(path string) bool
}

// extensions are those of code, templates, translations and settings.
var extensions = []string{
	".php", ".phtml", ".inc", ".go", ".mod", ".sum",
	".twig", ".latte", ".tpl", ".mustache", ".html", ".tmpl", ".gohtml",
	".yaml", ".yml", ".json", ".xml", ".ini", ".neon", ".toml", ".lock",
	".xlf", ".xliff", ".po", ".mo", ".sql", ".graphql",
	".py", ".rb", ".js", ".mjs", ".ts",
}

// written are folders at the top of a PHP project that hold what it writes itself.
var written = []string{"var", "storage", "cache", "tmp", "temp", "log", "logs", "bootstrap/cache"}

// unfit are folders of packages in which files are broken on purpose, or written for another PHP.
var unfit = []string{"test", "tests", "fixture", "fixtures", "stub", "stubs"}

// file says whether a file counts. path is relative to the folder that is watched.
func (f Filter) file(path string) bool {
	name := filepath.Base(path)
	switch {
	case f.Except != nil && f.Except(path):
		return false
	case f.PHP:
		return strings.EqualFold(filepath.Ext(name), ".php") && !strings.HasPrefix(name, ".")
	case slices.Contains(f.Names, name):
		return true
	case strings.HasPrefix(name, ".env"):
		return !strings.HasSuffix(name, ".swp") && !strings.HasSuffix(name, "~")
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "#"): // what editors write beside a file
		return false
	case f.Go && strings.HasSuffix(name, "_test.go"):
		return false
	}
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

// folder says whether a folder is looked into. path is relative to the folder that is watched; "." is that one itself.
func (f Filter) folder(path string) bool {
	parts := strings.Split(filepath.ToSlash(path), "/")
	for i, part := range parts {
		switch {
		case part == "node_modules", part != "." && strings.HasPrefix(part, "."):
			return false
		case f.PHP:
			if slices.Contains(parts[:i], "vendor") && slices.Contains(unfit, strings.ToLower(part)) {
				return false
			}
		case i > 0 && parts[i-1] == "vendor" && part != "composer":
			return false // but Composer writes into its own folder when it has installed something
		case i > 1 && parts[i-2] == "vendor":
			return false
		}
	}
	if f.Go {
		return true
	}
	return !slices.Contains(written, parts[0]) && !(len(parts) > 1 && slices.Contains(written, parts[0]+"/"+parts[1]))
}

// rootsOf resolves the folders, and drops those that lie in another one.
func rootsOf(folders []string) []string {
	var all []string
	for _, folder := range folders {
		if resolved, err := filepath.EvalSymlinks(folder); err == nil {
			folder = resolved
		}
		all = append(all, filepath.Clean(folder))
	}
	slices.Sort(all)
	all = slices.Compact(all)
	var roots []string
	for _, folder := range all {
		if !slices.ContainsFunc(roots, func(root string) bool { return inside(root, folder) }) {
			roots = append(roots, folder)
		}
	}
	return roots
}

// Resolve gives a file the name by which Run tells of it: its folder without symlinks.
func Resolve(file string) string {
	if folder, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
		return filepath.Join(folder, filepath.Base(file))
	}
	return filepath.Clean(file)
}

func inside(root, path string) bool {
	relative, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(relative)
}
