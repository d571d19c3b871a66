// decode.go fills the structs of config.go from a TOML document, by their tags, and goes on after a mistake so that
// all of them are reported together.

package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder reads one document. A place in it is a path of keys, as in findLines.
type decoder struct {
	path     string
	env      func(string) (string, bool)
	lines    map[string]int
	failed   map[string]bool // the places that have a problem already
	problems Problems
}

var poolName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// fail records a problem with the value at a place, unless that place has one: what a later check would say of it
// follows from the first.
func (d *decoder) fail(at, format string, args ...any) {
	if d.failed[at] {
		return
	}
	d.failed[at] = true
	d.problems.add(d.path, lineOf(d.lines, at), at, "%s: %s", label(at), fmt.Sprintf(format, args...))
}

// table fills the struct that into points at. Keys that the struct has no field for are mistakes.
func (d *decoder) table(at string, v any, into any) {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table, found %s", describe(v))
		return
	}
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(into).Elem()) {
		key := f.Tag.Get("key")
		_, isTable := table[key].(map[string]any)
		// control is a path or a table, and reload of a pool a word or one
		if _, twice := fields[key]; key != "" && (!twice || isTable == (f.Type.Kind() == reflect.Struct)) {
			fields[key] = f
		}
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		f, known := fields[key]
		if !known {
			d.unknown(at, key, table[key], slices.Sorted(maps.Keys(fields)))
			continue
		}
		field := reflect.ValueOf(into).Elem().FieldByIndex(f.Index)
		d.value(join(at, key), f.Tag, table[key], field.Addr().Interface())
	}
}

// value reads one value into the field that into points at.
func (d *decoder) value(at string, tag reflect.StructTag, v any, into any) {
	switch into := into.(type) {
	case *string:
		read := d.text
		if tag.Get("bytes") != "" {
			read = d.bytes
		}
		if s, _, ok := read(at, v); ok && d.allowed(at, tag, s) {
			*into = s
		}
	case *int:
		if n, ok := d.number(at, tag, v); ok {
			*into = int(n)
		}
	case *bool:
		if b, ok := v.(bool); ok {
			*into = b
		} else {
			d.fail(at, "expected true or false, found %s", describe(v))
		}
	case *Size:
		if n, ok := d.size(at, tag, v); ok {
			*into = n
		}
	case *time.Duration:
		if t, ok := d.duration(at, tag, v); ok {
			*into = t
		}
	case **int:
		if n, ok := d.number(at, tag, v); ok {
			count := int(n)
			*into = &count
		}
	case **time.Duration:
		if t, ok := d.duration(at, tag, v); ok {
			*into = &t
		}
	case **Size:
		if n, ok := d.size(at, tag, v); ok {
			*into = &n
		}
	case *[]string:
		*into = d.texts(at, v)
	case **Ports:
		*into = d.ports(at, v)
	case *Words:
		if s, isString := v.(string); isString {
			v = []any{s}
		}
		*into = d.texts(at, v)
	case *Hook:
		if s, _, ok := d.text(at, v); ok {
			*into = Hook(s)
		}
	case *Commands:
		*into = d.commands(at, v)
	case *[]Warmup:
		*into = d.warmups(at, v)
	case *map[string]string:
		*into = d.pairs(at, v, false)
	case *ErrorPages:
		*into = d.pairs(at, v, false)
	case *Settings:
		*into = d.pairs(at, v, true)
	case **TLS:
		*into = &TLS{}
		setDefaults(*into)
		if text, is := v.(string); is {
			if (*into).Auto = true; text != "auto" {
				d.fail(at, "expected \"auto\", or a table such as { certificate = \"FILE\", key = \"FILE\" }, "+
					"found %s", describe(v))
			}
		} else {
			d.table(at, v, *into)
		}
	case **EAB:
		*into = &EAB{}
		d.table(at, v, *into)
	case **DNS:
		*into = &DNS{}
		setDefaults(*into)
		d.table(at, v, *into)
	case **Auth:
		*into = &Auth{}
		setDefaults(*into)
		d.table(at, v, *into)
	case **Cors:
		*into = &Cors{}
		setDefaults(*into)
		d.table(at, v, *into)
	case **RateLimit:
		*into = &RateLimit{}
		d.table(at, v, *into)
	case *Compression:
		*into = *d.compression(at, v)
	case **Compression:
		*into = d.compression(at, v)
	case **Cache:
		*into = d.cache(at, v)
	case **Confine:
		*into = &Confine{}
		d.table(at, v, *into)
	case **Tracing:
		*into = &Tracing{}
		d.table(at, v, *into)
	case **Share:
		if s, ok := d.share(at, v); ok {
			*into = &s
		}
	case **bool:
		if b, ok := v.(bool); ok {
			*into = &b
		} else {
			d.fail(at, "expected true or false, found %s", describe(v))
		}
	case *Log, *HTTP, *RateLimit, *Rlimits, *Remote, *ACME, *Canary, *Reloading, *Gates, *Fetch, *Faults, *Engine,
		*Deploy, *Cluster:
		d.table(at, v, into)
	case *Admin:
		d.table(at, v, into)
	case *[]Listen:
		*into = d.listeners(at, v)
	case *[]*Route:
		*into = d.routes(at, v)
	case *[]*Service:
		*into = d.services(at, v)
	case *[]*Store:
		*into = d.stores(at, v)
	case *[]*Channel:
		*into = d.channels(at, v)
	case *[]*Queue:
		*into = d.queues(at, v)
	case *Payload:
		into.Value = d.payload(at, v)
	case *[]*Cron:
		*into = d.cron(at, v)
	case *[]*Dial:
		*into = d.dials(at, v)
	case *[]*Pusher:
		*into = d.pushers(at, v)
	case *[]*Token:
		*into = d.tokens(at, v)
	case *[]*FetchSecret:
		*into = d.fetchSecrets(at, v)
	case *[]*Pool:
		*into = d.pools(at, v)
	default:
		panic(fmt.Sprintf("config: no decoder for %T", into))
	}
}

func (d *decoder) listeners(at string, v any) []Listen {
	items := d.tables(at, v)
	listeners := make([]Listen, len(items))
	for i, item := range items {
		listeners[i].at = join(at, strconv.Itoa(i))
		setDefaults(&listeners[i])
		d.table(listeners[i].at, item, &listeners[i])
	}
	return listeners
}

// tables reads an array of tables.
func (d *decoder) tables(at string, v any) []any {
	items, ok := v.([]any)
	if !ok {
		d.fail(at, "expected an array of tables, found %s: write [[%s]], with two brackets", describe(v), at)
	}
	return items
}

func (d *decoder) routes(at string, v any) (routes []*Route) {
	for i, item := range d.tables(at, v) {
		r := &Route{at: join(at, strconv.Itoa(i))}
		setDefaults(r)
		d.table(r.at, item, r)
		routes = append(routes, r)
	}
	return routes
}

func (d *decoder) pools(at string, v any) []*Pool {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table for each pool, found %s: write [pool.NAME], for example [pool.web]", describe(v))
		return nil
	}
	names := slices.SortedFunc(maps.Keys(table), func(a, b string) int {
		if byLine := lineOf(d.lines, join(at, a)) - lineOf(d.lines, join(at, b)); byLine != 0 {
			return byLine
		}
		return strings.Compare(a, b)
	})
	var pools []*Pool
	for _, name := range names {
		place := join(at, name)
		if _, isTable := table[name].(map[string]any); !isTable {
			d.fail(place, "expected a table, found %s: a pool has a name, for example [pool.web]",
				describe(table[name]))
			continue
		}
		if !poolName.MatchString(name) {
			d.fail(place, "%q is no name for a pool: use a-z, 0-9, - and _, beginning with a letter or a digit", name)
			continue
		}
		p := newPool(name)
		p.at = place
		d.table(place, table[name], p)
		pools = append(pools, p)
	}
	return pools
}

func (d *decoder) tokens(at string, v any) (tokens []*Token) {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table for each token, found %s: write [control.tokens.NAME], for example "+
			"[control.tokens.monitoring]", describe(v))
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		t := &Token{Name: name, at: join(at, name)}
		if !poolName.MatchString(name) {
			d.fail(t.at, "%q is no name for a token: use a-z, 0-9, - and _, beginning with a letter or a digit", name)
			continue
		}
		d.table(t.at, table[name], t)
		tokens = append(tokens, t)
	}
	return tokens
}

// unknown reports a key that does not exist, with the one that was probably meant: in this table, or in another.
func (d *decoder) unknown(at, key string, v any, known []string) {
	what, quote := "unknown key `"+key+"`", func(k string) string { return "`" + k + "`" }
	if _, isTable := v.(map[string]any); isTable && at == "" {
		what, quote = "unknown table ["+key+"]", func(k string) string { return "[" + k + "]" }
	}
	switch at {
	case "":
	case "control": // by itself it is a key, too
		what += " in [control]"
	default:
		what += " in " + label(at)
	}
	hint := "the keys here are " + listed(known)
	if k := Nearest(key, known); k != "" {
		hint = "did you mean " + quote(k) + "?"
	} else if i := slices.IndexFunc(Keys(), func(doc KeyDoc) bool { return doc.Key == key }); i >= 0 {
		hint = "it belongs in " + Keys()[i].Section
		if Keys()[i].Section == "" {
			hint = "it belongs at the top of the file, before the first [table]"
		}
	}
	d.problems.add(d.path, lineOf(d.lines, join(at, key)), join(at, key), "%s: %s", what, hint)
}
