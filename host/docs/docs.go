// Package docs carries what the README is too short for inside the host's binary, for `host help TOPIC`.
package docs

import (
	"embed"
	"slices"
	"strings"
)

//go:embed *.md
var pages embed.FS

// Page is the text of a topic, in Markdown. ok is false if there is no such topic.
func Page(topic string) (text string, ok bool) {
	if !slices.Contains(Topics(), topic) {
		return "", false
	}
	data, err := pages.ReadFile(topic + ".md")
	return string(data), err == nil
}

// Topics are the names of the pages, in order.
func Topics() (topics []string) {
	files, _ := pages.ReadDir(".") // a folder of the binary
	for _, f := range files {
		topics = append(topics, strings.TrimSuffix(f.Name(), ".md"))
	}
	return topics
}
