//go:build unix

package deploy

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// The quick start of the page is run as it stands there, but for its folders and its port.
func TestTheQuickStartCanBePasted(t *testing.T) {
	t.Parallel()
	if _, err := user.Lookup("www-data"); err != nil || os.Geteuid() != 0 {
		t.Skip("the quick start is for root, on a machine that has the user www-data")
	}
	page := harness.ReadFile(t, filepath.Join(harness.Repository, "host/docs/deploy.md"))
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(page)
	if block == nil {
		t.Fatal("the page has no quick start")
	}
	s, address := newShop(t, ""), harness.FreeAddress(t)
	harness.Must(t, os.Symlink(harness.HostBinary, filepath.Join(s.dir, "host")))
	script := strings.NewReplacer("/srv/shop", filepath.Join(s.dir, "shop"), "/path/to/your/code", s.code("1"),
		"[pool.shop]", "[[listen]]\naddress = \""+address+"\"\n[pool.shop]").Replace(block[1])
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-e", "-c", script+"\necho serves $!\n")
	cmd.Env = append(os.Environ(), "PATH="+s.dir+":"+os.Getenv("PATH"), "XDG_RUNTIME_DIR="+s.dir,
		"XDG_STATE_HOME="+s.dir)
	log, err := os.Create(filepath.Join(s.dir, "log"))
	harness.Must(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Run()
	defer func() { // the host, which the script leaves behind
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		for !harness.Refused(address) {
			time.Sleep(20 * time.Millisecond)
		}
	}()
	said := harness.ReadFile(t, log.Name())
	if err != nil {
		t.Fatalf("%v:\n%s", err, said)
	}
	w, err := http.Get("http://" + address + "/hello")
	harness.Must(t, err)
	defer w.Body.Close()
	if body, _ := io.ReadAll(w.Body); string(body) != "hello 1" {
		t.Errorf("it answers %q:\n%s", body, said)
	}
	s.dir = filepath.Join(s.dir, "shop")
	if to := s.current(); to != "releases/1" {
		t.Errorf("current leads to %s:\n%s", to, said)
	}
}
