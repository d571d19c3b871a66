package httppool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/httppool"
	"github.com/workerhost/workerhost/host/internal/goroutines"
	sdk "github.com/workerhost/workerhost/sdk-go"
	"github.com/workerhost/workerhost/workers"
)

const asWorker = "HTTPPOOL_TEST_WORKER"

// TestMain is the worker's program, too.
func TestMain(m *testing.M) {
	if os.Getenv(asWorker) != "" {
		if err := sdk.Serve(http.HandlerFunc(work)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// the race detector has a program wait for a second at its exit: the workers, not this one, which has read it
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	os.Exit(goroutines.Main(m, "workerhost/"))
}

// work answers as the path says.
func work(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		w.Header().Set("Trailer", "X-Bytes")
		n, _ := io.Copy(w, r.Body)
		w.Header().Set("X-Bytes", fmt.Sprint(n))
	case "/head":
		w.Header().Set("X-Method", r.Method+" "+r.Host+" "+r.RemoteAddr+" "+r.Header.Get("X-Asks"))
		w.WriteHeader(http.StatusTeapot)
	case "/large":
		piece := bytes.Repeat([]byte("x"), 1<<20)
		for range 16 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	case "/hints":
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "hinted")
	case "/broken":
		io.WriteString(w, "some of it")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/chat":
		w.Header().Set("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		io.Copy(c, rw)
	case "/dies":
		os.Exit(3)
	case "/waits":
		io.WriteString(w, "begun")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		os.WriteFile(r.URL.Query().Get("tell"), nil, 0o600)
	case "/form":
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		file, _, err := r.FormFile("file")
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		text, _ := io.ReadAll(file)
		fmt.Fprintf(w, "%s %s", r.FormValue("name"), text)
	default:
		fmt.Fprintf(w, "hello from %s", os.Getenv("RELEASE"))
	}
}

// start has a pool of two workers.
func start(t testing.TB, o httppool.Options, change ...func(*workers.Settings)) *httppool.Pool {
	t.Helper()
	s := workers.Settings{Command: []string{os.Args[0]}, Workers: 2,
		Env: append(os.Environ(), asWorker+"=1", "RELEASE=1")}
	for _, f := range change {
		f(&s)
	}
	pool, err := httppool.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Stop(context.Background()) })
	return pool
}

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// do asks both ways: by Do, and as a client of a server with the pool's handler.
func do(
	t *testing.T, pool *httppool.Pool,
	ask func(t *testing.T, do func(*http.Request) (*http.Response, error), base string),
) {
	t.Helper()
	t.Run("Do", func(t *testing.T) {
		ask(t, func(r *http.Request) (*http.Response, error) { return pool.Do(r.Context(), r) }, "http://a.test")
	})
	t.Run("Handler", func(t *testing.T) {
		server := httptest.NewServer(pool.Handler())
		defer server.Close()
		ask(t, server.Client().Do, server.URL)
	})
}

func TestBothWaysGiveWhatTheWorkerAnswers(t *testing.T) {
	pool := start(t, httppool.Options{})
	long := strings.Repeat("0123456789", 300_000) // more than a window
	do(t, pool, func(t *testing.T, do func(*http.Request) (*http.Response, error), base string) {
		for _, body := range []string{"", "short", long} {
			resp, err := do(request(t, "POST", base+"/echo", strings.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			if resp.Body.Close(); string(got) != body || err != nil || resp.StatusCode != 200 {
				t.Errorf("%d bytes came back as %d: %v %v", len(body), len(got), resp.Status, err)
			}
			if n := resp.Trailer.Get("X-Bytes"); body == long && n != fmt.Sprint(len(body)) {
				t.Errorf("the trailer says %q", n)
			}
		}
		ask := request(t, "HEAD", base+"/head?a=b", nil)
		ask.Header.Set("X-Asks", "me")
		ask.Host = "other.test"
		resp, err := do(ask)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		said := resp.Header.Get("X-Method")
		if resp.StatusCode != 418 || !strings.HasPrefix(said, "HEAD other.test") || !strings.HasSuffix(said, " me") {
			t.Errorf("%v %q", resp.Status, said)
		}
	})
}

func TestABodyOfUnknownLengthIsSentAsItComes(t *testing.T) {
	pool := start(t, httppool.Options{}, func(s *workers.Settings) { s.StreamBody = true })
	do(t, pool, func(t *testing.T, do func(*http.Request) (*http.Response, error), base string) {
		reader, writer := io.Pipe()
		go func() {
			for i := range 100 {
				fmt.Fprintf(writer, "%0100d", i)
			}
			writer.Close()
		}()
		resp, err := do(request(t, "POST", base+"/echo", reader))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); len(got) != 100*100 || err != nil {
			t.Errorf("%d bytes: %v", len(got), err)
		}
	})
}

func TestFormsAndTheirFilesReachTheWorker(t *testing.T) {
	pool := start(t, httppool.Options{})
	do(t, pool, func(t *testing.T, do func(*http.Request) (*http.Response, error), base string) {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		form.WriteField("name", "report")
		file, _ := form.CreateFormFile("file", "a.txt")
		io.WriteString(file, "its text")
		form.Close()
		r := request(t, "POST", base+"/form", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		resp, err := do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, _ := io.ReadAll(resp.Body); string(got) != "report its text" {
			t.Errorf("%s %q", resp.Status, got)
		}
	})
}

func TestEarlyHintsComeBeforeTheResponse(t *testing.T) {
	pool := start(t, httppool.Options{})
	do(t, pool, func(t *testing.T, do func(*http.Request) (*http.Response, error), base string) {
		var hints atomic.Value
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints.Store(fmt.Sprint(code, h.Get("Link")))
				return nil
			}})
		resp, err := do(request(t, "GET", base+"/hints", nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, _ := io.ReadAll(resp.Body); string(got) != "hinted" || hints.Load() != "103</a.css>" {
			t.Errorf("%q, and before %v", got, hints.Load())
		}
	})
}

func TestABrokenResponseNeverLooksWhole(t *testing.T) {
	pool := start(t, httppool.Options{})
	do(t, pool, func(t *testing.T, do func(*http.Request) (*http.Response, error), base string) {
		resp, err := do(request(t, "GET", base+"/broken", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); err == nil && resp.StatusCode == http.StatusOK {
			t.Errorf("%q looks whole", got)
		}
		resp, err = do(request(t, "POST", base+"/dies", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusBadGateway {
			t.Errorf("a worker that died: %s", resp.Status)
		}
	})
}

func TestWhoeverLeavesCancelsTheRequest(t *testing.T) {
	pool := start(t, httppool.Options{})
	do(t, pool, func(t *testing.T, do func(*http.Request) (*http.Response, error), base string) {
		for name, leave := range map[string]func(*http.Response, context.CancelFunc){
			"by its context":      func(_ *http.Response, cancel context.CancelFunc) { cancel() },
			"by closing the body": func(r *http.Response, _ context.CancelFunc) { r.Body.Close() },
		} {
			tell := filepath.Join(t.TempDir(), "told")
			ctx, cancel := context.WithCancel(t.Context())
			resp, err := do(request(t, "GET", base+"/waits?tell="+tell, nil).WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			leave(resp, cancel)
			for until := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
				if _, err := os.Stat(tell); err == nil {
					break
				}
				if time.Now().After(until) {
					t.Fatalf("left %s, and the worker goes on", name)
				}
			}
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("left %s, and the response looks whole", name)
			}
			resp.Body.Close()
			cancel()
		}
	})
}

func TestDoEndsWithItsContext(t *testing.T) {
	pool := start(t, httppool.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if resp, err := pool.Do(ctx, request(t, "GET", "http://a.test/", nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v %v", resp, err)
	}
}

func TestReloadUnderLoadFailsNoRequest(t *testing.T) {
	pool := start(t, httppool.Options{})
	stop := make(chan struct{})
	var all sync.WaitGroup
	var asked atomic.Int64
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := pool.Do(t.Context(), request(t, "GET", "http://a.test/", nil))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				if resp.Body.Close(); resp.StatusCode != 200 || err != nil || string(got) != "hello from 1" {
					t.Errorf("%s %q %v", resp.Status, got, err)
				}
				asked.Add(1)
			}
		})
	}
	for range 3 {
		if err := pool.Reload().Follow(t.Context(), func(workers.Event) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	all.Wait()
	if asked.Load() == 0 {
		t.Error("there was no load")
	}
}

func TestWhatIsTooLargeIs413(t *testing.T) {
	pool := start(t, httppool.Options{MaxBody: 10})
	do(t, pool, func(t *testing.T, do func(*http.Request) (*http.Response, error), base string) {
		resp, err := do(request(t, "POST", base+"/echo", strings.NewReader("more than ten bytes")))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Error(resp.Status)
		}
	})
}

func TestABodyThatStallsIs408(t *testing.T) {
	pool := start(t, httppool.Options{ReadTimeout: 50 * time.Millisecond})
	reader, writer := io.Pipe()
	defer writer.Close()
	resp, err := pool.Do(t.Context(), request(t, "POST", "http://a.test/echo", reader))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusRequestTimeout {
		t.Error(resp.Status)
	}
}

func TestPublicFilesComeBeforeTheWorkers(t *testing.T) {
	folder := t.TempDir()
	os.WriteFile(filepath.Join(folder, "a.txt"), []byte("a file"), 0o600)
	pool := start(t, httppool.Options{Public: folder})
	do(t, pool, func(t *testing.T, do func(*http.Request) (*http.Response, error), base string) {
		resp, err := do(request(t, "GET", base+"/a.txt", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, _ := io.ReadAll(resp.Body); string(got) != "a file" || resp.ContentLength != 6 {
			t.Errorf("%s %q", resp.Status, got)
		}
	})
	_, err := httppool.New(workers.Settings{Command: []string{"x"}}, httppool.Options{Public: folder + "/no"})
	if err == nil {
		t.Error("a folder that is not there is served")
	}
}

func TestTheLoggerIsToldOfWorkers(t *testing.T) {
	var mu sync.Mutex
	var said bytes.Buffer
	log := slog.New(slog.NewJSONHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return said.Write(p)
	}), nil))
	pool := start(t, httppool.Options{Logger: log})
	if resp, err := pool.Do(t.Context(), request(t, "POST", "http://a.test/dies", nil)); err == nil {
		resp.Body.Close()
	}
	pool.Stop(context.Background())
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(said.String(), `"level":"ERROR"`) || !strings.Contains(said.String(), `"generation":1`) {
		t.Errorf("it was told %s", said.String())
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestALargeResponseIsReadInPieces(t *testing.T) {
	pool := start(t, httppool.Options{ResponseBuffer: 64 << 10})
	resp, err := pool.Do(t.Context(), request(t, "GET", "http://a.test/large", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n != 16<<20 || err != nil {
		t.Errorf("%d bytes: %v", n, err)
	}
}
