// Package redact takes secrets out of text that is kept or shown: what the headers and the query parameters hold that
// carry them, and passwords in URLs. It goes by names, so that what is secret under another name stays.
package redact

import (
	"regexp"
	"strings"
)

// Mask stands for what was taken out.
const Mask = "***"

const (
	// always are names whose values are secret wherever they stand, as in a program's arguments.
	always = `access_token|password|secret|token|jwt`
	// inQueries are those that mean something else elsewhere, as in "exit code=3".
	inQueries = `authorization|signature|code|key|sid`
)

var (
	headers = regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)("?\s*:\s*)[^\r\n]+`)
	pairs   = regexp.MustCompile(`(?i)(?:(^|[?&;\s"'(,-])(` + always + `)|([?&])(` + inQueries +
		`))(=)("[^"\r\n]*"|'[^'\r\n]*'|[^\s&;"'),]+)`)
	userinfo = regexp.MustCompile(`\b([A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*):[^\s/@]+@`)
	secret   = regexp.MustCompile(`(?i)^(` + always + `|` + inQueries + `)$`)
)

// Text is text without the secrets that can be found in it. It is safe for concurrent use.
func Text(text string) string {
	if !strings.ContainsAny(text, ":=") {
		return text
	}
	text = headers.ReplaceAllString(text, "${1}${2}"+Mask)
	text = pairs.ReplaceAllString(text, "${1}${2}${3}${4}${5}"+Mask)
	return userinfo.ReplaceAllString(text, "${1}:"+Mask+"@")
}

// Secret says whether a query parameter of that name carries a secret.
func Secret(name string) bool { return secret.MatchString(name) }
