// Paths that nobody may ask for: scripts in folders that the application writes uploads to, above all.

package fastcgi

import "strings"

// Deny are patterns of paths, such as "uploads/*.php". * stands for any characters, slashes too. A pattern that begins
// with a slash is of the whole path; any other may begin at each of its segments. They say nothing of query strings.
type Deny []string

// Matches says whether one of the patterns is that of the path, or of what stands before a slash in it: what is denied
// of a script is denied of the script with more behind it.
func (d Deny) Matches(path string) bool {
	for _, pattern := range d {
		if strings.HasPrefix(pattern, "/") {
			if matchesPrefix(pattern, path) {
				return true
			}
			continue
		}
		for i := 0; i < len(path); i++ {
			if path[i] == '/' && matchesPrefix(pattern, path[i+1:]) {
				return true
			}
		}
	}
	return false
}

// matchesPrefix says whether the pattern is that of s or of a part of s that ends before a slash. It takes as many
// steps as both are long, multiplied.
func matchesPrefix(pattern, s string) bool {
	p, at, star, resume := 0, 0, -1, 0
	for {
		if p == len(pattern) && (at == len(s) || s[at] == '/') {
			return true
		}
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, at
			p++
		case at < len(s) && p < len(pattern) && pattern[p] == s[at]:
			p, at = p+1, at+1
		case star >= 0 && resume < len(s):
			resume++
			p, at = star+1, resume
		default:
			return false
		}
	}
}
