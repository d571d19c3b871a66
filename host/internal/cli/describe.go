// describe.go: settings in words, for host check and whoever tells of them.

package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
)

// describeTLS says what clients are shown, and have to show.
func describeTLS(s *config.TLS) string {
	if s.Local {
		return "TLS with a certificate for localhost, signed by itself"
	}
	var pairs []string
	if s.Auto {
		pairs = append(pairs, "certificates by ACME")
	}
	for _, files := range s.Pairs() {
		pairs = append(pairs, fmt.Sprintf("%s and %s", files.Certificate, files.Key))
	}
	text := "TLS with " + strings.Join(pairs, ", ")
	switch {
	case s.ClientCA != "" && s.Require:
		text += "; clients need a certificate of " + s.ClientCA
	case s.ClientCA != "":
		text += "; clients may show a certificate of " + s.ClientCA
	}
	return text
}

func describeDirectory(p *config.Pool) string {
	dir := p.Directory
	resolved, err := filepath.EvalSymlinks(dir)
	switch {
	case err == nil && resolved != dir:
		return dir + " → " + resolved
	case p.Kind == config.GoPackage:
		return dir
	default:
		return dir + " (unpinned: no symlink that a deploy could move)"
	}
}

// describeParking says what a reload leaves beside the new workers, and how much memory that is, as far as it is
// known.
func describeParking(p *config.Pool) string {
	_, most := p.Span()
	if p.Kind == config.FPM {
		return fmt.Sprintf("a php-fpm of %d children stays for %s after each reload, with its memory", p.Workers,
			tomlDuration(p.Park))
	}
	if p.ParkWorkers > 0 {
		most = min(most, p.ParkWorkers)
	}
	text := fmt.Sprintf("up to %s for %s after each reload, with their memory", Counted(most, "worker"),
		tomlDuration(p.Park))
	if p.MaxMemory > 0 {
		text += fmt.Sprintf(": at max_memory %s in all", config.Size(most)*p.MaxMemory)
	}
	return text
}

// wrapCommand writes a command line that a shell would read back, one php setting a line.
func wrapCommand(command []string) string {
	var text strings.Builder
	for i, word := range command {
		switch {
		case i == 0:
		case word == "-d" && i+1 < len(command), i > 1 && command[i-2] == "-d":
			text.WriteString(" \\\n      ")
		default:
			text.WriteByte(' ')
		}
		text.WriteString(QuoteWord(word))
	}
	return text.String()
}

// QuoteWord writes a word as a shell reads it back.
func QuoteWord(word string) string {
	if word != "" &&
		strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,+@%") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// shownAlready are keys that have lines of their own.
var shownAlready = []string{"command", "worker", "directory", "php", "fpm", "fastcgi", "root"}

// showSettings writes every key of a table, defaults too, which are faint.
func showSettings(t *Terminal, settings any) {
	list := table{indent: "  "}
	v := reflect.ValueOf(settings)
	for _, f := range reflect.VisibleFields(v.Type()) {
		key := f.Tag.Get("key")
		if key == "" || f.Tag.Get("means") == "" || slices.Contains(shownAlready, key) {
			continue
		}
		value, set := DescribeField(f, v.FieldByIndex(f.Index).Interface())
		c := cell{text: value}
		if !set || value == f.Tag.Get("default") {
			c.paint = t.Faint
		}
		list.add(cell{text: key}, c)
	}
	list.write(t.Out)
}

// DescribeField writes a value for people. set is false for one that is absent.
func DescribeField(f reflect.StructField, value any) (text string, set bool) {
	if n, number := value.(int); number && n == 0 && f.Tag.Get("key") == "workers" {
		return "as many as there is work for", false
	}
	if n, number := value.(int); number && n == 0 && f.Tag.Get("key") == "park_workers" {
		return f.Tag.Get("absent"), false
	}
	if text, set = describeValue(value); !set {
		text = f.Tag.Get("absent")
	}
	return text, set
}

// describeValue writes a value as the file has it. set is false for one that is absent.
func describeValue(value any) (text string, set bool) {
	switch v := value.(type) {
	case string:
		return v, v != ""
	case int:
		return strconv.Itoa(v), true
	case *int:
		if v == nil {
			return "", false
		}
		return strconv.Itoa(*v), true
	case *time.Duration:
		if v == nil {
			return "", false
		}
		return tomlDuration(*v), true
	case *bool:
		if v == nil {
			return "", false
		}
		return strconv.FormatBool(*v), true
	case *config.Share:
		if v == nil {
			return "", false
		}
		return v.String(), true
	case config.Payload:
		if v.Value == nil {
			return "", false
		}
		text, _ := json.Marshal(v.Value)
		return string(text), true
	case *config.Size:
		if v == nil {
			return "", false
		}
		return v.String(), true
	case *config.Compression:
		if v == nil {
			return "", false
		}
		return v.String(), true
	case *config.Cache:
		if v == nil {
			return "", false
		}
		return v.String(), true
	case time.Duration:
		return tomlDuration(v), true
	case fmt.Stringer:
		return v.String(), true
	case config.Words:
		return strings.Join(v, ", "), len(v) > 0
	case []string:
		return strings.Join(v, ", "), len(v) > 0
	case map[string]string:
		return pairs(v), len(v) > 0
	case config.Settings:
		return pairs(v), len(v) > 0
	}
	return fmt.Sprint(value), true
}

// pairs shows names only: values of an environment may be secret.
func pairs(m map[string]string) string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// tomlDuration writes 120s and 1m30s as config reads them.
func tomlDuration(d time.Duration) string {
	if d%time.Second == 0 && d < 10*time.Minute {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return config.FormatDuration(d)
}
