// Package transcript reads the transcripts of vectors/transcripts: what both ends of a link say, line by line, with
// what comes of it. They show behaviour, which single frames can't. vectors/transcripts/README.md says how one is
// written; tests of the pool and of the SDKs play the one end or the other.
package transcript

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/protocol/vectors"
)

// Transcript is a file.
type Transcript struct {
	Name  string // of the file
	For   string // "host" or "worker", the end that it is for; "" is both
	Lines []Line
}

// Line is a line that says something.
type Line struct {
	Number   int
	Kind     byte          // what it begins with: '>' to the worker, '<' to the host; else as README.md has it
	Type     protocol.Type // of the frame; 0 if it is none
	Elements []any         // of the frame, type and stream included
	Text     string        // what follows Kind, trimmed
	Pause    time.Duration // of a '~'
}

// Load reads all transcripts of a folder, in the order of their names.
func Load(folder string) (all []Transcript, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("transcript: there is none in %s", folder)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		t := Transcript{Name: strings.TrimSuffix(filepath.Base(file), ".txt")}
		if err := t.parse(string(text)); err != nil {
			return nil, fmt.Errorf("transcript: %s:%w", file, err)
		}
		all = append(all, t)
	}
	return all, err
}

func (t *Transcript) parse(text string) (err error) {
	number := 0
	for raw := range strings.Lines(text) {
		number++
		if raw = strings.TrimSpace(raw); raw == "" || raw[0] == '#' {
			continue
		}
		if end, ok := strings.CutPrefix(raw, "for "); ok && (end == "host" || end == "worker") {
			t.For = end
			continue
		}
		l := Line{Number: number, Kind: raw[0], Text: strings.TrimSpace(raw[1:])}
		switch l.Kind {
		case '>', '<':
			err = l.parseFrame()
		case '~':
			l.Pause, err = time.ParseDuration(l.Text)
		case '=', '+', '!':
		default:
			err = fmt.Errorf("a line begins with #, for, >, <, =, +, ! or ~, and not with %q", raw)
		}
		if err != nil {
			return fmt.Errorf("%d: %w", number, err)
		}
		t.Lines = append(t.Lines, l)
	}
	return nil
}

// parseFrame reads a line such as DONE [1]. What names no type is a sign of another kind, such as the input's end.
func (l *Line) parseFrame() error {
	name, elements, found := strings.Cut(l.Text, " ")
	for t := range protocol.Type(128) {
		if t.String() == name || fmt.Sprint(uint8(t)) == name {
			l.Type = t
		}
	}
	if l.Type == 0 || !found {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(elements))
	d.UseNumber()
	var list []any
	if err := d.Decode(&list); err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("a frame has at least its stream")
	}
	l.Elements = []any{int64(l.Type)}
	l.Elements = append(l.Elements, vectors.Plain(list).([]any)...)
	return nil
}

// Stream is the frame's stream.
func (l *Line) Stream() uint32 {
	n, _ := l.Elements[1].(int64)
	return uint32(n)
}

// anything stands in a line for an element that is not looked at, for the rest of a text, and at a list's end for the
// rest of it.
const anything = "…"

// Frame is the frame that the line shows, length included. The rest of a list is nothing.
func (l *Line) Frame() []byte {
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	if err := e.Encode(shortened(l.Elements)); err != nil {
		panic(err) // they come from JSON
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(b.Len())), b.Bytes()...)
}

func shortened(list []any) []any {
	short := make([]any, 0, len(list))
	for _, x := range list {
		if inner, ok := x.([]any); ok {
			if n := len(inner) - 1; n >= 0 && inner[n] == anything {
				inner = inner[:n]
			}
			x = shortened(inner)
		}
		short = append(short, x)
	}
	return short
}

// Check says how a payload that came differs from the line, or nil. Elements that the line leaves out are not looked
// at. done says that the frame is an act with a DONE that stands in a line of its own.
func (l *Line) Check(payload []byte) (done bool, err error) {
	var got []any
	if err := msgpack.Unmarshal(payload, &got); err != nil {
		return false, err
	}
	got = vectors.Level(got).([]any)
	if t := protocol.Type(got[0].(int64)); t.Act() && t == l.Type && len(l.Elements) > 2 {
		flags, want := got[2].(int64), l.Elements[2].(int64)
		if done = flags == want|int64(protocol.FlagDone) && flags != want; done {
			got[2] = want
		}
	}
	if !fits(l.Elements, got) {
		text, _ := json.Marshal(got)
		return false, fmt.Errorf("line %d: expected %s, got %s %s", l.Number, l.Text, protocol.Type(got[0].(int64)),
			text)
	}
	return done, nil
}

// fits compares a frame's elements. Those that were left out on the wire are their type's zero.
func fits(want, got []any) bool {
	for i, w := range want {
		var g any
		switch {
		case i < len(got):
			g = got[i]
		case w == nil || reflect.ValueOf(w).IsZero() || w == anything:
			continue
		}
		if !same(w, g) {
			return false
		}
	}
	return true
}

func same(want, got any) bool {
	switch w := want.(type) {
	case string:
		s, ok := got.(string)
		start, cut := strings.CutSuffix(w, anything)
		return w == anything || ok && (w == s || cut && strings.HasPrefix(s, start))
	case []any:
		g, ok := got.([]any)
		if n := len(w) - 1; n >= 0 && w[n] == anything {
			w = w[:n]
			g = g[:min(n, len(g))]
		}
		return ok && slices.EqualFunc(w, g, same)
	}
	return reflect.DeepEqual(want, got)
}
