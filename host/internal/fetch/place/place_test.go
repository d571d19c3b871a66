package place

import (
	"net/url"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestOnlyWhatAPlaceNamesMayBeAskedFor(t *testing.T) {
	for _, c := range []struct {
		allow string
		yes   string // separated by spaces, as is no
		no    string
	}{
		{"https://api.example/v1/*",
			"https://api.example/v1/ https://api.example/v1/chat https://API.Example:443/v1/a/b?q=/../x " +
				"https://api.example/v1/./chat https://api.example/v2/../v1/chat https://api.example/%76%31/chat " +
				"https://api.example//v1/chat https://api.example/v1/a%20b https://api.example/v1/a%2fb " +
				"https://api.example/v1/100%25 https://api.example/v1/a;b=c/d https://api.example/v1/%252525",
			"https://api.example/v1 https://api.example/v1x/ https://api.example/ http://api.example/v1/chat " +
				"https://api.example:8443/v1/chat https://api.example.evil/v1/ https://evil/v1/ " +
				"https://api.example/v1/../admin https://api.example/v1/%2e%2e/admin " +
				"https://api.example/v1/..%2fadmin https://api.example/v1/%2e%2e%2fadmin " +
				"https://api.example/v1/..%5cadmin https://api.example/v1/..%252fadmin " +
				"https://api.example/v1/%2e%2e%252fadmin https://api.example/V1/chat " +
				"https://api.example/v1/..;/admin https://api.example/v1/..;a=b/admin " +
				"https://api.example/v1/..%3b/admin https://api.example/v1/..%253b%252fadmin " +
				"https://api.example/v1/..%252fadmin%25 https://api.example/v1/%252e%252e%252fadmin/%25zz"},
		{"https://api.example/v1;a/*", "https://api.example/v1;a/x;b", "https://api.example/v1/x " +
			"https://api.example/v1;a/..;/v2"},
		{"https://api.example/v1/chat;a", "https://api.example/v1/chat;a", "https://api.example/v1/chat;b"},
		{"https://api.example/v1/chat", "https://api.example/v1/chat https://api.example/v1/chat?a=b",
			"https://api.example/v1/chat/ https://api.example/v1/chats https://api.example/v1/"},
		{"https://api.example", "https://api.example https://api.example/ https://api.example/x?y",
			"https://b.example/"},
		{"https://api.example/", "https://api.example/x", "http://api.example/x"},
		{"http://127.0.0.1:9000/*", "http://127.0.0.1:9000/", "http://127.0.0.1/ http://127.1:9000/ " +
			"http://localhost:9000/ http://[::ffff:127.0.0.1]:9000/"},
		{"http://[::1]/*", "http://[::1]:80/x", "http://[::2]/x"},
		{"wss://feed.example/v1/*", "wss://feed.example:443/v1/prices?a=b", "ws://feed.example/v1/prices " +
			"https://feed.example/v1/prices wss://feed.example/v1/../admin"},
		{"ws://feed.example", "ws://feed.example:80/x", "wss://feed.example/x http://feed.example/x"},
		{"tls://feed.example:9000", "tls://FEED.example:9000 tls://feed.example:9000/",
			"tcp://feed.example:9000 tls://feed.example:9001 tls://feed.example tls://feed.example:9000/x " +
				"tls://feed.example:9000?x"},
	} {
		p, err := Parse(c.allow)
		if err != nil {
			t.Fatalf("%s: %v", c.allow, err)
		}
		for text := range strings.FieldsSeq(c.yes) {
			if u, err := Lasting(text); err != nil || !p.Has(u) {
				t.Errorf("%s does not have %s (%v)", c.allow, text, err)
			}
		}
		for text := range strings.FieldsSeq(c.no) {
			if u, err := Lasting(text); err == nil && p.Has(u) {
				t.Errorf("%s has %s", c.allow, text)
			}
		}
	}
}

func TestAURLThatCouldBeReadInTwoWaysIsRefused(t *testing.T) {
	for _, text := range []string{"wss://api.example/",
		"tcp://api.example:9000", "", "x", "//api.example/", "ftp://api.example/", "file:///etc/passwd", "https:///x",
		"https://user@api.example/", "https://user:w0rd@api.example/", "https://api.example@evil/", "https://@evil/",
		"https://api.example/#x", "https://api.example/#", "https://api.example:/", "https://api.example./",
		"https://api.example\\@evil/", "https://api.example/ x", "https://api.example/\tx", "https://api.exämple/",
		"https://api.example/ä", "https://%61pi.example/", "https://[::1%25eth0]/", "https://[api.example]/",
		"https://api.example/../x", "https://api.example/%2e%2e/x", "https://api.example/%zz", "https://api.example/%",
		"https:api.example/", "https://api.example:99999999/x y", "https://api.example/{secret:A}"} {
		if u, err := URL(text); err == nil {
			t.Errorf("%q is taken for %s", text, u)
		} else if text != "" && strings.Contains(err.Error(), "w0rd") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	for _, text := range []string{"https://*.example/", "https://api.example/v1*", "https://api.example/*/x",
		"tcp://feed.example", "tls://feed.example:9000/*x", "tcp://feed.example:9000/x",
		"https://api.example/?a", "https://api.example/v1/*?a", "*", "https://api.example/**"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q is a place", text)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, text := range []string{"https://api.example/v1/chat?q=1", "http://[::1]:80/a%2Fb/../c",
		"https://A.b//c/./d", "https://api.example/v1/%252e%252e/x", "http://127.0.0.1", "https://u:p@h/x#y"} {
		f.Add(text)
	}
	inside, err := Parse("https://api.example/v1/*")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := URL(text)
		if err != nil {
			return
		}
		sent := u.String()
		again, err := URL(sent)
		if err != nil || again.String() != sent {
			t.Fatalf("%q is sent as %q, which is %v (%v)", text, sent, again, err)
		}
		if inside.Has(u) != inside.Has(again) {
			t.Fatalf("%q is at the place, or not, as it is written", text)
		}
		// whoever reads what is sent finds the same host, and a path that nothing leads out of
		read, err := url.Parse(sent)
		if err != nil || read.Hostname() != u.Hostname() || read.User != nil || strings.Contains(sent, "\\") {
			t.Fatalf("%q is sent as %q, which others read as %v (%v)", text, sent, read, err)
		}
		if inside.Has(u) && (read.Hostname() != "api.example" ||
			!strings.HasPrefix(protocol.ResolvePath(read.Path), "/v1/")) {
			t.Fatalf("%q is at the place, and %q is not", text, sent)
		}
	})
}
