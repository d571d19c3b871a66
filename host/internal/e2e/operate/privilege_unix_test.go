//go:build unix

// What workers may be and do: another user, limits, confinement, an environment and a temporary folder of their own.

package operate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// needRoot skips what only root can do: to be somebody else.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can run workers as another user; run this test as root, as CI does")
	}
}

// openSite is a folder that every user may enter, with a worker.php and a host.toml in which LISTEN stands for the
// listener.
func openSite(t *testing.T, code, toml string) (dir, addr string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "site")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	harness.WritePHP(t, dir, code)
	addr = harness.FreeAddress(t)
	writeTOML(t, dir, addr, toml)
	return dir, addr
}

func writeTOML(t *testing.T, dir, addr, toml string) {
	t.Helper()
	text := fmt.Sprintf("[[listen]]\naddress = %q\n[pool.app]\nworker = \"worker.php\"\nworkers = 2\n%s\n", addr,
		strings.ReplaceAll(toml, "SDK", filepath.Join(harness.Repository, "sdk-php")))
	if err := os.WriteFile(filepath.Join(dir, "host.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// selfReport answers with what the worker knows of itself, and takes uploads.
const selfReport = `Worker::create()->onRequest(function (Request $r): Response {
	if ($r->path === '/try') {
		$path = $r->query['path'];
		return Response::json(['read' => @file_get_contents($path) !== false, 'write' => @file_put_contents($path . '.new', 'x') !== false]);
	}
	if ($r->path === '/file') {
		file_put_contents(getenv('OUT') . '/own.txt', 'made by the worker');
		return Response::file(getenv('OUT') . '/own.txt');
	}
	if ($r->path === '/sleep') {
		touch(getenv('TMPDIR') . '/asleep');
		while (true) { sleep(60); }
	}
	if ($r->path === '/child') {
		return Response::text(trim(shell_exec('sleep 60 > /dev/null 2>&1 & echo $!')));
	}
	if ($r->files) {
		$to = sys_get_temp_dir() . '/kept';
		array_values($r->files)[0]->moveTo($to);
		return Response::json(['text' => file_get_contents($to), 'owner' => fileowner($to), 'mode' => decoct(fileperms($to) & 0777)]);
	}
	if ($r->method === 'POST') {
		return Response::text((string) strlen($r->body()));
	}
	return Response::json(['uid' => posix_geteuid(), 'ruid' => posix_getuid(), 'gid' => posix_getegid(), 'groups' => posix_getgroups(), 'umask' => umask(),
		'limits' => posix_getrlimit(), 'temporary' => sys_get_temp_dir(), 'mode' => decoct(fileperms(sys_get_temp_dir()) & 0777), 'owner' => fileowner(sys_get_temp_dir()),
		'env' => getenv(), 'ini' => ini_get('session.save_path'), 'command' => file_get_contents('/proc/self/cmdline')]);
})->run();`

// selfOf is what a worker tells of itself.
type self struct {
	UID, RUID, GID  int
	Groups          []int
	Umask           int
	Limits          map[string]any
	Temporary, Mode string
	Owner           int
	Env             map[string]string
	INI, Command    string
}

func selfOf(h *harness.Host) (s self) {
	h.T.Helper()
	code, text := h.Get("/")
	if err := json.Unmarshal([]byte(text), &s); code != 200 || err != nil {
		h.T.Fatalf("status %d, %v: %s", code, err, text)
	}
	return s
}

// upload sends a file, which the worker moves away, and returns what it says of that.
func upload(h *harness.Host) string {
	h.T.Helper()
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	part, _ := parts.CreateFormFile("f", "a.txt")
	io.WriteString(part, "uploaded")
	parts.Close()
	resp, err := http.Post(h.URL+"/", parts.FormDataContentType(), &form)
	if err != nil {
		h.T.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

const nobody = 65534

func TestAPoolRunsAsItsUserWithItsLimits(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir, addr := openSite(t, selfReport, `user = "nobody"
umask = "027"
rlimits = { nofile = 96, core = 0, address_space = "3GiB" }`)
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	s := selfOf(h)
	if s.UID != nobody || s.RUID != nobody || s.GID != nobody || slices.Contains(s.Groups, 0) {
		t.Errorf("it runs as %d/%d:%d with the groups %v", s.UID, s.RUID, s.GID, s.Groups)
	}
	if s.Umask != 0o27 {
		t.Errorf("umask %o", s.Umask)
	}
	for name, want := range map[string]float64{"soft openfiles": 96, "hard openfiles": 96, "hard core": 0,
		"soft totalmem": 3 << 30, "hard totalmem": 3 << 30} {
		if s.Limits[name] != want {
			t.Errorf("%s is %v, want %v", name, s.Limits[name], want)
		}
	}
	if s.Mode != "700" || s.Owner != nobody || s.Env["TMPDIR"] != s.Temporary {
		t.Errorf("the temporary folder %s has mode %s and belongs to %d", s.Temporary, s.Mode, s.Owner)
	}
	if s.Env["USER"] != "nobody" || s.Env["HOME"] == os.Getenv("HOME") {
		t.Errorf("environment %v", s.Env)
	}

	if got, want := upload(h), fmt.Sprintf(`{"text":"uploaded","owner":%d,"mode":"640"}`, nobody); got != want {
		t.Errorf("the upload: %s, want %s", got, want)
	}
	// waits on disk
	resp, err := http.Post(h.URL+"/", "application/octet-stream", bytes.NewReader(make([]byte, 3<<20)))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(text) != fmt.Sprint(3<<20) {
		t.Errorf("the large body: %s", text)
	}

	// A reload, also to another group and another umask, goes on as the user.
	writeTOML(t, dir, addr, "user = \"nobody\"\ngroup = \"12\"\numask = \"077\"")
	if out := h.Reload(); !strings.Contains(out, "umask 027 → 077") || !strings.Contains(out, "rlimits nofile 96 → ") {
		t.Errorf("host reload:\n%s", out)
	}
	if s := selfOf(h); s.UID != nobody || s.GID != 12 || s.Umask != 0o77 || s.Limits["hard openfiles"] == float64(96) {
		t.Errorf("after the reload it runs as %d:%d with the umask %o and %v files", s.UID, s.GID, s.Umask,
			s.Limits["hard openfiles"])
	}
	h.Stop()
	if _, err := os.Stat(s.Temporary); err == nil {
		t.Errorf("%s is still there after the stop", s.Temporary)
	}
}

func TestAnotherUsersFileIsServedFromAFileRoot(t *testing.T) {
	t.Parallel()
	needRoot(t)
	out := openFolder(t)
	dir, addr := openSite(t, selfReport, fmt.Sprintf(
		"user = \"nobody\"\numask = \"077\"\nfile_roots = [%q]\nenv = { OUT = %[1]q }", out))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	if code, text := h.Get("/file"); code != 200 || text != "made by the worker" {
		t.Errorf("status %d: %s", code, text)
	}
}

// openFolder is a folder of the user nobody.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "out")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNothingOfAnotherUserSurvivesASIGKILLOfTheHost(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir, addr := openSite(t, selfReport, `user = "nobody"`)
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	_, text := h.Get("/child")
	var child int
	if _, err := fmt.Sscan(text, &child); err != nil || !harness.Alive(child) {
		t.Fatalf("no child: %q", text)
	}
	processes := append(harness.Children(t, h.Cmd.Process.Pid), child)
	h.Kill(syscall.SIGKILL)
	h.AwaitExit(5 * time.Second)
	harness.AwaitGone(t, processes...)
}

// A change of user clears the parent-death signal: here it is all that can end a worker which never looks at its
// input.
func TestAWorkerOfAnotherUserDiesWithTheHostAlsoWithoutTheReaper(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir, addr := openSite(t, selfReport, "user = \"nobody\"\numask = \"022\"")
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	asleep := filepath.Join(selfOf(h).Temporary, "asleep")
	go http.Get(h.URL + "/sleep") // ends with the host
	h.Eventually("the worker sleeps", func() bool { _, err := os.Stat(asleep); return err == nil })
	workers := h.PIDs()
	resume := stopReaper(t, h) // one that is killed has a successor
	h.Kill(syscall.SIGKILL)
	harness.AwaitGone(t, workers...)
	resume()
	h.AwaitExit(5 * time.Second)
}

func TestAWorkerThatCanNotBecomeItsUserSaysWhy(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir, addr := openSite(t, selfReport, `user = "nobody"`)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h := harness.Launch(t, addr, "-c", filepath.Join(dir, "host.toml"))
	h.Logs.Await(t, "the workers' directory can't be entered by the user nobody")
	h.Logs.Await(t, "let this user read it, and enter the folders above it")
	if err := os.Chmod(dir, 0o755); err != nil { // mended, it comes up by itself
		t.Fatal(err)
	}
	h.AwaitReady()
}

func TestAConfinedWorkerSeesOnlyWhatItMay(t *testing.T) {
	t.Parallel()
	if err := exec.Command(harness.HostBinary, "help").Run(); err != nil {
		t.Fatal(err)
	}
	secrets, shared := t.TempDir(), t.TempDir()
	for _, folder := range []string{secrets, shared} {
		if err := os.WriteFile(filepath.Join(folder, "text"), []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dir, addr := openSite(t, selfReport, fmt.Sprintf(
		"[pool.app.confine]\nreadable = [\"SDK\"]\nwritable = [%q]\noptional = true", shared))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	if strings.Contains(h.Logs.String(), "not confined") {
		t.Skip("this kernel has no Landlock; the host said so in its log")
	}
	for path, want := range map[string]string{
		filepath.Join(secrets, "text"):       `{"read":false,"write":false}`,
		filepath.Join(shared, "text"):        `{"read":true,"write":true}`,
		filepath.Join(dir, "worker.php"):     `{"read":true,"write":false}`,
		filepath.Join(dir, "..", "escaped"):  `{"read":false,"write":false}`,
		selfOf(h).Temporary + "/x":           `{"read":false,"write":true}`,
		filepath.Join(shared, "..", "other"): `{"read":false,"write":false}`,
	} {
		if _, text := h.Get("/try?path=" + path); text != want {
			t.Errorf("%s: %s, want %s", path, text, want)
		}
	}
	if got := upload(h); !strings.HasPrefix(got, `{"text":"uploaded"`) {
		t.Errorf("the upload: %s", got)
	}
	h.Reload()
	if _, text := h.Get("/try?path=" + filepath.Join(secrets, "text")); text != `{"read":false,"write":false}` {
		t.Errorf("after a reload: %s", text)
	}
}

func TestNoSecretStandsOnACommandLineAndNoneIsInherited(t *testing.T) {
	t.Parallel()
	dir, addr := openSite(t, selfReport, `env = { TOKEN = "${OUTER_SECRET}" }
inherit_env = ["WANTED_*"]
php_ini = { "session.save_path" = "'tcp://redis?auth=s3cret'", max_input_time = 7 }`)
	h := harness.LaunchAs(t, []string{"env", "OUTER_SECRET=hush", "WANTED_ONE=1", harness.HostBinary}, addr, "-c",
		filepath.Join(dir, "host.toml"))
	h.AwaitReady()
	s := selfOf(h)
	if strings.Contains(s.Command, "s3cret") || strings.Contains(s.Command, "hush") {
		t.Errorf("the command line shows it: %q", s.Command)
	}
	if s.INI != "tcp://redis?auth=s3cret" || !strings.Contains(s.Command, "max_input_time=7") {
		t.Errorf("the setting is %q, the command line %q", s.INI, s.Command)
	}
	if s.Env["TOKEN"] != "hush" || s.Env["WANTED_ONE"] != "1" || s.Env["OUTER_SECRET"] != "" {
		t.Errorf("environment %v", s.Env)
	}
	if s.Env["PATH"] == "" || s.Env["WORKERHOST_PLAN"] != "" {
		t.Errorf("environment %v", s.Env)
	}
}

func TestDoctorTriesToBecomeAWorker(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir, _ := openSite(t, selfReport, "user = \"nobody\"\nrlimits = { nofile = 64 }")
	doctor := func() (string, int) {
		return command(t, dir, nil, "doctor", "-c", filepath.Join(dir, "host.toml"), "--control",
			filepath.Join(dir, "c.sock"))
	}
	if out, code := doctor(); code != 0 ||
		!strings.Contains(out, "its workers can run as nobody, and reach their code") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if err := os.Chmod(filepath.Join(dir, "worker.php"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := doctor(); code != 1 || !strings.Contains(out,
		"its workers can't be started as nobody: it can't be read: worker.php") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, code := doctor(); code != 1 || !strings.Contains(out,
		"the workers' directory can't be entered by the user nobody") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestAHostOfRootWarnsOnceOfWorkersThatAreRootToo(t *testing.T) {
	t.Parallel()
	needRoot(t)
	const warning = "workers run as root"
	dir, addr := openSite(t, selfReport, "")
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	h.Reload()
	if n := strings.Count(h.Logs.String(), warning); n != 1 {
		t.Errorf("the log warns %d times", n)
	}
	dir, addr = openSite(t, selfReport, `user = "nobody"`)
	if h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml")); strings.Contains(h.Logs.String(),
		warning) {
		t.Error("the log warns of a pool with a user")
	}
}

func TestAHostThatIsNotRootSaysThatItCanNotChangeTheUser(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir, addr := openSite(t, selfReport, `user = "www-data"`)
	if err := os.Chmod(filepath.Join(dir, "host.toml"), 0o644); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(openFolder(t), "host")
	if err := os.Link(harness.HostBinary, binary); err != nil {
		t.Skip(err)
	}
	h := harness.LaunchAs(t, []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", binary}, addr,
		"-c", filepath.Join(dir, "host.toml"), "--control", filepath.Join(filepath.Dir(binary), "c.sock"))
	h.AwaitExit(20 * time.Second)
	if h.Err == nil || !strings.Contains(h.Logs.String(), "only root, or a host with CAP_SETUID") {
		t.Errorf("the host ended with %v:\n%s", h.Err, h.Logs)
	}
}

func TestAGoWorkerIsBuiltByTheHostAndRunByItsUser(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir, addr := openSite(t, "", "")
	text := fmt.Sprintf("[[listen]]\naddress = %q\n[pool.go]\nworker = %q\nworkers = 1\nuser = "+
		"\"nobody\"\n[pool.go.confine]\noptional = true\n", addr,
		filepath.Join(harness.Repository, "examples/hello-go"))
	if err := os.WriteFile(filepath.Join(dir, "host.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	if code, body := h.Get("/"); code != 200 || !strings.Contains(body, "Hello") {
		t.Errorf("status %d: %s", code, body)
	}
	info, err := os.Stat(fmt.Sprintf("/proc/%d", h.PIDs()[0]))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != nobody {
		t.Errorf("it runs as %+v, %v", info, err)
	}
}

func TestAConfinedWorkerUsesThePortsThatItMay(t *testing.T) {
	t.Parallel()
	listening := func(network, address string) net.Addr {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.Addr()
	}
	portOf := func(a net.Addr) int { return a.(*net.TCPAddr).Port }
	open, shut := portOf(listening("tcp", "127.0.0.1:0")), portOf(listening("tcp", "127.0.0.1:0"))
	_, bindable, _ := net.SplitHostPort(harness.FreeAddress(t))
	_, other, _ := net.SplitHostPort(harness.FreeAddress(t))
	abstract := fmt.Sprintf("workerhost-%d", os.Getpid())
	if runtime.GOOS == "linux" {
		listening("unix", "@"+abstract)
	}
	dir, addr := openSite(t, `Worker::create()->onRequest(fn (Request $r) => Response::text(match ($r->path) {
    '/connect' => @stream_socket_client('tcp://127.0.0.1:' . $r->query['port']) ? 'yes' : 'no',
    '/bind' => @stream_socket_server('tcp://127.0.0.1:' . $r->query['port']) ? 'yes' : 'no',
    '/abstract' => @stream_socket_client("unix://\0" . $r->query['name']) ? 'yes' : 'no',
}))->run();
`, fmt.Sprintf(
		"[pool.app.confine]\nreadable = [\"SDK\"]\noptional = true\nconnect = [%d]\nbind = [%s]", open, bindable))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	if log := h.Logs.String(); strings.Contains(log, "not confined") {
		t.Skip("this kernel's Landlock knows no ports; the host said so in its log")
	}
	for target, want := range map[string]string{
		fmt.Sprintf("/connect?port=%d", open): "yes", fmt.Sprintf("/connect?port=%d", shut): "no",
		"/bind?port=" + bindable: "yes", "/bind?port=" + other: "no", "/abstract?name=" + abstract: "no",
	} {
		if strings.HasPrefix(target, "/abstract") && strings.Contains(h.Logs.String(), "abstract sockets") {
			continue // it is too old for that, and the host said so
		}
		if _, text := h.Get(target); text != want {
			t.Errorf("%s: %q", target, text)
		}
	}
}
