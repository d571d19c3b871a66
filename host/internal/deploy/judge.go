// judge.go is the rule for what may come into a release.

package deploy

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

const (
	longestName   = 4096 // bytes of a path below the release
	longestTarget = 4096 // and of a symlink's target
)

// judge says whether a name is that of something in a release, and gives it as it is known here: "a/b". The release
// itself is ".".
func judge(name string) (clean string, err error) {
	fail := func(why string) (string, error) { return "", fmt.Errorf("the name %.100q %s", name, why) }
	switch {
	case name == "":
		return fail("is none")
	case len(name) > longestName:
		return fail("is too long")
	case strings.ContainsAny(name, "\x00\n\r"):
		return fail("holds a byte that no name should")
	case strings.Contains(name, `\`):
		return fail(`holds a \: pack it with / between folders`)
	case strings.HasPrefix(name, "/"):
		return fail("is absolute")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return fail("leads out with ..")
		}
	}
	if clean = path.Clean(name); !filepath.IsLocal(clean) {
		return fail("leads out of the release")
	}
	return clean, nil
}

// judgeLink says whether a symlink of this name, in a folder that is no symlink's, stays in the release. Only at its
// beginning may a target have "..": behind another symlink, one would lead where nobody can see from here.
func judgeLink(name, target string) error {
	fail := func(why string) error {
		return fmt.Errorf("the symlink %.100q leads to %.100q, which %s", name, target, why)
	}
	switch {
	case target == "":
		return fail("is nowhere")
	case len(target) > longestTarget:
		return fail("is too long")
	case strings.ContainsAny(target, "\x00\\"):
		return fail("holds a byte that no name should")
	case strings.HasPrefix(target, "/"):
		return fail("is absolute: have it lead there by .., or list it as shared")
	}
	depth := strings.Count(name, "/")
	up, down := 0, false
	for part := range strings.SplitSeq(target, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			down = true
		case down:
			return fail("turns back with .. behind a name")
		default:
			if up++; up > depth {
				return fail("is outside of the release")
			}
		}
	}
	return nil
}

// errTooMuch is for what is larger than a release may be.
var errTooMuch = errors.New("is larger than a release may be")
