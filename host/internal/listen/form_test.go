package listen

import (
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

const boundary = "----x"

// parts writes a multipart body by hand: each part is its header lines, an empty line and its content.
func parts(all ...string) string {
	var b strings.Builder
	for _, p := range all {
		b.WriteString("--" + boundary + "\r\n" + p + "\r\n")
	}
	return b.String() + "--" + boundary + "--\r\n"
}

func (h *house) post(body string) (status int) {
	h.t.Helper()
	resp, _ := h.do("POST", "/", strings.NewReader(body), "Content-Type",
		`multipart/form-data; boundary="`+boundary+`"`)
	return resp.StatusCode
}

func TestAFormIsTakenApartForTheWorker(t *testing.T) {
	var got protocol.Request
	var paths, contents []string
	h := start(t, func(c *call) {
		got = c.request
		for _, f := range c.request.Form.Files {
			b, _ := os.ReadFile(f.Path)
			contents = append(contents, string(b))
			paths = append(paths, f.Path)
			if f.Path != "" {
				if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != 0o600 {
					t.Error(info, err)
				}
				if info, err := os.Stat(filepath.Dir(f.Path)); err != nil || info.Mode().Perm() != 0o700 {
					t.Error(info, err)
				}
			}
		}
		if len(paths) > 0 {
			os.Rename(paths[0], paths[0]+".moved")
			os.Rename(paths[0]+".moved", filepath.Join(t.TempDir(), "kept"))
		}
		hello(c)
	})
	h.backend.traits = protocol.Traits{Forms: true, WholeBody: true}
	status := h.post("preamble\r\n" + parts(
		"Content-Disposition: form-data; name=\"a[]\"\r\n\r\n1",
		"Content-Disposition: form-data; name=\"a[]\"\r\n\r\nzw\xc3\xb6lf\r\n--not",
		"Content-Disposition: form-data; name=\"f\"; filename=\"C:\\dir\\sub/n\xc3\xa4me.txt\"\r\nContent-Type: "+
			"text/plain; charset=x\r\n\r\nhello\r\n",
		"Content-Disposition: form-data; name=\"none\"; filename=\"\"\r\nContent-Type: "+
			"application/octet-stream\r\n\r\n",
		"content-disposition: form-data; name=g; filename=e\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41",
	) + "epilogue")
	if status != 200 {
		t.Fatal(status, h.logged)
	}
	if want := "[a[] 1 a[] zwölf\r\n--not]"; fmt.Sprint(got.Form.Fields) != want {
		t.Errorf("fields %q", got.Form.Fields)
	}
	for i := range got.Form.Files {
		got.Form.Files[i].Path = ""
	}
	if want := `[{f C:\dir\sub/näme.txt text/plain 7  0} {none   0  4} {g e  3  0}]`; fmt.Sprint(
		got.Form.Files) != want {
		t.Errorf("files %v", got.Form.Files)
	}
	if fmt.Sprintf("%q", contents) != `["hello\r\n" "" "=41"]` || got.Flags != protocol.FlagEnd || len(got.Body) > 0 {
		t.Errorf("%q %v", contents, got.Flags)
	}
	h.backend.busy.Wait()
	if _, err := os.Stat(filepath.Dir(paths[0])); err == nil {
		t.Error("the files are still there")
	}
}

// What is expected is what PHP 8.2 makes of the same bytes behind nginx.
func TestAFormThatIsNotWholeIsTakenAsPHPTakesIt(t *testing.T) {
	const a, b = "--" + boundary + "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n",
		"--" + boundary + "\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n2"
	const next, last = "\r\n--" + boundary, "\r\n--" + boundary + "--\r\n"
	var got *protocol.Form
	h := start(t, func(c *call) {
		got = c.request.Form
		for i := range got.Files {
			if got.Files[i].Path != "" {
				got.Files[i].Path = "there"
			}
		}
		hello(c)
	})
	h.backend.traits = protocol.Traits{Forms: true, WholeBody: true}
	for name, test := range map[string]struct{ body, fields, files string }{
		"without its last boundary":      {a + b + "\r\n3", "[a 1 b 2\r\n3]", "[]"},
		"cut in its last boundary":       {a + b + next[:5], "[a 1 b 2]", "[]"},
		"cut behind a boundary":          {a + b + next, "[a 1 b 2]", "[]"},
		"cut at the beginning of a part": {a + b + next + "\r\n", "[a 1 b 2]", "[]"},
		"cut in the head of a part": {a + b + next + "\r\nContent-Disposition: form-data; name=\"c\"",
			"[a 1 b 2]", "[]"},
		"cut in a file": {a + "--" + boundary + "\r\nContent-Disposition: form-data; " +
			"name=\"f\"; filename=\"d/x.txt\"\r\nContent-Type: text/plain\r\n\r\nabc", "[a 1]", "[{f d/x.txt  0  3}]"},
		"with a part without a disposition": {a + "--" + boundary + "\r\nContent-Type: text/plain\r\n\r\nabc\r\n" + b +
			last, "[a 1 b 2]", "[]"},
		"with a part without a name": {a + "--" + boundary +
			"\r\nContent-Disposition: form-data\r\n\r\nabc\r\n" + b + last, "[a 1]", "[]"},
		"with files without names": {"--" + boundary +
			"\r\nContent-Disposition: form-data; filename=x\r\n\r\nabc" + next +
			"\r\nContent-Disposition: form-data; filename=y\r\n\r\nab\r\n" + b + last, "[b 2]",
			"[{0 x  3 there 0} {1 y  2 there 0}]"},
		"with a part that is no form-data": {"--" + boundary +
			"\r\nContent-Disposition: attachment; name=f\r\n\r\nabc" + last, "[f abc]", "[]"},
	} {
		got = nil
		if status := h.post(test.body); status != 200 || got == nil {
			t.Errorf("%s: %d", name, status)
		} else if fmt.Sprint(got.Fields) != test.fields || fmt.Sprint(got.Files) != test.files {
			t.Errorf("%s: %q, %v", name, got.Fields, got.Files)
		}
	}
	if !strings.Contains(h.logged.String(), "a part without a name") {
		t.Errorf("the log: %s", h.logged.String())
	}
	h.backend.busy.Wait()
}

func TestOnlyMultipartFormsAreTakenApart(t *testing.T) {
	h := start(t, func(c *call) {
		if c.request.Form != nil {
			t.Error("parsed")
		}
		c.whole(200, string(c.readAll()))
	})
	h.backend.traits = protocol.Traits{Forms: true, WholeBody: true}
	kinds := []string{"application/x-www-form-urlencoded", "multipart/mixed; boundary=x",
		"multipart/form-data-x; boundary=x", ""}
	for _, kind := range kinds {
		if _, got := h.do("POST", "/", strings.NewReader("a=b"), "Content-Type", kind); got != "a=b" {
			t.Errorf("%s: %q", kind, got)
		}
	}
}

func TestFormsOverTheLimitsAre413AndMalformedOnes400(t *testing.T) {
	file := func(content string) string {
		return "Content-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n" + content
	}
	field := func(content string) string { return "Content-Disposition: form-data; name=\"f\"\r\n\r\n" + content }
	for name, test := range map[string]struct {
		body string
		want int
	}{
		"just right":    {parts(file(strings.Repeat("x", 1000)), file("2"), field("1"), field("2"), field("3")), 200},
		"files":         {parts(file("1"), file("2"), file("3")), 413},
		"a file's size": {parts(file(strings.Repeat("x", 1001))), 413},
		"fields":        {parts(field("1"), field("2"), field("3"), field("4")), 413},
		"fields' size":  {parts(field(strings.Repeat("x", 600<<10)), field(strings.Repeat("x", 600<<10))), 413},
		"all of it":     {parts(field(strings.Repeat("x", 3<<20))), 413},
		"a name's size": {parts("Content-Disposition: form-data; name=\"" + strings.Repeat("x", 1<<20) +
			"\"\r\n\r\n1"), 413},
		"the quota":  {parts(file(strings.Repeat("x", 900)), file(strings.Repeat("x", 900))), 503},
		"not a form": {"abc", 400},
		"bad header": {parts("Content-Disposition\r\n\r\n1"), 400},
	} {
		h := start(t, hello, func(o *Options) {
			o.Limits.MaxFormFiles, o.Limits.MaxFormFileSize, o.Limits.MaxFormFields, o.Limits.MaxBody = 2, 1000, 3,
				2<<20
			o.Spool = spool.New(t.TempDir(), 1500, o.Logger)
		})
		h.backend.traits = protocol.Traits{Forms: true}
		if got := h.post(test.body); got != test.want {
			t.Errorf("%s: %d, expected %d", name, got, test.want)
		}
		if got := h.backend.calls.Load(); (test.want == 200) != (got == 1) {
			t.Errorf("%s: %d calls", name, got)
		}
	}
}

func TestALargeFormTakesLittleMemory(t *testing.T) {
	h := start(t, func(c *call) { c.whole(200, fmt.Sprint(c.request.Form.Files[0].Size)) })
	h.backend.traits = protocol.Traits{Forms: true, WholeBody: true}
	r, w := io.Pipe()
	m := multipart.NewWriter(w)
	go func() {
		f, _ := m.CreateFormFile("f", "big.bin")
		io.Copy(f, io.LimitReader(zeros{}, 32<<20))
		m.Close()
		w.Close()
	}()
	if heap := heapGrowth(func() {
		if _, got := h.do("POST", "/", r, "Content-Type", m.FormDataContentType()); got != fmt.Sprint(32<<20) {
			t.Errorf("got %s", got)
		}
	}); heap > 24<<20 {
		t.Errorf("the heap grew by %d MiB", heap>>20)
	}
}
