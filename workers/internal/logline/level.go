// level.go finds the level that a line names, in each of the ways that loggers have for it.

package logline

import (
	"bytes"
	"log/slog"
)

// maxPlace is how far from the beginning of a line its level may stand, but for an object of JSON.
const maxPlace = 128

// phrases are what PHP and Go begin with what should not drown among the rest.
var phrases = []struct {
	text  string
	level slog.Level
}{
	{"Warning: ", slog.LevelWarn}, {"Deprecated: ", slog.LevelWarn}, {"Notice: ", slog.LevelWarn},
	{"Fatal error: ", slog.LevelError}, {"Parse error: ", slog.LevelError},
	{"Recoverable fatal error: ", slog.LevelError}, {"panic: ", slog.LevelError}, {"fatal error: ", slog.LevelError},
}

// levelOf is the level of a line, and what stands behind a phrase of PHP's.
func levelOf(line []byte) (level slog.Level, rest []byte) {
	if len(line) > 1 && line[0] == '{' {
		return ofObject(line), nil
	}
	text := afterDate(line)
	dated := len(text) < len(line)
	text = bytes.TrimPrefix(text, []byte("PHP "))
	if len(text) == 0 {
		return slog.LevelInfo, nil
	}
	for i := range phrases {
		p := &phrases[i]
		if text[0] == p.text[0] && len(text) >= len(p.text) && string(text[:len(p.text)]) == p.text {
			return p.level, bytes.TrimLeft(text[len(p.text):], " ")
		}
	}
	return ofWord(text[:min(len(text), maxPlace)], dated), nil
}

// ofWord is the level that text, behind its date if it has one, begins with: [critical] of Symfony's logger, ERROR: or
// app.ERROR: of Monolog's, level=ERROR of slog's, and behind a date ERROR alone.
func ofWord(text []byte, dated bool) slog.Level {
	if text[0] == '[' {
		if end := bytes.IndexByte(text, ']'); end > 0 {
			return named(text[1:end])
		}
		return slog.LevelInfo
	}
	if field := fieldOf(text); field != nil {
		return named(field)
	}
	end := bytes.IndexByte(text, ' ')
	if end < 0 {
		end = len(text)
	}
	word := text[:end]
	switch {
	case len(word) > 1 && word[len(word)-1] == ':':
		word = word[bytes.LastIndexByte(word, '.')+1 : len(word)-1]
	case !dated:
		return slog.LevelInfo
	}
	if !upper(word) { // "error: 3 rows" may be anybody's prose
		return slog.LevelInfo
	}
	return named(word)
}

// fieldOf is the value of level=, which begins the text or comes behind the time; nil if there is none.
func fieldOf(text []byte) []byte {
	key := []byte("level=")
	switch {
	case bytes.HasPrefix(text, key):
		text = text[len(key):]
	case bytes.HasPrefix(text, []byte("time=")) || bytes.HasPrefix(text, []byte("ts=")):
		text, _, _ = bytes.Cut(text, []byte(" msg=")) // what comes next may say anything
		i := bytes.Index(text, []byte(" level="))
		if i < 0 {
			return nil
		}
		text = text[i+1+len(key):]
	default:
		return nil
	}
	if end := bytes.IndexByte(text, ' '); end >= 0 {
		text = text[:end]
	}
	return bytes.Trim(text, `"`)
}

// afterDate is what stands behind the dates and times that a line begins with: [2026-11-28 05:12:19] or
// [28-Nov-2026 05:12:19 UTC], 2026/11/28 05:12:19, 2026-11-28T05:12:19.123+00:00.
func afterDate(line []byte) []byte {
	if len(line) > 2 && line[0] == '[' && digits(line[1:2]) == 1 {
		if end := bytes.Index(line[:min(len(line), maxPlace)], []byte("] ")); end > 0 {
			return line[end+2:]
		}
		return line
	}
	for range 2 { // a date, and a time
		n := 0
		for n < len(line) && dateByte[line[n]] {
			n++
		}
		if n < 8 || n == len(line) || line[n] != ' ' || digits(line[:1]) == 0 {
			break
		}
		line = line[n+1:]
	}
	return line
}

// dateByte has what dates and times consist of.
var dateByte = func() (table [256]bool) {
	for _, b := range []byte("0123456789-/:.,+TZ") {
		table[b] = true
	}
	return table
}()

// ofObject is the level of an object in JSON, by the keys that loggers have for it.
func ofObject(line []byte) slog.Level {
	depth := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return slog.LevelInfo
			}
		case '"':
			end := endOfString(line, i+1)
			if end < 0 {
				return slog.LevelInfo
			}
			key := line[i+1 : end]
			i = end
			if depth != 1 {
				continue
			}
			switch string(key) {
			case "level", "level_name", "severity":
				if value := valueOf(line[end+1:]); value != nil {
					return named(value)
				}
			}
		}
	}
	return slog.LevelInfo
}

// valueOf is the string that comes behind a key; nil if something else does.
func valueOf(text []byte) []byte {
	text = bytes.TrimLeft(text, " \t")
	if len(text) == 0 || text[0] != ':' {
		return nil
	}
	if text = bytes.TrimLeft(text[1:], " \t"); len(text) == 0 || text[0] != '"' {
		return nil
	}
	end := endOfString(text, 1)
	if end < 0 {
		return nil
	}
	return text[1:end]
}

// endOfString is where the string of JSON ends whose text begins at i; -1 if it does not.
func endOfString(line []byte, i int) int {
	for ; i < len(line); i++ {
		switch line[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// named is the level of that name, in any case; slog's ERROR+2 is one of ERROR.
func named(name []byte) slog.Level {
	if i := bytes.IndexAny(name, "+-"); i > 0 {
		name = name[:i]
	}
	var lower [len("emergency")]byte
	if len(name) > len(lower) {
		return slog.LevelInfo
	}
	for i, c := range name {
		lower[i] = c | 0x20
	}
	switch string(lower[:len(name)]) {
	case "error", "err", "critical", "crit", "alert", "emergency", "emerg", "fatal", "panic", "dpanic":
		return slog.LevelError
	case "warning", "warn":
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// upper says that a word consists of capital letters.
func upper(word []byte) bool {
	for _, c := range word {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return len(word) > 0
}
