//go:build unix

package crash

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAnUploadOfAKilledHostIsGoneOnceTheNextHasStarted(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `Worker::create()->onRequest(function (Request $r) {
		if ($r->path === '/upload') { sleep(60); }
		return Response::text('fine');
	})->run();`)
	spool := t.TempDir()
	http1 := fmt.Sprintf("spool_directory = %q", spool)
	h := harness.StartPHP(t, dir, http1, "workers = 1", "")
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	file, err := w.CreateFormFile("file", "a.txt")
	harness.Must(t, err)
	file.Write([]byte("an upload"))
	harness.Must(t, w.Close())
	go http.Post(h.URL+"/upload", w.FormDataContentType(), &form) // it ends with its host
	uploads := func() []string {
		all, err := filepath.Glob(filepath.Join(spool, "*", "form-*", "*"))
		harness.Must(t, err)
		return all
	}
	h.Eventually("an upload waits on disk", func() bool { return len(uploads()) == 1 })
	h.Kill(syscall.SIGKILL)
	<-h.Exited
	if len(uploads()) != 1 {
		t.Fatal("it went with its host, and the test is of no use")
	}
	next := harness.StartPHP(t, dir, http1, "workers = 1", "")
	next.Eventually("it is gone", func() bool { return len(uploads()) == 0 })
}
