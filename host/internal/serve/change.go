// change.go has what a plan consists of, and its translation to what control tells.

package serve

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
)

// change is one setting that has another value now, or a pool or a listener that comes or goes.
type change struct {
	table   string // as people name it: "[http]", "pool api:", "listener :8080:"; "" is the top of the file
	inner   string // the table in that one: "tls", "confine", "rlimits"; "" for none
	pool    string // if it is of one
	address string // of the listener, likewise

	key      string // "": the table itself comes or goes, as to says
	from, to string // as people read it
	secret   bool   // the values are not for showing
	live     bool   // it takes effect while the host serves
}

// differences lists the keys of a table that have other values; of says whose they are.
func differences(of change, old, new any) []change {
	var found []change
	before, after := reflect.ValueOf(old), reflect.ValueOf(new)
	for _, f := range reflect.VisibleFields(before.Type()) {
		key := f.Tag.Get("key")
		if key == "" || f.Tag.Get("means") == "" {
			continue
		}
		a, b := before.FieldByIndex(f.Index).Interface(), after.FieldByIndex(f.Index).Interface()
		if !reflect.DeepEqual(a, b) {
			found = append(found, of.with(key, shown(f, a), shown(f, b)))
		}
	}
	return found
}

// with is the change of one key. Values that look the same are those that are not for showing, such as an
// environment's.
func (c change) with(key, from, to string) change {
	c.key, c.from, c.to = key, from, to
	c.secret = from == to || strings.Contains(key, "token") || strings.Contains(key, "secret") ||
		key == "request_headers"
	return c
}

// whole is the change of the table itself: it is "added" or "removed".
func (c change) whole(to string) change {
	c.table, c.to = strings.TrimSuffix(c.table, ":"), to
	return c
}

// shown is a value as people read it.
func shown(f reflect.StructField, value any) string {
	text, _ := cli.DescribeField(f, value)
	return text
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// text is the change in words.
func (c change) text() string {
	of := c.table
	if c.inner != "" {
		of += " " + c.inner
	}
	switch {
	case c.key == "":
		return of + " " + c.to
	case c.secret:
		return strings.TrimSpace(fmt.Sprintf("%s %s changed", of, c.key))
	case of == "":
		return strings.TrimSpace(fmt.Sprintf("%s %s → %s", c.key, c.from, c.to))
	}
	return fmt.Sprintf("%s %s %s → %s", of, c.key, c.from, c.to)
}

// event is what control tells of a change: kind, or that it waits for a restart, if it does and kind is about what a
// reload of all pools puts into effect.
func (c change) event(kind control.Kind) control.Event {
	if !c.live && kind != control.Waits {
		kind = control.NeedsRestart
	}
	e := control.Event{Kind: kind, Address: c.address, Pool: c.pool, Key: c.key, What: c.text()}
	if c.inner == "tls" { // control names these keys with their table, and no others
		e.Key = "tls." + c.key
	}
	if c.key != "" && !c.secret {
		e.From, e.To = c.from, c.to
	}
	return e
}
