// toml.go reads TOML, and says of a mistake what was probably meant: who writes the file may know other formats
// better.

package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// parseDocument reads TOML. Nothing can be said of the keys of a document with a syntax error, so that stands alone.
func parseDocument(path string, data []byte) (map[string]any, error) {
	var document map[string]any
	data = trimMark(data)
	err := toml.Unmarshal(data, &document)
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, _ := wrong.Position()
		text := "not TOML: " + strings.TrimPrefix(wrong.Error(), "toml: ")
		if meant := likelyMeant(data, line); meant != "" {
			text += ": " + meant
		}
		return nil, Problems{{Path: path, Line: line, Text: text}}
	}
	if err != nil {
		return nil, Problems{{Path: path, Text: "not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}}
	}
	return document, nil
}

// trimMark drops the byte-order mark that some editors put first.
func trimMark(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }

var (
	assignment = regexp.MustCompile(`^\s*([\w.-]+)\s*=\s*(.*?)\s*$`)
	comment    = regexp.MustCompile(`\s+#.*$`)
	quotedText = regexp.MustCompile(`"([^"\\]|\\.)*"|'[^']*'`)
	otherWay   = regexp.MustCompile(`^\s*([\w.-]+)\s*[: ]\s*([^:={}\s].*?)\s*$`)
)

// likelyMeant guesses from the line that is no TOML what should stand there; "" if it can't.
func likelyMeant(data []byte, line int) string {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return ""
	}
	text := string(bytes.TrimSuffix(lines[line-1], []byte("\r")))
	start := strings.TrimSpace(text)
	switch {
	case bytes.IndexByte(data, 0) >= 0:
		return "the file is not UTF-8: save it as that"
	case strings.HasPrefix(start, "//") || strings.HasPrefix(start, ";") || strings.HasPrefix(start, "--"):
		return "a comment begins with #"
	case strings.ContainsAny(text, "“”„‘’"):
		return `write straight quotes, " or '`
	}
	if given := assignment.FindStringSubmatch(text); given != nil {
		return meantValue(given[1], given[2])
	}
	if given := otherWay.FindStringSubmatch(text); given != nil && !strings.HasPrefix(start, "[") {
		return fmt.Sprintf("write %s = %s", given[1], inQuotes(given[2]))
	}
	return ""
}

func meantValue(key, value string) string {
	bare := comment.ReplaceAllString(value, "")
	switch {
	case bare == "" || strings.HasPrefix(bare, "#"):
		return "there is no value after " + key + " ="
	case slices.Contains([]string{"yes", "no", "on", "off", "True", "False", "TRUE", "FALSE"}, bare):
		return fmt.Sprintf("write true or false; text stands between quotes: %q", bare)
	case strings.Contains(quotedText.ReplaceAllString(bare, ""), "${"):
		variable := "${NAME}"
		if at := strings.Index(bare, "${"); strings.Contains(bare[at:], "}") {
			variable = bare[at : at+strings.Index(bare[at:], "}")+1]
		}
		if strings.HasPrefix(bare, variable) && len(bare) == len(variable) {
			return fmt.Sprintf("a variable stands between quotes, also in place of a number: write %s = %q", key, bare)
		}
		return fmt.Sprintf("a variable stands between quotes, also in place of a number: write %q", variable)
	case strings.ContainsRune(`"'`, rune(bare[0])) && strings.Count(bare, bare[:1]) == 1:
		return "the closing quote is missing"
	case bare[0] == '"' && strings.Contains(bare, `\`):
		return `a backslash is written \\, or the text between single quotes, in which it is one`
	case strings.ContainsRune(`"'[{`, rune(bare[0])):
		return ""
	}
	var valid map[string]any
	if toml.Unmarshal([]byte("value = "+bare), &valid) == nil {
		return "" // it is something else
	}
	return fmt.Sprintf("text stands between quotes: write %s = %s", key, inQuotes(bare))
}

// inQuotes is text as TOML has it, unless it has quotes already.
func inQuotes(text string) string {
	if strings.ContainsRune(`"'[{`, rune(text[0])) {
		return text
	}
	return fmt.Sprintf("%q", text)
}
