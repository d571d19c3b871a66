package web

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// startHTTP3 serves the pages in cleartext, and over TLS with HTTP/3; turn switches that.
func startHTTP3(t *testing.T) (h *harness.Host, dir, address string, turn func(on bool)) {
	t.Helper()
	dir = harness.Pages(t, "1")
	harness.Certificate(t, dir, 1)
	plain, address := harness.FreeAddress(t), harness.FreeAddress(t)
	write := func(on bool) {
		harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\n"+
			"tls = { certificate = \"cert.pem\", key = \"key.pem\" }\nhttp3 = %v\n"+
			"[http]\naccess_log = \"access.log\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n",
			plain, address, on))
	}
	write(true)
	h = harness.StartWith(t, plain, "-c", filepath.Join(dir, "host.toml"))
	return h, dir, address, func(on bool) {
		write(on)
		h.Reload()
	}
}

func http3Client(t *testing.T) *http.Client {
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "here"}}
	t.Cleanup(func() { transport.Close() })
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func get(c *http.Client, url string) (version, text string, err error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %q", resp.Status, body)
	}
	return resp.Proto, string(body), err
}

func TestReloadUnderLoadFailsNoRequestOverHTTP3(t *testing.T) {
	t.Parallel()
	h, dir, address, _ := startHTTP3(t)
	client := http3Client(t)
	text := strings.Repeat("0123456789", 15_000)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	l := harness.NewLoad(h).Run(4, "HTTP/3", func() error {
		if _, text, err := get(client, "https://"+address+"/hello"); err != nil || !strings.HasPrefix(text, "hello ") {
			return fmt.Errorf("%q, %v", text, err)
		}
		resp, err := client.Post("https://"+address+"/sum", "text/plain", struct{ io.Reader }{strings.NewReader(text)})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(got), sum) {
			return fmt.Errorf("%q, %v", got, err)
		}
		return nil
	})
	for version := 2; version <= 4; version++ {
		harness.DeployPages(t, dir, fmt.Sprint(version))
		h.Reload()
		if _, got, err := get(client, "https://"+address+"/hello"); got != fmt.Sprintf("hello %d", version) {
			t.Errorf("after the reload to version %d: %q, %v", version, got, err)
		}
	}
	l.Stop()
}

func TestHTTP3ComesAndGoesWithAReload(t *testing.T) {
	t.Parallel()
	_, dir, address, turn := startHTTP3(t)
	client := http3Client(t)
	version, text, err := get(client, "https://"+address+"/echo")
	if err != nil || version != "HTTP/3.0" || !strings.Contains(text, `"h3"`) {
		t.Fatal(version, text, err)
	}
	slow := make(chan string, 1)
	go func() {
		_, text, err := get(client, "https://"+address+"/until")
		slow <- fmt.Sprint(text, err)
	}()
	harness.AwaitPID(t, dir, "until")
	go func() {
		time.Sleep(500 * time.Millisecond) // the reload waits for the worker's request
		harness.Write(t, dir, "go", "1")
	}()
	turn(false)
	if got := <-slow; got != "went 1<nil>" {
		t.Error("a request that was under way when HTTP/3 went:", got)
	}
	turn(true)
	if version, _, err := get(http3Client(t), "https://"+address+"/hello"); err != nil || version != "HTTP/3.0" {
		t.Error(version, err)
	}
	if log := harness.ReadFile(t, filepath.Join(dir, "access.log")); !strings.Contains(log, "HTTP/3.0") {
		t.Error(log)
	}
}

// What is asked of a connection that there is has to be answered; a stop lets in no new one.
func TestStopUnderLoadLosesNoRequestOverHTTP3(t *testing.T) {
	t.Parallel()
	h, _, address, _ := startHTTP3(t)
	var served atomic.Int64
	errRefused := errors.New("it lets nobody in")
	var clients sync.WaitGroup
	for range 4 {
		client := http3Client(t)
		client.Transport.(*http3.Transport).Dial = func(ctx context.Context, address string, trust *tls.Config,
			config *quic.Config) (*quic.Conn, error) {
			c, err := quic.DialAddr(ctx, address, trust, config)
			if err != nil {
				err = errors.Join(errRefused, err)
			}
			return c, err
		}
		clients.Go(func() { // ends when it has to connect again, and can't
			for {
				_, text, err := get(client, "https://"+address+"/hello")
				if errors.Is(err, errRefused) {
					return
				}
				if err != nil || text != "hello 1" {
					t.Errorf("%q, %v", text, err)
					return
				}
				served.Add(1)
			}
		})
	}
	h.Eventually("there is load", func() bool { return served.Load() > 100 })
	h.Stop()
	clients.Wait()
}

func TestABrowserIsServedOverHTTP3(t *testing.T) {
	t.Parallel()
	browser := harness.Chromium(t)
	_, dir, address, _ := startHTTP3(t)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	harness.Must(t, err)
	key := sha256.Sum256(pair.Leaf.RawSubjectPublicKeyInfo)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu",
		"--user-data-dir="+t.TempDir(), "--origin-to-force-quic-on="+address,
		"--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(key[:]),
		"--dump-dom", "https://"+address+"/hello").Output()
	if err != nil || !strings.Contains(string(out), "hello 1") {
		t.Errorf("%s, %v", out, err)
	}
	log := harness.ReadFile(t, filepath.Join(dir, "access.log"))
	if !strings.Contains(log, `"GET /hello HTTP/3.0" 200`) {
		t.Error(log)
	}
}
