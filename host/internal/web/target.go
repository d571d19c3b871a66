// Targets of plain requests, most of which need no parsing.

package web

import (
	"net/url"
	"strings"

	"github.com/workerhost/workerhost/host/internal/http1"
)

// pathByte says which bytes are the same in a path and in its encoding, as net/url has it.
var pathByte = func() (set [256]bool) {
	for c := range set {
		set[c] = http1.TokenByte[c] && !strings.ContainsRune("!#%'*^`|", rune(c))
	}
	for _, c := range "/:@,;=" {
		set[c] = true
	}
	return set
}()

// readTarget is [url.ParseRequestURI] of a plain request's target, into u.
func readTarget(u *url.URL, target string) error {
	path, query, asks := strings.Cut(target, "?")
	for i := range len(path) {
		if !pathByte[path[i]] {
			parsed, err := url.ParseRequestURI(target)
			if err == nil {
				*u = *parsed
			}
			return err
		}
	}
	*u = url.URL{Path: path, RawQuery: query, ForceQuery: asks && query == ""}
	return nil
}
