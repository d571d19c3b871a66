// Multipart forms, which the host takes apart.

package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// sentForm is what the pages' /form makes of one.
type sentForm struct {
	Form  any
	Body  string
	Files []struct {
		Field, Name, Type, Path, Sum string
		Size                         int64
		Error                        int
	}
}

// post sends a form, built by fill, to /form.
func post(h *harness.Host, fill func(*multipart.Writer)) (code int, got sentForm) {
	h.T.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	fill(w)
	w.Close()
	resp, err := http.Post(h.URL+"/form", w.FormDataContentType(), &b)
	if err != nil {
		h.T.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode == 200 {
		if err := json.Unmarshal(text, &got); err != nil {
			h.T.Fatalf("%v in %s", err, text)
		}
	}
	return resp.StatusCode, got
}

func file(w *multipart.Writer, field, name, content string) {
	part, _ := w.CreateFormFile(field, name)
	io.WriteString(part, content)
}

func TestFormsArriveAsPHPKnowsThem(t *testing.T) {
	t.Parallel()
	dir, spool := harness.Pages(t, "1"), t.TempDir()
	h := harness.StartPHP(t, dir, "spool_directory = \""+spool+"\"", "workers = 1", "")
	big, sum := harness.Body(5 << 20)
	code, got := post(h, func(w *multipart.Writer) {
		w.WriteField("plain", "value & = ü")
		w.WriteField("list[]", "a")
		w.WriteField("list[]", "b")
		w.WriteField("map[one][two][]", "deep")
		w.WriteField("with.dot", "dotted")
		file(w, "docs[a][]", "größe 📄.txt", "small")
		file(w, "docs[a][]", "../../etc/passwd", big)
		file(w, "empty", "empty.txt", "")
		file(w, "none", "", "")
		file(w, "keep", "keep.bin", "to be kept")
	})
	if code != 200 {
		t.Fatalf("%d", code)
	}
	want := map[string]any{"plain": "value & = ü", "list": []any{"a", "b"},
		"map": map[string]any{"one": map[string]any{"two": []any{"deep"}}}, "with_dot": "dotted"}
	if !reflect.DeepEqual(got.Form, want) {
		t.Errorf("the fields are %#v", got.Form)
	}
	if got.Body != "" {
		t.Errorf("the body is %q", got.Body)
	}
	var files []string
	for _, f := range got.Files {
		files = append(files, fmt.Sprintf("%s %q %d %d", f.Field, f.Name, f.Size, f.Error))
		if _, err := os.Stat(f.Path); f.Path != "" && err == nil {
			h.Eventually(f.Path+" is removed", func() bool { _, err := os.Stat(f.Path); return err != nil })
		}
		if f.Path != "" && !strings.HasPrefix(f.Path, spool) {
			t.Errorf("%s was spooled at %s", f.Name, f.Path)
		}
	}
	if wanted := []string{`docs[a][] "größe 📄.txt" 5 0`, `docs[a][] "passwd" 5242880 0`, `empty "empty.txt" 0 0`,
		`none "" 0 4`, `keep "keep.bin" 10 0`}; !reflect.DeepEqual(files, wanted) {
		t.Errorf("the files are\n%s", strings.Join(files, "\n"))
	}
	if len(got.Files) > 1 && got.Files[1].Sum != sum {
		t.Errorf("the large file came as %s", got.Files[1].Sum)
	}
	if kept := harness.ReadFile(t, filepath.Join(dir, "kept")); kept != "to be kept" {
		t.Errorf("moveTo kept %q", kept)
	}
	if fmt.Sprintf("%x", sha256.Sum256([]byte(big))) != sum {
		t.Error("the test's own sum is wrong")
	}
	// Also when the worker dies with the form.
	code, _ = postTo(h, "/exit", func(w *multipart.Writer) {
		file(w, "lost", "lost.txt", strings.Repeat("x", 100_000))
	})
	if code != 500 {
		t.Errorf("exit with a form: %d", code)
	}
	h.Eventually("no upload is left", func() bool {
		left := 0
		filepath.WalkDir(spool, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && d.Name() != "lock" {
				left++
			}
			return nil
		})
		return left == 0
	})
}

func postTo(h *harness.Host, path string, fill func(*multipart.Writer)) (int, string) {
	h.T.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	fill(w)
	w.Close()
	resp, err := http.Post(h.URL+path, w.FormDataContentType(), &b)
	if err != nil {
		h.T.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// Webhooks are signed over the very bytes.
func TestAURLEncodedFormKeepsItsBytes(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "", "workers = 1", "")
	const raw = "b=2&a=1&a[]=3&c%20d=%C3%BC+x&b=again"
	resp, err := http.Post(h.URL+"/echo", "application/x-www-form-urlencoded", strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Body string
		Form map[string]any
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Body != raw || !reflect.DeepEqual(got.Form, map[string]any{"b": "again", "a": []any{"3"}, "c_d": "ü x"}) {
		t.Errorf("%+v", got)
	}
}

func TestFormsBeyondTheLimitsAreRefused(t *testing.T) {
	t.Parallel()
	spool := t.TempDir()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "max_form_files = 2\nmax_form_file_size = "+
		"\"10KiB\"\nmax_form_fields = 3\nmax_body = \"100KiB\"\nspool_directory = \""+spool+"\"", "workers = 1", "")
	for name, c := range map[string]struct {
		code int
		fill func(*multipart.Writer)
	}{
		"within all limits": {200, func(w *multipart.Writer) {
			file(w, "a", "a", strings.Repeat("a", 10<<10))
			file(w, "b", "b", "b")
			w.WriteField("1", "")
			w.WriteField("2", "")
			w.WriteField("3", "")
		}},
		"too many files": {413, func(w *multipart.Writer) {
			file(w, "a", "a", "a")
			file(w, "b", "b", "b")
			file(w, "c", "c", "c")
		}},
		"a file too long": {413, func(w *multipart.Writer) { file(w, "a", "a", strings.Repeat("a", 10<<10+1)) }},
		"too many fields": {413, func(w *multipart.Writer) {
			for range 4 {
				w.WriteField("f", "v")
			}
		}},
		"a body too long": {413, func(w *multipart.Writer) { w.WriteField("f", strings.Repeat("v", 101<<10)) }},
	} {
		if code, _ := post(h, c.fill); code != c.code {
			t.Errorf("%s: %d", name, code)
		}
	}
	const disposition = "Content-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n"
	for name, c := range map[string]struct{ contentType, body string }{
		"no first boundary": {"multipart/form-data; boundary=b", "nothing of the kind"},
		"a broken header": {"multipart/form-data; boundary=b",
			"--b\r\nContent-Disposition\r\n\r\nwhat am I\r\n--b--\r\n"},
	} {
		resp, err := http.Post(h.URL+"/form", c.contentType, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	if _, text := h.Get("/hello"); text != "hello 1" {
		t.Errorf("afterwards %q", text)
	}
	// A client that leaves within a file leaves nothing behind.
	c := h.Dial()
	c.Send("POST /form HTTP/1.1\r\nHost: here\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: " +
		"50000\r\n\r\n--b\r\n" + disposition + "\r\n" + strings.Repeat("x", 5000))
	c.Close()
	h.Eventually("the files of refused forms are removed", func() bool {
		left := 0
		filepath.WalkDir(spool, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && d.Name() != "lock" {
				left++
			}
			return nil
		})
		return left == 0
	})
}
