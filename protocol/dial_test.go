package protocol

import (
	"reflect"
	"strings"
	"testing"
)

func dialArguments(t *testing.T, all ...any) (values []Value) {
	for _, one := range all {
		v, err := NewValue(one)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	return values
}

func TestADialIsReadAsItWasAskedFor(t *testing.T) {
	deep := append([]byte(strings.Repeat("\x91", 14)), 0xc0) // 14 lists, one within another
	full := Dial{
		URL: "wss://feed.example/", Name: "prices", Session: []Entry{{"k", Value("\x01")}, {"deep", Value(deep)}},
		Groups: []string{"a", "b"},
		UID:    "7", Headers: []string{"Authorization", "{secret:FEED}"}, Subprotocols: []string{"v2"},
		Framing: "delimiter", Delimiter: "\x00", ReconnectMax: 100, ConnectTimeout: 1, PongTimeout: 3, IdleTimeout: 4,
		MaxMessage: 1 << 40,
	}
	for _, d := range []Dial{NewDial("tcp://10.0.0.7:9000", "one"), full} {
		got, err := ParseDial(d.Arguments())
		if err != nil || !reflect.DeepEqual(got, d) {
			t.Errorf("%+v is read as\n%+v (%v)", d, got, err)
		}
	}
	plain := NewDial("tcp://10.0.0.7:9000", "one")
	if n := len(plain.Arguments()); n != 2 {
		t.Errorf("a dial without options has %d arguments", n)
	}
}

func TestADialThatMakesNoSenseIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		arguments []any
		want      string
	}{
		{[]any{}, "0 arguments"},
		{[]any{"ws://a"}, "1 arguments"},
		{[]any{1, "n"}, "text"},
		{[]any{"ws://a", nil}, "text"},
		{[]any{"ws://a", ""}, "name"},
		{[]any{"ws://a", "a\nb"}, "name"},
		{[]any{"ws://a", "\xff"}, "name"},
		{[]any{"ws://a", strings.Repeat("n", 129)}, "name"},
		{[]any{strings.Repeat("u", 16<<10+1), "n"}, "URL"},
		{[]any{"ws://a", "n", "x"}, "options"},
		{[]any{"ws://a", "n", []any{"uid"}}, "options"},
		{[]any{"ws://a", "n", []any{1, 2}}, "options"},
		{[]any{"ws://a", "n", map[string]any{"uid": "7"}}, "options"},
		{[]any{"ws://a", "n", []any{"uids", "7"}}, `"uids"`},
		{[]any{"ws://a", "n", []any{"uid", 7}}, "uid"},
		{[]any{"ws://a", "n", []any{"groups", "g"}}, "groups"},
		{[]any{"ws://a", "n", []any{"session", []any{"k"}}}, "session"},
		{[]any{"ws://a", "n", []any{"session", map[string]any{"k": 1}}}, "session"},
		{[]any{"ws://a", "n", []any{"headers", []any{"A"}}}, "headers"},
		{[]any{"ws://a", "n", []any{"framing", "lines"}}, "lines"},
		{[]any{"ws://a", "n", []any{"framing", "delimiter"}}, "delimiter"},
		{[]any{"ws://a", "n", []any{"delimiter", "x"}}, "delimiter"},
		{[]any{"ws://a", "n", []any{"framing", "delimiter", "delimiter", strings.Repeat("x", 65)}}, "65"},
		{[]any{"ws://a", "n", []any{"reconnect", 1}}, "reconnect"},
		{[]any{"ws://a", "n", []any{"reconnect_max", 99}}, "at least 100"},
		{[]any{"ws://a", "n", []any{"connect_timeout", 0}}, "at least 1"},
		{[]any{"ws://a", "n", []any{"ping_interval", -1}}, "at least 0"},
		{[]any{"ws://a", "n", []any{"idle_timeout", int64(1) << 62}}, "idle_timeout"},
		{[]any{"ws://a", "n", []any{"max_message", 1.5}}, "max_message"},
	} {
		_, err := ParseDial(dialArguments(t, c.arguments...))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80v is refused by %v, want %q in it", c.arguments, err, c.want)
		}
	}
	for _, arguments := range [][]any{{}, {1}, {"a", "b"}} {
		if _, err := ParseDialName(CallDialID, dialArguments(t, arguments...)); err == nil {
			t.Errorf("%v is taken for a name", arguments)
		}
	}
}

func FuzzParseDial(f *testing.F) {
	d := NewDial("ws://a", "n")
	d.Groups, d.Framing, d.Delimiter = []string{"g"}, "delimiter", "x"
	f.Add([]byte(d.Arguments()[2]))
	f.Fuzz(func(t *testing.T, options []byte) {
		v := decoder{b: options}
		if v.skip(0); v.err != nil || v.left() > 0 {
			return // no CALL would have it
		}
		got, err := ParseDial([]Value{Value("\xa1u"), Value("\xa1n"), options})
		if err != nil {
			return
		}
		again, err := ParseDial(got.Arguments())
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%+v is read again as %+v (%v)", got, again, err)
		}
	})
}

func TestDialsOfTheVectorsAreReadAndSaid(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range readVectors(t, "valid.json") {
		var m Call
		if v.Section != "16.2" || m.Parse(v.bytes(t)[lengthSize:]) != nil {
			continue
		}
		seen[m.Method] = true
		if m.Method != CallDialOpen {
			if name, err := ParseDialName(m.Method, m.Arguments); name != "prices" || err != nil {
				t.Errorf("%s: %q (%v)", v.Name, name, err)
			}
			continue
		}
		d, err := ParseDial(m.Arguments)
		if err != nil || !reflect.DeepEqual(d.Arguments(), m.Arguments) {
			t.Errorf("%s: %+v (%v)", v.Name, d, err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("there are only %v", seen)
	}
}
