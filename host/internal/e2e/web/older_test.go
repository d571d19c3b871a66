// Older code, which knows PHP's manual and no SDK: what it prints is the body, and what came is where it looks for it.

package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestWhatOlderCodePrintsIsTheBodyAndIsStreamed(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
		Worker::create()->superglobals(capture: true)->onRequest(function (Request $request) {
			switch ($request->path) {
				case '/file':
					while (ob_get_level()) ob_end_clean();
					readfile(__DIR__ . '/big');
					break;
				case '/stream':
					echo "a\n"; ob_flush(); flush();
					while (!is_file(__DIR__ . '/go')) { usleep(1000); clearstatcache(); }
					echo "b\n";
					break;
				case '/exit':
					echo 'before exit';
					exit;
				default:
					echo shell_exec(PHP_BINARY . " -r \"flush(); echo 'a program of its own';\"");
			}
		})->run();`)
	big, _ := harness.Body(3 << 20)
	harness.Write(t, dir, "big", big)
	h := harness.StartPHP(t, dir, "", "workers = 1", "")
	for range 2 {
		if code, text := h.Get("/file"); code != 200 || text != big {
			t.Errorf("a file: %d, %d bytes", code, len(text))
		}
	}
	resp, err := http.Get(h.URL + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if line, err := body.ReadString('\n'); line != "a\n" {
		t.Errorf("%q, %v", line, err)
	}
	harness.Write(t, dir, "go", "")
	if line, err := body.ReadString('\n'); line != "b\n" {
		t.Errorf("%q, %v", line, err)
	}
	if _, text := h.Get("/exit"); text != "before exit" {
		t.Errorf("%q", text)
	}
	if code, text := h.Get("/"); code != 200 || text != "a program of its own" {
		t.Errorf("what a worker starts: %d %q", code, text)
	}
}

func TestOlderCodeFindsWhatCameWhereItLooks(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
		Worker::create()->superglobals()->onRequest(fn () => [
			$_SERVER['SERVER_PROTOCOL'], $_SERVER['SERVER_ADDR'], $_SERVER['DOCUMENT_ROOT'], $_COOKIE, $_POST,
			array_map(fn ($f) => [$f['name'], $f['full_path'], $f['error'], is_uploaded_file($f['tmp_name'])], $_FILES),
			file_get_contents('php://input'), getallheaders()['X-Odd'] ?? null, filter_input(INPUT_POST, 'a', FILTER_VALIDATE_INT),
		])->run();`)
	harness.Must(t, os.Mkdir(filepath.Join(dir, "public"), 0o755))
	h := harness.StartPHP(t, dir, "public = \"public\"", "workers = 1", "")
	form := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"dir/f.txt\"\r\n\r\nabc\r\n--x"
	for _, test := range []struct{ kind, body, want string }{
		{"application/json", `{"a":1}`, `[],[],"{\"a\":1}","1",null`},
		{"application/x-www-form-urlencoded", "a=1", `{"a":"1"},[],"a=1","1",1`},
		{"multipart/form-data; boundary=x", form, `{"a":"1"},{"f":["f.txt","dir\/f.txt",0,true]},"","1",1`},
	} {
		c := h.Dial()
		c.Sendf("POST / HTTP/1.1\r\nHost: [::1]\r\nCookie: q=\"a\"; p[]=1; p[]=2\r\nX-oDD: 1\r\nContent-Type: "+
			"%s\r\nContent-Length: %d\r\n\r\n%s", test.kind, len(test.body), test.body)
		text, err := c.OK("POST")
		root, _ := json.Marshal(filepath.Join(dir, "public"))
		want := fmt.Sprintf(`["HTTP/1.1","%s",%s,{"q":"\"a\"","p":["1","2"]},%s]`, strings.Split(h.Addr, ":")[0], root,
			strings.ReplaceAll(test.want, `\/`, "/"))
		if err != nil || text != want {
			t.Errorf("%s: %v\n got %s\nwant %s", test.kind, err, text, want)
		}
	}
}
