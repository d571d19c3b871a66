// The parameters of a form's part, as PHP reads them: clients write names with brackets, slashes and blanks, quoted or
// not, and Go's grammar of media types gives none of a header's parameters if one of them is not what it should be.

package web

import "strings"

// parameters reads those of a Content-Disposition, by name in lower case. Of equal ones the last counts.
func parameters(header string) map[string]string {
	_, rest := cutWord(header) // what it calls itself does not matter
	params := make(map[string]string, 2)
	for rest != "" {
		var word string
		word, rest = cutWord(rest)
		if name, value, ok := strings.Cut(word, "="); ok {
			params[strings.ToLower(strings.TrimSpace(name))] = unquoted(strings.TrimSpace(value))
		}
	}
	return params
}

// cutWord cuts s at its first semicolon outside of quotation marks.
func cutWord(s string) (word, rest string) {
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\' && i+1 < len(s) && s[i+1] == quote:
			i++
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == ';':
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquoted is a value without its quotation marks, up to the second one, or up to the first blank if it has none. A
// backslash stands for itself, but before another one and before the quotation mark: some clients send paths as they
// are.
func unquoted(value string) string {
	quote := byte(0)
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		quote, value = value[0], value[1:]
	} else if i := strings.IndexAny(value, " \t"); i >= 0 {
		value = value[:i]
	}
	b := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case quote != 0 && c == quote:
			return string(b)
		case c == '\\' && i+1 < len(value) && (value[i+1] == '\\' || quote != 0 && value[i+1] == quote):
			i++
			c = value[i]
		}
		b = append(b, c)
	}
	return string(b)
}
