package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// reference is the README's table of keys.
func reference() string {
	var b strings.Builder
	section := "?"
	for _, k := range Keys() {
		if k.Section != section {
			section = k.Section
			title := section
			if title == "" {
				title = "top of the file"
			}
			fmt.Fprintf(&b, "\n| `%s` | default | |\n|---|---|---|\n", title)
		}
		fmt.Fprintf(&b, "| `%s` (%s) | %s | %s |\n", k.Key, k.Type, k.Default, k.Meaning)
	}
	return b.String()
}

func TestReadmeDocumentsEveryKey(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(reference(), "\n") {
		if !strings.Contains(string(readme), line) {
			t.Errorf("README.md lacks this line; the whole table as it should be:\n%s", reference())
			return
		}
	}
}
