// lines.go finds the line of every key. The TOML decoder gives values without positions, so the document's syntax tree
// is walked once more, for positions alone.

package config

import (
	"bytes"
	"sort"
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lineFinder walks one document that is known to be valid TOML.
type lineFinder struct {
	parser   unstable.Parser
	newlines []int          // offset of each newline, ascending
	lines    map[string]int // the result
	entries  map[string]int // how many entries each [[array]] has so far
}

// findLines maps the path of each key ("listen.0.tls.key") and of each array element ("pool.web.command.1") to the
// 1-based line where it stands first.
func findLines(data []byte) map[string]int {
	f := &lineFinder{lines: map[string]int{}, entries: map[string]int{}}
	for i := 0; ; i++ {
		next := bytes.IndexByte(data[i:], '\n')
		if next < 0 {
			break
		}
		i += next
		f.newlines = append(f.newlines, i)
	}
	f.parser.Reset(data)
	table := ""
	for f.parser.NextExpression() {
		switch e := f.parser.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = f.header(e.Key(), e.Kind == unstable.ArrayTable)
		case unstable.KeyValue:
			f.keyValue(table, e)
		}
	}
	return f.lines
}

// header enters [a.b] or [[a.b]], where every part that is an array of tables means its newest entry.
func (f *lineFinder) header(parts unstable.Iterator, isArray bool) string {
	at := ""
	for parts.Next() {
		last := parts.IsLast()
		at = f.key(at, parts.Node())
		if last && isArray {
			f.entries[at]++
		}
		if n := f.entries[at]; n > 0 {
			at = join(at, strconv.Itoa(n-1))
			f.mark(at, parts.Node())
		}
	}
	return at
}

func (f *lineFinder) keyValue(table string, e *unstable.Node) {
	at := table
	for parts := e.Key(); parts.Next(); {
		at = f.key(at, parts.Node())
	}
	f.value(at, e.Value())
}

func (f *lineFinder) value(at string, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for pairs := v.Children(); pairs.Next(); {
			f.keyValue(at, pairs.Node())
		}
	case unstable.Array:
		i := 0
		for items := v.Children(); items.Next(); i++ {
			item := join(at, strconv.Itoa(i))
			if items.Node().Raw.Length > 0 {
				f.mark(item, items.Node())
			}
			f.value(item, items.Node())
		}
	}
}

func (f *lineFinder) key(at string, part *unstable.Node) string {
	at = join(at, string(part.Data))
	f.mark(at, part)
	return at
}

func (f *lineFinder) mark(at string, n *unstable.Node) {
	if _, seen := f.lines[at]; !seen {
		f.lines[at] = sort.SearchInts(f.newlines, int(n.Raw.Offset)) + 1
	}
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}
