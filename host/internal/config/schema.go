// schema.go reads the tags of config.go: defaults, bounds, and the reference of all keys.

package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// KeyDoc is one line of the configuration reference.
type KeyDoc struct {
	Section string // "" for the top of the file, "[http]", "[[listen]]", "[pool.NAME]"
	Key     string // "max_body", "tls.certificate"
	Type    string // "duration", "one of \"text\" or \"json\""
	Default string // as written in the file, or in words
	Meaning string
}

// Keys lists every key that the decoder accepts, in the order of the schema. It is made from the tags that the decoder
// itself uses, so it can't disagree with it.
func Keys() []KeyDoc {
	var docs []KeyDoc
	docs = append(docs, keysOf("", "", Config{})...)
	docs = append(docs, keysOf("[control]", "", Remote{})...)
	docs = append(docs, keysOf("[control.tokens.NAME]", "", Token{})...)
	docs = append(docs, keysOf("[log]", "", Log{})...)
	docs = append(docs, keysOf("[admin]", "", Admin{})...)
	docs = append(docs, keysOf("[faults]", "", Faults{})...)
	docs = append(docs, keysOf("[engine]", "", Engine{})...)
	docs = append(docs, keysOf("[cluster]", "", Cluster{})...)
	docs = append(docs, keysOf("[store.NAME]", "", Store{})...)
	docs = append(docs, keysOf("[acme]", "", ACME{})...)
	docs = append(docs, keysOf("[tracing]", "", Tracing{})...)
	docs = append(docs, keysOf("[reload]", "", Reloading{})...)
	docs = append(docs, keysOf("[deploy]", "", Deploy{})...)
	docs = append(docs, keysOf("[[listen]]", "", Listen{})...)
	docs = append(docs, keysOf("[[route]]", "", Route{})...)
	docs = append(docs, keysOf("[[dial]]", "", Dial{})...)
	docs = append(docs, keysOf("[pusher.NAME]", "", Pusher{})...)
	docs = append(docs, keysOf("[channel.NAME]", "", Channel{})...)
	docs = append(docs, keysOf("[http]", "", HTTP{})...)
	docs = append(docs, keysOf("[pool.NAME]", "", Pool{})...)
	docs = append(docs, keysOf("[pool.NAME.reload]", "", Gates{})...)
	docs = append(docs, keysOf("[pool.NAME.deploy]", "", Deploy{})...)
	docs = append(docs, keysOf("[pool.NAME.fetch]", "", Fetch{})...)
	docs = append(docs, keysOf("[pool.NAME.fetch.secrets.NAME]", "", FetchSecret{})...)
	docs = append(docs, keysOf("[service.NAME]", "", Service{})...)
	docs = append(docs, keysOf("[[cron]]", "", Cron{})...)
	docs = append(docs, keysOf("[queue.NAME]", "", Queue{})...)
	return docs
}

func keysOf(section, prefix string, table any) []KeyDoc {
	var docs []KeyDoc
	for _, f := range reflect.VisibleFields(reflect.TypeOf(table)) {
		key := f.Tag.Get("key")
		switch {
		case key == "":
		case f.Type == reflect.TypeFor[*TLS]():
			docs = append(docs, keysOf(section, key+".", TLS{})...)
		case f.Type == reflect.TypeFor[RateLimit](), f.Type == reflect.TypeFor[*RateLimit]():
			docs = append(docs, keysOf(section, key+".", RateLimit{})...)
		case f.Type == reflect.TypeFor[*EAB]():
			docs = append(docs, keysOf(section, key+".", EAB{})...)
		case f.Type == reflect.TypeFor[*DNS]():
			docs = append(docs, keysOf(section, key+".", DNS{})...)
		case f.Type == reflect.TypeFor[*Auth]():
			docs = append(docs, keysOf(section, key+".", Auth{})...)
		case f.Type == reflect.TypeFor[*Cors]():
			docs = append(docs, keysOf(section, key+".", Cors{})...)
		case f.Type == reflect.TypeFor[Rlimits]():
			docs = append(docs, keysOf(section, key+".", Rlimits{})...)
		case f.Type == reflect.TypeFor[Canary]():
			docs = append(docs, keysOf(section, key+".", Canary{})...)
		case f.Type == reflect.TypeFor[*Confine]():
			docs = append(docs, keysOf(section, key+".", Confine{})...)
		case f.Tag.Get("means") != "": // the others are tables, which have a section of their own
			docs = append(docs, KeyDoc{
				Section: section,
				Key:     prefix + key,
				Type:    typeName(f),
				Default: defaultText(f),
				Meaning: f.Tag.Get("means"),
			})
			if f.Type == reflect.TypeFor[*Cache]() {
				docs = append(docs, keysOf(section, key+".", Cache{})...)
			}
			if f.Type == reflect.TypeFor[Compression]() { // a route's has the same keys
				docs = append(docs, keysOf(section, key+".", Compression{})...)
			}
		}
	}
	return docs
}

func typeName(f reflect.StructField) string {
	if values := f.Tag.Get("holds"); values != "" {
		return values
	}
	if words := strings.Fields(f.Tag.Get("oneof")); len(words) > 0 {
		return oneOf(words)
	}
	switch f.Type {
	case reflect.TypeFor[int](), reflect.TypeFor[*int]():
		return "whole number"
	case reflect.TypeFor[bool](), reflect.TypeFor[*bool]():
		return "true or false"
	case reflect.TypeFor[*Share]():
		return "number from 0 to 1"
	case reflect.TypeFor[Size](), reflect.TypeFor[*Size]():
		return "size"
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[*time.Duration]():
		return "duration"
	case reflect.TypeFor[[]string]():
		return "array of strings"
	case reflect.TypeFor[Commands]():
		return "array of arrays of strings"
	case reflect.TypeFor[map[string]string]():
		return "table of strings"
	case reflect.TypeFor[Settings]():
		return "table of strings, numbers and truth values"
	}
	return "string"
}

func defaultText(f reflect.StructField) string {
	value, literal := f.Tag.Lookup("default")
	switch {
	case !literal:
		return f.Tag.Get("absent")
	case f.Type == reflect.TypeFor[int](), f.Type == reflect.TypeFor[bool]():
		return value
	}
	return strconv.Quote(value)
}

// setDefaults fills the fields that have a default tag. A tag that can't be read is a mistake of this package.
func setDefaults(table any) {
	v := reflect.ValueOf(table).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		text, ok := f.Tag.Lookup("default")
		if !ok {
			continue
		}
		var err error
		switch field := v.FieldByIndex(f.Index).Addr().Interface().(type) {
		case *string:
			*field = text
		case *int:
			*field, err = strconv.Atoi(text)
		case *bool:
			*field, err = strconv.ParseBool(text)
		case *Size:
			*field, err = ParseSize(text)
		case *time.Duration:
			*field, err = parseDuration(text)
		default:
			err = fmt.Errorf("no default for a %T", field)
		}
		if err != nil {
			panic(fmt.Sprintf("config: the default of %s: %v", f.Tag.Get("key"), err))
		}
	}
}

// limit reads a bound of a tag; an absent one is as far away as the type allows.
func limit[T ~int64](tag reflect.StructTag, name string, parse func(string) (T, error)) T {
	text, ok := tag.Lookup(name)
	if !ok && name == "min" {
		return math.MinInt64
	}
	if !ok {
		return math.MaxInt64
	}
	bound, err := parse(text)
	if err != nil {
		panic(fmt.Sprintf("config: the %s of %s: %v", name, tag.Get("key"), err))
	}
	return bound
}

func parseInt(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

// bounds writes the limits for people: " of at least 1", " from 1 to 100".
func bounds(tag reflect.StructTag) string {
	low, hasLow := tag.Lookup("min")
	high, hasHigh := tag.Lookup("max")
	switch {
	case hasLow && hasHigh:
		return " from " + low + " to " + high
	case hasLow:
		return " of at least " + low
	}
	return ""
}

// oneOf writes: "a" or "b"; one of "a", "b" or "c".
func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	last := len(quoted) - 1
	switch last {
	case 0:
		return quoted[0]
	case 1:
		return quoted[0] + " or " + quoted[1]
	}
	return "one of " + strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// label writes a place as it looks in the file: "[pool.web] workers", "[[listen]] tls.key".
func label(at string) string {
	parts := strings.SplitN(at, ".", 3)
	section, rest := "", parts[1:]
	switch parts[0] {
	case "listen", "route", "cron", "dial":
		section = "[[" + parts[0] + "]]"
		rest = rest[min(1, len(rest)):]
	case "pool", "service", "pusher", "store":
		if section = "[" + parts[0] + "]"; len(rest) > 0 {
			section, rest = "["+parts[0]+"."+rest[0]+"]", rest[1:]
		}
	case "queue":
		if len(rest) > 0 {
			return queueLabel(strings.Join(rest, "."))
		}
		section = "[queue]"
	case "channel":
		if len(rest) > 0 {
			return channelLabel(strings.Join(rest, "."))
		}
		return "[channel]"
	case "control":
		if len(rest) == 0 {
			return at
		}
		section = "[control]"
		if rest[0] == "tokens" && len(rest) > 1 {
			name, key, _ := strings.Cut(rest[1], ".")
			if section, rest = "[control.tokens."+name+"]", nil; key != "" {
				rest = []string{key}
			}
		}
	case "log", "http", "acme", "tracing", "reload", "faults", "engine", "deploy", "cluster":
		section = "[" + parts[0] + "]"
	default:
		return at
	}
	if len(rest) == 0 {
		return section
	}
	return section + " " + strings.Join(rest, ".")
}

// lineOf is the line of a place, or of the nearest table around it.
func lineOf(lines map[string]int, at string) int {
	for {
		if line, ok := lines[at]; ok || at == "" {
			return line
		}
		at = at[:max(0, strings.LastIndexByte(at, '.'))]
	}
}

// describe says what was found in place of what was expected.
func describe(v any) string {
	const longest = 60
	switch v := v.(type) {
	case string:
		if len(v) > longest {
			return strconv.Quote(strings.ToValidUTF8(v[:longest], "")) + "…"
		}
		return strconv.Quote(v)
	case int64:
		return fmt.Sprintf("the number %d", v)
	case float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return fmt.Sprint(v)
	case []any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return fmt.Sprintf("the date or time %v", v)
}

// array writes words as a TOML array.
func array(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
