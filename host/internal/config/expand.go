// expand.go replaces ${NAME} in the strings of the file. It works on values that the TOML parser has already read, so
// nothing in a variable can add a key or close a quote, and what a variable holds is never expanded again.

package config

import (
	"errors"
	"fmt"
	"strings"
)

// expand replaces ${NAME} and ${NAME:-default}, and $$ by a dollar. As in a shell, the default also stands in for a
// variable that is empty. The second result says whether there was any variable.
func expand(s string, env func(string) (string, bool)) (string, bool, error) {
	if !strings.Contains(s, "$") {
		return s, false, nil
	}
	var out strings.Builder
	expanded := false
	for {
		text, rest, found := strings.Cut(s, "$")
		out.WriteString(text)
		switch {
		case !found:
			return out.String(), expanded, nil
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			s = rest[1:]
		case strings.HasPrefix(rest, "{"):
			body, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return "", false, fmt.Errorf("%q has no closing }", "$"+rest)
			}
			value, err := variable(body, env)
			if err != nil {
				return "", false, err
			}
			out.WriteString(value)
			expanded = true
			s = after
		default:
			return "", false, errors.New("a lone $: write $$ for a dollar, or ${NAME} for a variable")
		}
	}
}

// variable evaluates what stands between the braces.
func variable(body string, env func(string) (string, bool)) (string, error) {
	name := body[:nameLength(body)]
	fallback, hasFallback := strings.CutPrefix(body[len(name):], ":-")
	if name == "" || !hasFallback && len(name) != len(body) {
		return "", fmt.Errorf("%q is not understood: write ${NAME} or ${NAME:-default}", "${"+body+"}")
	}
	if strings.Contains(fallback, "$") {
		return "", fmt.Errorf("the default in %q holds a $: a default is plain text", "${"+body+"}")
	}
	value, set := env(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("the environment variable %s is not set: set it, or write ${%s:-default}", name, name)
	}
	return value, nil
}

// nameLength counts the bytes at the start of s that can be a variable's name.
func nameLength(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}
