// kind.go: when two faults are one to a person.

package faults

import (
	"regexp"
	"strings"
)

// places are how PHP and Go say where something is: "in /app/x.php:12", "in /app/x.php on line 12".
var places = regexp.MustCompile(`\bin (\S+?\.\w+)(?::| on line )(\d+)`)

// placeOf is the first place in a text, as file:line; "" is none.
func placeOf(text string) string {
	found := places.FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1] + ":" + found[2]
}

// changing is what differs between messages that say the same: numbers, ids, what stands in quotes.
var changing = regexp.MustCompile(`"[^"]*"|'[^']*'|\b[0-9a-fA-F-]{8,}\b|\d+`)

const longestKind = 200

// kindOf is a fault's: with a place that and what was thrown there, since messages carry data; otherwise its message
// without what changes, and what was asked for where there is none.
func kindOf(f *Fault) kind {
	text := f.Place
	if text != "" {
		class, _, _ := strings.Cut(f.Message, ":")
		return kind{f.Pool, f.What, class + " " + text}
	}
	if text = f.Message; text == "" {
		name, _, _ := strings.Cut(f.Name, "?")
		text = name
	}
	text = text[:min(len(text), 4*longestKind)]
	text = changing.ReplaceAllString(text, "…")
	return kind{f.Pool, f.What, text[:min(len(text), longestKind)]}
}

// Like says whether an answer fails as the fault did.
func (f *Fault) Like(a *Answer) bool {
	now := &Fault{Pool: f.Pool, What: a.What, Message: a.Message, Place: placeOf(a.Message), Name: f.Name}
	return a.What != "" && kindOf(now) == kindOf(f)
}
