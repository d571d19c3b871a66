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
	"time"

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

// installWordPress serves Debian's WordPress with a database of its own, installed; site is its folder, and socket the
// database's.
func installWordPress(t *testing.T, programs ...string) (b *browser, site, socket string) {
	t.Helper()
	const code = "/usr/share/wordpress"
	if !harness.Long {
		t.Skip("it takes a while: make long")
	}
	for _, needed := range append(programs, "mariadb-install-db", "mariadbd") {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skip("there is no " + needed + ": apt-get install mariadb-server nginx-light")
		}
	}
	if _, err := os.Stat(code + "/wp-load.php"); err != nil {
		t.Skip("there is no WordPress: apt-get install wordpress wordpress-theme-twentytwentythree")
	}
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "wordpress")
	socket = startMariaDB(t)
	edit(t, filepath.Join(folder, "host.toml"), `"${DB_HOST:-localhost}"`, fmt.Sprintf("%q", "localhost:"+socket))
	site = filepath.Join(folder, "site")
	os.RemoveAll(site) // which somebody has tried out
	for _, c := range [][]string{{"cp", "-rL", code, site}, {"cp", filepath.Join(folder, "wp-config.php"), site}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", c, err, out)
		}
	}
	b = newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml")))
	b.sees("/wp-admin/install.php", 200, textHTML, "Welcome")
	b.expect("POST", "/wp-admin/install.php?step=2", formType, url.Values{"weblog_title": {"Tried & true"},
		"user_name": {"ada"}, "admin_password": {"a long one"}, "admin_password2": {"a long one"}, "pw_weak": {"on"},
		"admin_email": {"ada@example.org"}, "blog_public": {"0"}}.Encode(), 200, textHTML, "Success!")
	return b, site, socket
}

func TestWordPressRunsAsItIs(t *testing.T) {
	b, site, _ := installWordPress(t)
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

// startNginx serves a folder of PHP by nginx and php-fpm, as Debian has them, and gives the URL and both pids.
func startNginx(t *testing.T, root string, env map[string]string) (url string, pids []string) {
	t.Helper()
	dir := t.TempDir()
	self, err := user.Current()
	harness.Must(t, err)
	address, socket := harness.FreeAddress(t), filepath.Join(dir, "fpm.sock")
	given := ""
	for name, value := range env {
		given += fmt.Sprintf("env[%s] = %q\n", name, value)
	}
	harness.Write(t, dir, "fpm.conf", fmt.Sprintf(`[global]
error_log = %[1]s/fpm.log
daemonize = no
[www]
user = %[2]s
listen = %[1]s/fpm.sock
pm = static
pm.max_children = 3
%[3]s`, dir, self.Username, given))
	harness.Write(t, dir, "nginx.conf", fmt.Sprintf(`daemon off;
user %[2]s;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log;
events {}
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log %[1]s/access.log;
    client_body_temp_path %[1]s/body;
    fastcgi_temp_path %[1]s/fastcgi;
    proxy_temp_path %[1]s/proxy;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    server {
        listen %[3]s;
        server_name blog.example;
        root %[4]s;
        index index.php;
        location / { try_files $uri $uri/ /index.php?$args; }
        location ~ \.php$ {
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
            fastcgi_pass unix:%[1]s/fpm.sock;
        }
    }
}
`, dir, self.Username, address, root))
	for _, command := range [][]string{{"php-fpm8.2", "-R", "-y", filepath.Join(dir, "fpm.conf")},
		{"nginx", "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "nginx.log")}} {
		server := exec.Command(command[0], command[1:]...)
		server.Stderr = t.Output()
		harness.Must(t, harness.Spawn(server))
		pids = append(pids, fmt.Sprint(server.Process.Pid))
		t.Cleanup(func() {
			server.Process.Signal(syscall.SIGQUIT)
			server.Wait()
		})
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil && !harness.Refused(address) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nginx and php-fpm do not listen")
		}
	}
	return "http://" + address, pids
}

// planted is a plugin that changes a page, a header and a status.
const planted = `<?php
add_action('wp_footer', function () { if (is_search()) { echo '<p>searched here</p>'; } });
add_action('template_redirect', function () {
    if (is_feed()) { header('X-Planted: 1'); }
    if (is_author()) { status_header(410); }
});
`

func TestARehearsalOfWordPressFindsWhatWasPlantedAndNothingElse(t *testing.T) {
	b, site, socket := installWordPress(t, "nginx", "php-fpm8.2")
	edit(t, filepath.Join(site, "wp-config.php"), "$table_prefix", "define('WP_HOME', 'http://blog.example');\n"+
		"define('WP_SITEURL', 'http://blog.example');\n$table_prefix")
	old := filepath.Join(t.TempDir(), "site")
	if out, err := exec.Command("cp", "-r", site, old).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	url, pids := startNginx(t, old, map[string]string{"DB_HOST": "localhost:" + socket, "DB_NAME": "wordpress",
		"DB_USER": "wordpress", "DB_PASSWORD": "wordpress"})
	b.Reload()
	targets := []string{"/", "/?p=1", "/?page_id=2", "/?p=4711", "/?s=hello", "/feed/", "/?cat=1", "/author/ada/",
		"/?m=202601", "/wp-login.php", "/wp-login.php?action=lostpassword", "/wp-admin/", "/?rest_route=/wp/v2/posts",
		"/?rest_route=/wp/v2/users/9", "/index.php?p=1", "/wp-includes/css/buttons.min.css", "/nothing/here",
		"/wp-includes/js/jquery/jquery.min.js", "/wp-admin/images/wordpress-logo.svg", "/robots.txt", "/favicon.ico",
		"/wp-includes/images/media/text.png", "/wp-cron.php", "/wp-sitemap.xml"}
	var log strings.Builder
	for _, target := range targets {
		fmt.Fprintf(&log, `192.0.2.1 - - [29/Nov/2026:02:10:17 +0000] "GET %s HTTP/1.1" 200 9 "-" "-"`+"\n", target)
	}
	path := filepath.Join(t.TempDir(), "access.log")
	harness.Must(t, os.WriteFile(path, []byte(log.String()), 0o644))
	args := []string{path, "--beside", url, "--header", "Host: blog.example", "--timeout", "1m", "--for", "5m",
		"--beside-pid", strings.Join(pids, ",")}
	out, code := b.Run("rehearse", args...)
	t.Log(out)
	if code != 0 || !strings.Contains(out, fmt.Sprintf("No difference in %d answers.", len(targets))) ||
		strings.Contains(out, "not compared") {
		t.Errorf("the same code: exit %d", code)
	}
	plugins := filepath.Join(site, "wp-content/mu-plugins")
	harness.Must(t, os.MkdirAll(plugins, 0o755))
	harness.Must(t, os.WriteFile(filepath.Join(plugins, "planted.php"), []byte(planted), 0o644))
	b.Reload()
	out, code = b.Run("rehearse", args...)
	t.Log(out)
	for _, want := range []string{"GET /author/ada/  status", "GET /?s  body", "GET /feed/  header X-Planted",
		"searched here", "differ, in 3 ways."} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if code != 1 {
		t.Errorf("what was planted: exit %d", code)
	}
}
