// A server as the world meets it: two names with certificates of an authority, every version of HTTP at one port, and
// a browser that stays while new code goes live.

package certificates

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/workerhost/workerhost/host/internal/acme/acmetest"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// site is a page that has all that pages have, and tells testdata/clients/edge.js in window.state how it fares. SITE
// is its name. Each message of a WebSocket is answered, there and in the stream of events.
const site = `
const VERSION = 'VERSION';
$page = '<!doctype html><title>SITE</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css">'
    . str_repeat('<p>A page that is worth its compression.', 50) . '<script src="/app.js" type="module"></script>';
$worker = Worker::create();
$worker
    ->onRequest(fn (Request $r): Response => match ($r->path) {
        '/' => Response::html($page),
        '/data' => Response::json(['site' => 'SITE', 'more' => str_repeat('data ', 1000)]),
        '/events' => Response::hold("data: open\n\n", groups: 'SITE ' . $r->query['of']),
        '/version' => Response::text('SITE ' . VERSION . ' ' . $r->protocolVersion),
        default => Response::text("nothing at $r->path", 404),
    })
    ->onOpen(function (\WorkerHost\Connection $c, ?Request $r): ?Response {
        $c->session['of'] = $r?->query['of'] ?? '';
        return null;
    })
    ->onMessage(function (\WorkerHost\Connection $c, string $data) use ($worker): void {
        $c->send('SITE ' . VERSION);
        $worker->connections()->sendToGroup("SITE {$c->session['of']}", 'SITE ' . VERSION);
    })
    ->run();
`

const siteScript = `
const of = crypto.randomUUID();
const state = window.state = { ready: false, socket: '', events: '', loads: 0, lost: [], failures: [] };
const socket = new WebSocket(` + "`wss://${location.host}/socket?of=${of}`" + `);
const events = new EventSource('/events?of=' + of);
state.say = (text) => socket.send(text);
socket.onmessage = (m) => state.socket = m.data;
socket.onclose = () => state.lost.push('socket');
events.onmessage = (m) => state.events = m.data;
events.onerror = () => state.lost.push('events');
await Promise.all([socket, events].map((s) => new Promise((open) => s.onopen = open)));
async function load() {
    try {
        const answer = await fetch('/data', { cache: 'no-store' });
        const { site, more } = await answer.json();
        if (answer.status !== 200 || site !== document.title || more.length !== 5000) {
            throw new Error(answer.status + ' ' + site);
        }
        state.loads++;
    } catch (error) {
        state.failures.push(String(error));
    }
}
await load();
state.ready = true;
(async () => {
    while (state.failures.length === 0) {
        await load();
        await new Promise((go) => setTimeout(go, 50));
    }
})();
`

// edge is one host with two names, and all protocols at one port.
type edge struct {
	*harness.Host
	folders   map[string]string // by name
	secure    string
	authority *acmetest.Authority
	log       string
}

var edgeNames = []string{"one.example.test", "two.example.test"}

func startEdge(t *testing.T) *edge {
	t.Helper()
	plain, secure := harness.FreeAddress(t), harness.FreeAddress(t)
	e := &edge{folders: map[string]string{}, secure: secure,
		authority: acmetest.NewAuthority(t, acmetest.StartNames(t).Address, plain, secure, acmetest.Options{})}
	e.authority.Start()
	dir := t.TempDir()
	e.log = filepath.Join(dir, "access.log")
	config := fmt.Sprintf(`
state = "state"
http = { access_log = "access.log" }
acme = { agree = true, directory = %q, ca = %q, challenges = ["http-01", "tls-alpn-01"] }
[[listen]]
address = %q
tls = "auto"
http3 = true
[[listen]]
address = %q
[[route]]
listen = %q
redirect = "https://{host}{target}"
`, e.authority.Directory, e.authority.CA, secure, plain, plain)
	for _, name := range edgeNames {
		pool, _, _ := strings.Cut(name, ".")
		folder := harness.PHPWorker(t, "")
		e.folders[name] = folder
		harness.Must(t, os.Mkdir(filepath.Join(folder, "public"), 0o755))
		harness.Write(t, folder, "public/style.css", "body { color: rgb(1, 2, 3) }\n"+
			strings.Repeat("p { margin: 1em }\n", 100))
		harness.Write(t, folder, "public/app.js", siteScript)
		var small bytes.Buffer
		w := brotli.NewWriter(&small)
		io.WriteString(w, siteScript)
		harness.Must(t, w.Close())
		harness.Write(t, folder, "public/app.js.br", small.String())
		config += fmt.Sprintf("[[route]]\nhost = %q\npool = %q\npublic = %q\n"+
			"[pool.%s]\nworker = %q\nworkers = 2\n", name, pool, filepath.Join(folder, "public"),
			pool, filepath.Join(folder, "worker.php"))
	}
	e.deploy(t, 1)
	harness.Write(t, dir, "host.toml", config)
	e.Host = harness.StartWith(t, plain, "-c", filepath.Join(dir, "host.toml"))
	for _, name := range edgeNames {
		eventually(t, "a certificate for "+name, func() (bool, string) {
			c, err := tls.Dial("tcp", secure, &tls.Config{ServerName: name, RootCAs: e.authority.Roots()})
			if err != nil {
				return false, err.Error()
			}
			return c.Close() == nil, ""
		})
	}
	return e
}

func (e *edge) deploy(t *testing.T, version int) {
	for name, folder := range e.folders {
		harness.WritePHP(t, folder, strings.NewReplacer("'VERSION'", fmt.Sprintf("'%d'", version), "SITE", name).
			Replace(site))
	}
}

// issuer is what Chromium knows the authority by: the key of what has signed the names' certificates.
func (e *edge) issuer(t *testing.T) string {
	t.Helper()
	c, err := tls.Dial("tcp", e.secure, &tls.Config{ServerName: edgeNames[0], RootCAs: e.authority.Roots()})
	harness.Must(t, err)
	defer c.Close()
	key := sha256.Sum256(c.ConnectionState().PeerCertificates[1].RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(key[:])
}

// client is one of "HTTP/1.1", "HTTP/2.0" or "HTTP/3.0".
func (e *edge) client(t *testing.T, protocol string) *http.Client {
	trust := &tls.Config{RootCAs: e.authority.Roots()}
	if protocol == "HTTP/3.0" {
		transport := &http3.Transport{TLSClientConfig: trust,
			Dial: func(ctx context.Context, _ string, t *tls.Config, c *quic.Config) (*quic.Conn, error) {
				return quic.DialAddr(ctx, e.secure, t, c)
			}}
		t.Cleanup(func() { transport.Close() })
		return &http.Client{Transport: transport, Timeout: time.Minute}
	}
	transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: protocol == "HTTP/2.0",
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, e.secure)
		}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func TestPagesStayConnectedThroughReloadsOverHTTP2AndHTTP3(t *testing.T) {
	harness.Chromium(t)
	reloads, pause := 1, 100*time.Millisecond // or the load would cost more than the rest
	if harness.Long {
		reloads, pause = 8, 0
	}
	e := startEdge(t)
	load := harness.NewLoad(e.Host)
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"} {
		client := e.client(t, protocol)
		version := strings.TrimSuffix(strings.TrimPrefix(protocol, "HTTP/"), ".0")
		for _, name := range edgeNames {
			load.Run(1, protocol+" "+name, func() error {
				time.Sleep(pause)
				resp, err := client.Get("https://" + name + "/version")
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				said := regexp.MustCompile(`^(\S+) [0-9]+ (\S+)$`).FindStringSubmatch(string(text))
				if err != nil || said == nil || said[1] != name || said[2] != version {
					return fmt.Errorf("%s %q %v", resp.Status, text, err)
				}
				return nil
			})
		}
	}
	_, port, _ := net.SplitHostPort(e.secure)
	browser := harness.RunScript(t, "edge.js", e.issuer(t), port, fmt.Sprint(reloads),
		"h2="+edgeNames[0], "h3="+edgeNames[1])
	for n := range reloads {
		browser.Expect("reload", func() {
			e.deploy(t, n+2)
			e.Reload()
		})
	}
	browser.Ends("done")
	load.Stop()
	e.Stop()
	log := harness.ReadFile(t, e.log)
	for _, line := range []string{`"GET / HTTP/2.0" 200`, `"GET / HTTP/3.0" 200`, `"GET /app.js HTTP/3.0" 200`,
		`"GET /events\?of=[-0-9a-f]+ HTTP/2.0" 200`, `"GET /events\?of=[-0-9a-f]+ HTTP/3.0" 200`,
		`"GET /socket\?of=[-0-9a-f]+ HTTP/1.1" 101`} {
		if !regexp.MustCompile(line).MatchString(log) {
			t.Errorf("no request is logged as %s:\n%s", line, log)
		}
	}
}

// With other ports, another name and another authority, all else as it stands there.
func TestTheTenLinesOfTheReadmeServeASite(t *testing.T) {
	readme := harness.ReadFile(t, filepath.Join(harness.Repository, "README.md"))
	_, after, _ := strings.Cut(readme, "takes ten lines of")
	_, after, _ = strings.Cut(after, "```toml\n")
	config, _, _ := strings.Cut(after, "```")
	if n := strings.Count(config, "\n"); n != 10 {
		t.Errorf("they are %d", n)
	}
	plain, secure := harness.FreeAddress(t), harness.FreeAddress(t)
	authority := acmetest.NewAuthority(t, acmetest.StartNames(t).Address, plain, secure, acmetest.Options{})
	authority.Start()
	dir := harness.PHPWorker(t, harness.AnsweringWith(`'Hello'`))
	harness.Write(t, dir, "host.toml", fmt.Sprintf("state = \"state\"\n%s", strings.NewReplacer(
		`":443"`, fmt.Sprintf("%q", secure), `":80"`, fmt.Sprintf("%q", plain), "example.org", "one.example.test",
		"agree = true", fmt.Sprintf(
			"agree = true, directory = %q, ca = %q, challenges = [\"http-01\", \"tls-alpn-01\"]",
			authority.Directory, authority.CA)).Replace(config)))
	e := &edge{secure: secure, authority: authority,
		Host: harness.StartWith(t, plain, "-c", filepath.Join(dir, "host.toml"))}
	client := e.client(t, "HTTP/2.0")
	eventually(t, "an answer", func() (bool, string) {
		resp, err := client.Get("https://one.example.test/")
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text) == "Hello" && resp.Proto == "HTTP/2.0", fmt.Sprint(resp.Proto, string(text), err)
	})
	if line := plainGet(t, plain, "one.example.test", "/x"); !strings.Contains(line, " 308 ") {
		t.Errorf("without TLS: %s", line)
	}
}
