// How the tests of this package spell their requests.

package ecosystem

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing/fstest"
)

// get is a request without a body; fields are lines such as "Accept: */*".
func get(path string, fields ...string) string { return request("GET", path, "", fields...) }

func request(method, path, body string, fields ...string) string {
	if body != "" {
		fields = append(fields, fmt.Sprint("Content-Length: ", len(body)))
	}
	lines := append([]string{method + " " + path + " HTTP/1.1", "Host: example.org"}, fields...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

const (
	json = "Content-Type: application/json"
	form = "Content-Type: application/x-www-form-urlencoded"
)

// multipart is a body with a field and a file, and its type.
const (
	multipart = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\n\r\ncontent\r\n--b--\r\n"
	multipartType = "Content-Type: multipart/form-data; boundary=b"
)

// large is more than fits where small answers do.
var large = strings.Repeat("a large text\n", 1000)

// tree is what programs serve of files.
var tree = fstest.MapFS{"large.txt": {Data: []byte(large)}, "sub/index.html": {Data: []byte("<p>page</p>")}}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }
