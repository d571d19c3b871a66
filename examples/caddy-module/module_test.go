package module

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
)

var _ caddyfile.Unmarshaler = (*Handler)(nil)

func TestCaddyServesPHPByWorkers(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	folder, err := filepath.Abs("../hello-php")
	if err != nil {
		t.Fatal(err)
	}
	adapter := caddyconfig.GetAdapter("caddyfile")
	config, _, err := adapter.Adapt([]byte(`{
	admin off
	auto_https off
}
http://`+address+` {
	workerhost php worker.php {
		directory `+folder+`
		workers 2
	}
}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time is a reload
		if err := caddy.Load(config, true); err != nil {
			t.Fatal(err)
		}
		var resp *http.Response
		for until := time.Now().Add(20 * time.Second); ; {
			if resp, err = http.Get("http://" + address + "/"); err == nil || time.Now().After(until) {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), "Hello") {
			t.Errorf("%s %q %v", resp.Status, text, err)
		}
	}
	if err := caddy.Stop(); err != nil {
		t.Error(err)
	}
}
