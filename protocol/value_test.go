package protocol

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

func TestValuesSurviveTheWire(t *testing.T) {
	for _, v := range []any{nil, true, "text", int8(-5), map[string]any{"a": int8(1), "b": []any{"x", nil, 1.5}},
		[]any{}, map[string]any{}} {
		encoded, err := NewValue(v)
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		frame := (&Log{Level: "info", Message: "m", Context: encoded}).AppendFrame(nil)
		var log Log
		if err := log.Parse(frame[lengthSize:]); err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		clear(frame) // a Value outlives the frame that it came in
		if got, err := log.Context.Decode(); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("got %#v and error %v, want %#v", got, err, v)
		}
	}
}

// notOne encodes as something else than one value.
type notOne string

func (n notOne) EncodeMsgpack(e *msgpack.Encoder) error {
	_, err := e.Writer().Write([]byte(n))
	return err
}

func TestNewValueRefusesWhatIsNotOneValue(t *testing.T) {
	deep := any(0)
	for range maxDepth {
		deep = []any{deep}
	}
	if _, err := NewValue(deep); err != nil {
		t.Errorf("%d deep: %v", maxDepth, err)
	}
	for name, v := range map[string]any{
		"a channel": make(chan int), "17 deep": []any{deep}, "no value": notOne(""), "two values": notOne("\x01\x02"),
		"half a value":        notOne("\x92\x01"),
		"an impossible count": notOne("\xdd\xff\xff\xff\xff"),
	} {
		if _, err := NewValue(v); err == nil {
			t.Errorf("%s became a Value", name)
		}
	}
}

func TestCheckHoldsResponsesToHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"fine":            {(&Response{Status: 200, Headers: []string{"X-a!", "v\tä"}}).Check(), ""},
		"a file":          {(&Response{Status: 200, Flags: FlagEnd, File: "/f"}).Check(), ""},
		"599":             {(&Response{Status: 599}).Check(), ""},
		"199":             {(&Response{Status: 199}).Check(), "199"},
		"600":             {(&Response{Status: 600}).Check(), "600"},
		"a file and more": {(&Response{Status: 200, File: "/f"}).Check(), "file"},
		"a file and a body": {(&Response{Status: 200, Flags: FlagEnd, File: "/f", Body: []byte("b")}).Check(),
			"file"},
		"CR in a value": {(&Response{Status: 200, Headers: []string{"X", "a\rb"}}).Check(), "X"},
		"LF in a value": {(&Response{Status: 200, Headers: []string{"X", "a\nSet-Cookie: b"}}).Check(),
			`'\n'`},
		"NUL in a value":          {(&Response{Status: 200, Headers: []string{"X", "a\x00"}}).Check(), "X"},
		"a name with a space":     {(&Response{Status: 200, Headers: []string{"X Y", ""}}).Check(), `"X Y"`},
		"a name with a colon":     {(&Response{Status: 200, Headers: []string{"X:", ""}}).Check(), `"X:"`},
		"no name":                 {(&Response{Status: 200, Headers: []string{"", "v"}}).Check(), `""`},
		"a name that is no ASCII": {(&Response{Status: 200, Headers: []string{"Ä", "v"}}).Check(), "token"},
		"103":                     {(&Inform{Status: 103}).Check(), ""},
		"101":                     {(&Inform{Status: 101}).Check(), "101"},
		"200 as INFORM":           {(&Inform{Status: 200}).Check(), "200"},
		"LF in an INFORM":         {(&Inform{Status: 103, Headers: []string{"Link", "\n"}}).Check(), "Link"},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
			t.Errorf("%s: error %v, want one that holds %q", name, c.err, c.want)
		}
	}
	if broken := (*LinkError)(nil); errors.As((&Response{}).Check(), &broken) {
		t.Error("a response that HTTP forbids is a 502, not the end of the link")
	}
}
