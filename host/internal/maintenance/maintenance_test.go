package maintenance

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

func made(t *testing.T, file string) *Switch {
	return New(file, func() (string, error) { return file, os.MkdirAll(filepath.Dir(file), 0o700) },
		hclog.New(&hclog.LoggerOptions{Output: t.Output()}))
}

func TestMaintenanceIsForThoseWhoAreMeantAndOutlivesTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "maintenance", "x.json")
	s := made(t, file)
	if _, _, is := s.Shuts("", "/", "192.0.2.1:5"); is || s.On() != nil {
		t.Fatal("it is on before anybody said so")
	}
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	o := Order{Since: time.Now().UTC(), Message: "soon", RetryAfter: time.Minute,
		Allow: []string{"10.0.0.0/8", "unix"}, Except: []string{"/up", "/hooks/*"}, Routes: []string{"shop"}}
	if err := s.Set(o); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, test := range []struct {
			route, target, remote string
			want                  bool
		}{
			{"shop", "/", "192.0.2.1:5", true}, {"", "/", "192.0.2.1:5", false}, {"blog", "/", "192.0.2.1:5", false},
			{"shop", "/", "10.1.1.1:5", false}, {"shop", "/", "@", false}, {"shop", "/up?x", "192.0.2.1:5", false},
			{"shop", "/x/../%75p", "192.0.2.1:5", false}, {"shop", "/up/x", "192.0.2.1:5", true},
			{"shop", "/hooks", "192.0.2.1:5", false}, {"shop", "/hooks/a/b", "192.0.2.1:5", false},
			{"shop", "/hookshot", "192.0.2.1:5", true}, {"shop", "*", "192.0.2.1:5", true},
		} {
			text, wait, is := s.Shuts(test.route, test.target, test.remote)
			if is != test.want || is && (text != "soon" || wait != time.Minute) {
				t.Errorf("%+v: %q %v %v", test, text, wait, is)
			}
		}
		if s = made(t, file); s.On() == nil || !reflect.DeepEqual(*s.On(), o) {
			t.Fatalf("after a restart: %+v", s.On())
		}
	}
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	if made(t, file).On() != nil {
		t.Error("it is on again after a restart")
	}
}

func TestAnOrderThatMakesNoSenseIsRefused(t *testing.T) {
	for want, o := range map[string]Order{
		"at most 4 KiB": {Message: strings.Repeat("x", 5000)}, "less than none": {RetryAfter: -1},
		`found "office"`: {Allow: []string{"office"}}, `found "up"`: {Except: []string{"up"}},
		`found "/x*"`: {Except: []string{"/x*"}}, `found "/a/../b"`: {Except: []string{"/a/../b"}},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if err := (&Order{Except: []string{"/", "/x/*", "/*"}}).Check(); err != nil {
		t.Error(err)
	}
}

func TestAFileThatCanNotBeReadShutsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := made(t, file)
	if s.On() != nil {
		t.Fatal(s.On())
	}
	if err := s.Set(Order{}); err != nil || made(t, file).On() == nil {
		t.Fatal(err)
	}
}
