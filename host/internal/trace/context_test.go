package trace

import (
	"strings"
	"testing"
)

const (
	someTrace = "0af7651916cd43dd8448eb211c80319c"
	someSpan  = "b7ad6b7169203331"
	good      = "00-" + someTrace + "-" + someSpan + "-01"
)

func TestATraceparentIsReadAsW3CHasIt(t *testing.T) {
	for _, test := range []struct {
		name, parent   string
		known, sampled bool
	}{
		{"sampled", good, true, true},
		{"not sampled", good[:53] + "00", true, false},
		{"other flags", good[:53] + "fe", true, false},
		{"all flags", good[:53] + "ff", true, true},
		{"a later version", "cc" + good[2:], true, true},
		{"a later version with more", "cc" + good[2:] + "-what-comes", true, true},
		{"a later version with a dash", "cc" + good[2:] + "-", true, true},
		{"a later version with something", "cc" + good[2:] + ".more", false, false},
		{"this version with more", good + "-more", false, false},
		{"no version", "ff" + good[2:], false, false},
		{"capitals", strings.ToUpper(good), false, false},
		{"no trace", "00-" + strings.Repeat("0", 32) + good[35:], false, false},
		{"no span", good[:36] + strings.Repeat("0", 16) + "-01", false, false},
		{"short", good[:54], false, false},
		{"no hexadecimal", "00-x" + good[4:], false, false},
		{"bad flags", good[:53] + "0x", false, false},
		{"a bad version", "0x" + good[2:], false, false},
		{"no dashes", strings.ReplaceAll(good, "-", "_"), false, false},
		{"space", good + " ", false, false},
		{"nothing", "", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Read([]string{test.parent}, []string{"a=1"})
			if c.Known() != test.known || c.Sampled != test.sampled || (c.State != "") != test.known {
				t.Errorf("%q: %+v", test.parent, c)
			}
			if want := "00-" + someTrace + "-" + someSpan; test.known && c.Traceparent()[:52] != want {
				t.Errorf("%q is told as %q", test.parent, c.Traceparent())
			}
		})
	}
	if c := Read([]string{good, good}, nil); c.Known() {
		t.Error("two of them were taken")
	}
	if c := Read(nil, []string{"a=1"}); c.Known() || c.State != "" {
		t.Error("a tracestate was taken alone")
	}
}

func TestATracestateGoesOnAsItIsOrNotAtAll(t *testing.T) {
	long := func(n int) string { return "a=" + strings.Repeat("x", n-2) }
	var many []string
	for i := range 33 {
		many = append(many, string(rune('a'+i%26))+string(rune('a'+i/26))+"=1")
	}
	for _, test := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"one", []string{"vendor=value"}, "vendor=value"},
		{"several", []string{"a=1,b=2", "c=3"}, "a=1,b=2,c=3"},
		{"a tenant", []string{"1t@v=x"}, "1t@v=x"},
		{"spaces around", []string{"a=1 , b=2\t"}, "a=1 , b=2\t"},
		{"empty members", []string{"a=1,,b=2", ""}, "a=1,,b=2,"},
		{"spaces within", []string{"a=1 2"}, "a=1 2"},
		{"nothing", []string{" ,"}, ""},
		{"twice the same", []string{"a=1,a=2"}, ""},
		{"capitals", []string{"A=1"}, ""},
		{"no value", []string{"a="}, ""},
		{"no key", []string{"=1"}, ""},
		{"no pair", []string{"a"}, ""},
		{"two equal signs", []string{"a=b=c"}, ""},
		{"two tenants", []string{"a@b@c=1"}, ""},
		{"a system that begins with a digit", []string{"a@1=1"}, ""},
		{"a control character", []string{"a=\x01"}, ""},
		{"no ASCII", []string{"a=ü"}, ""},
		{"a value of 256", []string{long(258)}, long(258)},
		{"a value of 257", []string{long(259)}, ""},
		{"more than has to be passed on", []string{"b=" + strings.Repeat("y", 252) + "," + long(258)}, ""},
		{"32", []string{strings.Join(many[:32], ",")}, strings.Join(many[:32], ",")},
		{"33", []string{strings.Join(many, ",")}, ""},
	} {
		if got := Read([]string{good}, test.fields).State; got != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func FuzzWhatIsReadIsToldAgain(f *testing.F) {
	f.Add(good, "a=1")
	f.Add("cc"+good[2:]+"-x", "a=1,b@c=2")
	f.Fuzz(func(t *testing.T, parent, state string) {
		c := Read([]string{parent}, []string{state})
		if !c.Known() {
			if c != (Context{}) {
				t.Fatalf("%q %q: half of it was taken: %+v", parent, state, c)
			}
			return
		}
		states := []string{c.State}
		if c.State == "" {
			states = nil
		}
		if again := Read([]string{c.Traceparent()}, states); again != c {
			t.Fatalf("%q %q: %+v is %+v when told", parent, state, c, again)
		}
		if len(c.Traceparent()) != lengthOfParent || c.SpanID == (SpanID{}) || len(c.State) > longestState {
			t.Fatalf("%q %q: %+v", parent, state, c)
		}
	})
}
