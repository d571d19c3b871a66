// values.go reads texts, numbers and lists of the file: what tables hold in the end.

package config

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text reads a string with its variables expanded. It holds no NUL, which neither paths nor variables can.
func (d *decoder) text(at string, v any) (s string, expanded, ok bool) {
	if s, expanded, ok = d.bytes(at, v); ok && strings.ContainsRune(s, 0) {
		d.fail(at, "expected text, found %s, which holds a NUL byte", describe(s))
		return "", false, false
	}
	return s, expanded, ok
}

// bytes reads a string with its variables expanded.
func (d *decoder) bytes(at string, v any) (s string, expanded, ok bool) {
	raw, isString := v.(string)
	if !isString {
		d.fail(at, "expected a string, found %s", describe(v))
		return "", false, false
	}
	s, expanded, err := expand(raw, d.env)
	if err != nil {
		d.fail(at, "%v", err)
		return "", false, false
	}
	return s, expanded, true
}

func (d *decoder) allowed(at string, tag reflect.StructTag, s string) bool {
	words := strings.Fields(tag.Get("oneof"))
	if len(words) == 0 || slices.Contains(words, s) {
		return true
	}
	hint := ""
	if w := Nearest(s, words); w != "" {
		hint = ": did you mean " + strconv.Quote(w) + "?"
	}
	d.fail(at, "expected %s, found %s%s", oneOf(words), describe(s), hint)
	return false
}

// number reads a whole number, which may be a string only if a variable gave it.
func (d *decoder) number(at string, tag reflect.StructTag, v any) (int64, bool) {
	expected := "a whole number" + bounds(tag)
	n, isNumber := v.(int64)
	if raw, isString := v.(string); isString {
		s, expanded, ok := d.text(at, v)
		if !ok {
			return 0, false
		}
		parsed, err := strconv.ParseInt(s, 10, 64)
		switch {
		case err == nil && !expanded:
			d.fail(at, "expected %s, found the string %q: write %d, without quotes", expected, s, parsed)
			return 0, false
		case err != nil && expanded:
			d.fail(at, "expected %s, found %s in %q", expected, describe(s), raw)
			return 0, false
		}
		n, isNumber = parsed, err == nil
	}
	if !isNumber || n < limit(tag, "min", parseInt) || n > limit(tag, "max", parseInt) {
		d.fail(at, "expected %s, found %s", expected, describe(v))
		return 0, false
	}
	return n, true
}

func (d *decoder) size(at string, tag reflect.StructTag, v any) (Size, bool) {
	expected := "a size" + bounds(tag) + `, such as "64KiB" or a number of bytes`
	n, isNumber := v.(int64)
	size := Size(n)
	if _, isString := v.(string); isString {
		s, _, ok := d.text(at, v)
		if !ok {
			return 0, false
		}
		var err error
		if size, err = ParseSize(s); err != nil {
			d.fail(at, `expected %s, found %s: %v`, expected, describe(s), err)
			return 0, false
		}
		isNumber, v = true, s
	}
	if !isNumber || size < limit(tag, "min", ParseSize) || size > limit(tag, "max", ParseSize) {
		d.fail(at, "expected %s, found %s", expected, describe(v))
		return 0, false
	}
	return size, true
}

func (d *decoder) duration(at string, tag reflect.StructTag, v any) (time.Duration, bool) {
	expected := "a duration" + bounds(tag) + `, such as "30s" or "1m30s"`
	switch v := v.(type) {
	case int64:
		d.fail(at, "expected %s, found %s, which has no unit: write \"%ds\"", expected, describe(v), v)
	case string:
		s, _, ok := d.text(at, v)
		if !ok {
			break
		}
		t, err := parseDuration(s)
		if err != nil {
			d.fail(at, "expected %s, found %s: %v", expected, describe(s), err)
			break
		}
		if t < limit(tag, "min", parseDuration) || t > limit(tag, "max", parseDuration) {
			d.fail(at, "expected %s, found %s", expected, describe(s))
			break
		}
		return t, true
	default:
		d.fail(at, "expected %s, found %s", expected, describe(v))
	}
	return 0, false
}

func (d *decoder) texts(at string, v any) []string {
	if s, isString := v.(string); isString {
		words := strings.Fields(s)
		if !strings.HasSuffix(at, ".command") {
			words = []string{s}
		}
		d.fail(at, "expected an array of strings, found %s: write %s", describe(v), array(words))
		return nil
	}
	items, isArray := v.([]any)
	if !isArray {
		d.fail(at, "expected an array of strings, found %s", describe(v))
		return nil
	}
	texts := make([]string, 0, len(items))
	for i, item := range items {
		if s, _, ok := d.text(join(at, strconv.Itoa(i)), item); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// ports reads an array of numbers.
func (d *decoder) ports(at string, v any) *Ports {
	items, isArray := v.([]any)
	ports := Ports{}
	for i, item := range items {
		n, isNumber := item.(int64)
		if !isNumber {
			d.fail(join(at, strconv.Itoa(i)), "expected a port, such as 443, found %s", describe(item))
			continue
		}
		ports = append(ports, int(n))
	}
	if !isArray {
		d.fail(at, "expected an array of ports, such as [443, 5432], found %s", describe(v))
	}
	return &ports
}

// warmups reads paths, and tables with a path in them.
func (d *decoder) warmups(at string, v any) []Warmup {
	if v == recent {
		v = []any{v}
	}
	items, ok := v.([]any)
	if !ok {
		d.fail(at, "expected an array of paths or tables, found %s: write [\"/health\"]", describe(v))
		return nil
	}
	warmups := make([]Warmup, len(items))
	for i, item := range items {
		if _, isTable := item.(map[string]any); isTable {
			d.table(join(at, strconv.Itoa(i)), item, &warmups[i])
		} else {
			warmups[i].Path, _, _ = d.text(join(at, strconv.Itoa(i)), item)
		}
	}
	return warmups
}

// pairs reads a table of strings. With scalars, numbers and truth values are taken as php.ini writes them.
func (d *decoder) pairs(at string, v any, scalars bool) map[string]string {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table of strings, found %s: write { NAME = \"value\" }", describe(v))
		return nil
	}
	out := make(map[string]string, len(table))
	for _, name := range slices.Sorted(maps.Keys(table)) {
		value := table[name]
		if scalars {
			switch plain := value.(type) {
			case bool:
				value = "0"
				if plain {
					value = "1"
				}
			case int64:
				value = strconv.FormatInt(plain, 10)
			case float64:
				value = strconv.FormatFloat(plain, 'g', -1, 64)
			}
		}
		if s, _, ok := d.text(join(at, name), value); ok {
			out[name] = s
		}
	}
	return out
}
