package listen

import (
	"fmt"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// What is expected is what PHP 8.2 takes, but that it keeps blanks around a boundary, and finds no part then.
var boundaries = map[string]string{
	"multipart/form-data; boundary=abc":                      "abc",
	"Multipart/Form-Data; Boundary=aBc":                      "aBc",
	"multipart/form-data;boundary=abc":                       "abc",
	"multipart/form-data, boundary=abc":                      "abc",
	"multipart/form-data boundary=abc":                       "abc",
	`multipart/form-data; boundary="abc"`:                    "abc",
	`multipart/form-data; boundary="a b;c,d"`:                "a b;c,d",
	`multipart/form-data; boundary="a:b/c=d"; charset=x`:     "a:b/c=d",
	"multipart/form-data; boundary=a/b:c=d?e(f)g@h<i>[j]":    "a/b:c=d?e(f)g@h<i>[j]",
	"multipart/form-data; boundary=----=_Part_1_2.3":         "----=_Part_1_2.3",
	"multipart/form-data; boundary=a=b; charset=utf-8":       "a=b",
	"multipart/form-data; boundary=abc, x":                   "abc",
	"multipart/form-data; charset=utf-8; boundary=abc":       "abc",
	"multipart/form-data; charset=utf-8; boundary = abc ; x": "abc",
	"multipart/form-data; boundary=a'b":                      "a'b",
	"multipart/form-data; boundary=\xe4\xf6":                 "\xe4\xf6",
	"multipart/form-data; boundary=abc; boundary=def":        "abc",
}

func TestAFormWithAnyBoundaryReachesTheWorker(t *testing.T) {
	var got *protocol.Form
	h := start(t, func(c *call) {
		got = c.request.Form
		hello(c)
	})
	h.backend.traits = protocol.Traits{Forms: true, WholeBody: true}
	for kind, boundary := range boundaries {
		got = nil
		body := "--" + boundary + "\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--" + boundary + "--\r\n"
		resp, _ := h.do("POST", "/", strings.NewReader(body), "Content-Type", kind)
		if resp.StatusCode != 200 || got == nil || fmt.Sprint(got.Fields) != "[a 1]" {
			t.Errorf("%s: %s, %v", kind, resp.Status, got)
		}
	}
}

func TestAFormWhoseBoundaryCantBeFoundIsRefusedAndTold(t *testing.T) {
	h := start(t, hello)
	h.backend.traits = protocol.Traits{Forms: true, WholeBody: true}
	for kind, why := range map[string]string{
		"multipart/form-data":                 "names no boundary",
		"multipart/form-data; charset=x":      "names no boundary",
		"multipart/form-data; boundary":       "names no boundary",
		"multipart/form-data; boundary=":      "names no boundary",
		`multipart/form-data; boundary=""`:    "names no boundary",
		"multipart/form-data; boundary=; x=y": "names no boundary",
		`multipart/form-data; boundary="abc`:  "never closed",
	} {
		before := len(h.logged.String())
		if resp, _ := h.do("POST", "/", strings.NewReader("--abc--"), "Content-Type", kind); resp.StatusCode != 400 {
			t.Errorf("%s: %s", kind, resp.Status)
		}
		if told := h.logged.String()[before:]; !strings.Contains(told, why) {
			t.Errorf("%s: the log says %q", kind, told)
		}
	}
	if n := h.backend.calls.Load(); n != 0 {
		t.Errorf("%d of them reached a worker", n)
	}
}
