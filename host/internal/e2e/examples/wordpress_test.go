// examples/wordpress with a database of its own: the installer, a login, and a plugin that goes live.

package examples

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// startMariaDB starts a server for the test, and gives its socket. Its database is "wordpress", as are user and
// password.
func startMariaDB(t *testing.T) (socket string) {
	t.Helper()
	dir := t.TempDir()
	self, err := user.Current()
	harness.Must(t, err)
	install := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+dir, "--user="+self.Username,
		"--skip-test-db", "--auth-root-authentication-method=normal")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	harness.Write(t, dir, "init.sql", `CREATE DATABASE wordpress;
CREATE USER wordpress@localhost IDENTIFIED BY 'wordpress';
GRANT ALL ON wordpress.* TO wordpress@localhost;
`)
	socket = filepath.Join(dir, "sock")
	server := exec.Command("mariadbd", "--no-defaults", "--datadir="+dir, "--user="+self.Username, "--skip-networking",
		"--socket="+socket, "--pid-file="+filepath.Join(dir, "pid"), "--init-file="+filepath.Join(dir, "init.sql"))
	server.Stdout, server.Stderr = t.Output(), t.Output()
	harness.Must(t, harness.Spawn(server))
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		server.Wait()
	})
	harness.AwaitFile(t, dir, "pid") // who comes before it is ready waits in its backlog
	return socket
}

func TestWordPressRunsAsItIs(t *testing.T) {
	const code = "/usr/share/wordpress"
	if !harness.Long {
		t.Skip("it takes a while: make long")
	}
	for _, needed := range []string{"mariadb-install-db", "mariadbd"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skip("there is no MariaDB: apt-get install mariadb-server")
		}
	}
	if _, err := os.Stat(code + "/wp-load.php"); err != nil {
		t.Skip("there is no WordPress: apt-get install wordpress wordpress-theme-twentytwentythree")
	}
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "wordpress")
	edit(t, filepath.Join(folder, "host.toml"), `"${DB_HOST:-localhost}"`,
		fmt.Sprintf("%q", "localhost:"+startMariaDB(t)))
	site := filepath.Join(folder, "site")
	os.RemoveAll(site) // which somebody has tried out
	for _, c := range [][]string{{"cp", "-rL", code, site}, {"cp", filepath.Join(folder, "wp-config.php"), site}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", c, err, out)
		}
	}
	b := newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml")))

	b.sees("/wp-admin/install.php", 200, textHTML, "Welcome")
	b.expect("POST", "/wp-admin/install.php?step=2", formType, url.Values{"weblog_title": {"Tried & true"},
		"user_name": {"ada"}, "admin_password": {"a long one"}, "admin_password2": {"a long one"}, "pw_weak": {"on"},
		"admin_email": {"ada@example.org"}, "blog_public": {"0"}}.Encode(), 200, textHTML, "Success!")
	b.sees("/", 200, textHTML, "Tried &amp; true", "Hello world!")
	b.sees("/?p=4711", 404, textHTML)
	b.sees("/wp-includes/css/buttons.min.css", 200, "text/css; charset=utf-8", ".wp-core-ui")
	for _, path := range []string{"/xmlrpc.php", "/wp-config.php", "/wp-content/uploads/evil.php"} {
		b.sees(path, 403, "text/plain; charset=utf-8")
	}
	b.sees("/wp-login.php", 200, textHTML, "loginform")
	p := b.expect("POST", "/wp-login.php", formType, url.Values{"log": {"ada"}, "pwd": {"a long one"}}.Encode(), 302,
		textHTML)
	if to := p.Header.Get("Location"); to != b.URL+"/wp-admin/" {
		t.Errorf("after the login: to %q", to)
	}
	b.sees("/wp-admin/", 200, textHTML, "Howdy", "Dashboard")

	plugin := filepath.Join(site, "wp-content/mu-plugins/colophon.php")
	harness.Must(t, os.MkdirAll(filepath.Dir(plugin), 0o755))
	text := func(s string) string {
		return fmt.Sprintf("<?php add_action('wp_footer', static function () { echo %q; });\n", s)
	}
	harness.Must(t, os.WriteFile(plugin, []byte(text("printed in Iowa")), 0o644))
	b.deploys("Hello world!", "printed in Iowa", func() {})
	harness.Must(t, os.WriteFile(plugin, []byte(text("printed in Ohio")+"}"), 0o644))
	if out, code := b.Run("reload"); code != 1 || !strings.Contains(out, "colophon.php") {
		t.Errorf("a plugin that PHP can't read went live: exit %d\n%s", code, out)
	}
	b.sees("/wp-admin/", 200, textHTML, "Howdy")
}
