//go:build unix

package php

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/privilege"
)

const ordinary = "[pool.web]\nworker = 'worker.php'\n"

// folderWithWorker makes a folder that holds worker.php, and the test run in it.
func folderWithWorker(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "worker.php"), []byte("<?php\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(folder)
	return folder
}

func parsed(t *testing.T, file string) *config.Config {
	t.Helper()
	c, err := config.Parse("host.toml", []byte(file), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAPHPWorkerRunsWithSettingsFitForAResidentProcess(t *testing.T) {
	folderWithWorker(t)
	p := parsed(t, ordinary+"php_ini = { memory_limit = '1G', 'zend.assertions' = 1, 'date.timezone' = 'UTC', "+
		"'opcache.validate_timestamps' = true, max_input_time = 5 }").Pools[0]
	got := Command(Binary{Path: "/usr/bin/php"}, p, "/t", "")
	want := strings.Fields(`/usr/bin/php -d opcache.enable=1 -d opcache.enable_cli=1 -d opcache.validate_timestamps=1 -d opcache.file_cache=
		-d display_errors=stderr -d display_startup_errors=1 -d log_errors=0 -d error_log= -d html_errors=0 -d memory_limit=1G
		-d max_execution_time=0 -d output_buffering=0 -d implicit_flush=1 -d max_input_time=5 -d sys_temp_dir=/t -d opcache.lockfile_path=/t -d disable_functions=` + takenOver + ` worker.php`)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if ini, want := PrivateINI(p), "date.timezone=UTC\nzend.assertions=1\n"; ini != want {
		t.Errorf("the file holds %q, want %q", ini, want)
	}
}

func TestAScriptForFrankenPHPRunsAfterThePrelude(t *testing.T) {
	folderWithWorker(t)
	p := parsed(t, ordinary+"api = 'frankenphp'").Pools[0]
	got := Command(Binary{Path: "/usr/bin/php", Disabled: "exec"}, p, "/t", "/sdk/franken.php")
	want := []string{"-d", "auto_prepend_file=/sdk/franken.php",
		"-d", "disable_functions=exec," + takenOver + takenByFranken, "worker.php"}
	if !slices.Equal(got[len(got)-len(want):], want) {
		t.Errorf("got %q", got)
	}
	if r := Remedy("Call to undefined function frankenphp_handle_request() in worker.php:3", false); !strings.Contains(r, `api = "frankenphp"`) {
		t.Errorf("the remedy is %q", r)
	}
}

func TestTheFolderOfSettingsFollowsThoseThatPHPReadsAnyway(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{nil, "PHP_INI_SCAN_DIR=:/own"},
		{[]string{"PHP_INI_SCAN_DIR=/a:/b"}, "PHP_INI_SCAN_DIR=/a:/b:/own"},
		{[]string{"PHP_INI_SCAN_DIR="}, "PHP_INI_SCAN_DIR=/own"},
	} {
		if got := ScanFolder(c.environ, "/own"); got != c.want {
			t.Errorf("with %q: %q, want %q", c.environ, got, c.want)
		}
	}
}

// The settings must also be what PHP understands under these names.
func TestPHPTakesTheSettingsAndReportsErrorsOnce(t *testing.T) {
	if _, err := exec.LookPath("php"); err != nil {
		t.Skip("there is no php here")
	}
	folder := folderWithWorker(t)
	script := `<?php error_log('by hand'); echo $undefined; echo json_encode([ini_get('memory_limit'), ini_get('include_path'), ini_get('error_reporting'),
		ini_get('display_errors'), ini_get('opcache.file_cache'), ini_get('opcache.validate_timestamps'), ini_get('output_buffering')]);`
	if err := os.WriteFile("-odd.php", []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	p := parsed(t, "[pool.web]\nworker = '-odd.php'\nphp_ini = { include_path = '.:/a b', error_reporting = 'E_ALL "+
		"& ~E_NOTICE' }").Pools[0]
	binary, err := Find(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if binary.Disabled != "" {
		t.Errorf("disabled by itself: %q", binary.Disabled)
	}
	if !filepath.IsAbs(binary.Path) || !strings.Contains(binary.Version, ".") {
		t.Errorf("%+v", binary)
	}
	command := Command(binary, p, "", "")
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = folder
	settings, err := new(privilege.Folder).Settings(nil, PrivateINI(p))
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(filepath.Dir(settings))
	cmd.Env = append(os.Environ(), ScanFolder(os.Environ(), settings))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if want := `["256M",".:\/a b","32759","stderr","","0","0"]`; err != nil || string(out) != want {
		t.Errorf("%s, %v", out, err)
	}
	if !strings.HasPrefix(stderr.String(), "by hand\n") || strings.Count(stderr.String(), "Undefined variable") != 1 {
		t.Errorf("on stderr: %s", stderr.String())
	}
}

func TestAPHPThatWillNotDoComesWithTheRemedy(t *testing.T) {
	folder := folderWithWorker(t)
	remedy := ": " + installPHP
	for _, c := range []struct{ script, want string }{
		{"echo workerhost-probe:8.0.30 cli 0 0 0 0 ,", "it is PHP 8.0.30, and 8.1 is needed" + remedy},
		{"echo workerhost-probe:8.3.1-dev cgi-fcgi 1 1 1 1 exec,",
			"it is PHP for cgi-fcgi, and the command-line one is needed" + remedy},
		{"echo hello", `it is no PHP: asked for its version, it wrote "hello\n"` + remedy},
		{"echo workerhost-probe:8.2.1", `it is no PHP: asked for its version, it wrote "8.2.1\n"` + remedy},
		{"echo broken >&2; exit 3", "exit status 3: broken: mend php_ini of the pool, or the php.ini files of the " +
			"machine, which php --ini lists"},
		{"exit 3", "it ended with exit status 3, and said nothing: start it by hand (php -v) to see more"},
	} {
		fake := filepath.Join(folder, "fakephp")
		if err := os.WriteFile(fake, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := Find(t.Context(), &config.Pool{Name: "web", PHP: fake})
		if err == nil || err.Error() != fake+": "+c.want {
			t.Errorf("%s: %v", c.script, err)
		}
	}
	fake := filepath.Join(folder, "fakephp")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho workerhost-probe:8.3.1 cli 1 1 0 0 ,\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Find(t.Context(), &config.Pool{Name: "web", PHP: fake, Fork: true})
	if err == nil || !strings.Contains(err.Error(), "pcntl and posix, which it does not have") {
		t.Errorf("a PHP that can't fork: %v", err)
	}
	if err := os.Chmod(filepath.Join(folder, "fakephp"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(t.Context(), &config.Pool{Name: "web", PHP: folder + "/fakephp"}); err == nil ||
		!strings.HasSuffix(err.Error(),
			"permission denied: is it executable (chmod +x), and the php program itself?") {
		t.Errorf("one that can't be executed: %v", err)
	}
	t.Setenv("PATH", folder)
	if _, err := Find(t.Context(), &config.Pool{Name: "web"}); err == nil ||
		err.Error() != "there is no php in $PATH"+remedy {
		t.Errorf("without php: %v", err)
	}
	if _, err := Find(t.Context(), &config.Pool{Name: "web", PHP: "/none/php"}); err == nil ||
		err.Error() != `can't run php = "/none/php": no such file or directory`+remedy {
		t.Errorf("with a wrong path: %v", err)
	}
}

func TestAnOpcacheThatCantMakeItsLockIsNoMissingPHP(t *testing.T) {
	if _, err := exec.LookPath("php"); err != nil {
		t.Skip("there is no php here")
	}
	folder := folderWithWorker(t)
	p := parsed(t, ordinary+"php_ini = { 'opcache.lockfile_path' = '"+folder+"/none' }").Pools[0]
	if binary, err := Find(t.Context(), parsed(t, ordinary).Pools[0]); err != nil || !binary.Opcache {
		t.Skip("there is no opcache here: ", err)
	}
	_, err := Find(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "its opcache can't make its lock in "+folder+"/none (") ||
		!strings.HasSuffix(err.Error(),
			"let the pool's user write there, or leave opcache.lockfile_path out of php_ini") {
		t.Errorf("%v", err)
	}
	// The machine's own lock is no matter, since workers have theirs in the pool's folder.
	blocked := filepath.Join(folder, "php.d")
	if err := os.Mkdir(blocked, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(blocked, "lock.ini"), []byte("opcache.lockfile_path="+folder+"/none\n"),
		0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PHP_INI_SCAN_DIR", ":"+blocked)
	if _, err := Find(t.Context(), parsed(t, ordinary).Pools[0]); err != nil {
		t.Errorf("with a lock of the machine's that can't be made: %v", err)
	}
}

func TestLookingForPHPEndsWithItsContext(t *testing.T) {
	folder := folderWithWorker(t)
	fake := filepath.Join(folder, "fakephp")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\nexec sleep 30\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Find(ctx, &config.Pool{Name: "web", PHP: fake}); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestWhatIsSwitchedOffAlreadyStaysOff(t *testing.T) {
	if _, err := exec.LookPath("php"); err != nil {
		t.Skip("there is no php here")
	}
	folder := folderWithWorker(t)
	script := `<?php echo json_encode(array_map('function_exists', ['exec', 'system', 'flush', 'move_uploaded_file', 'ob_list_handlers'])), shell_exec('php -r "echo (int) function_exists(\'flush\');"');`
	if err := os.WriteFile("off.php", []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	p := parsed(t, "[pool.web]\nworker = 'off.php'\nphp_ini = { disable_functions = 'exec, system ,' }").Pools[0]
	binary, err := Find(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if binary.Disabled != "exec,system" {
		t.Errorf("disabled: %q", binary.Disabled)
	}
	command := Command(binary, p, "", "")
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = folder
	if out, err := cmd.Output(); err != nil || string(out) != "[false,false,false,false,true]1" {
		t.Errorf("%s, %v", out, err)
	}
}

func TestAFunctionThatTheSDKDefinesComesWithTheRemedy(t *testing.T) {
	for said, want := range map[string]bool{
		"PHP Fatal error:  Uncaught Error: Call to undefined function ob_get_level() in " +
			"/app/workerhost/src/Worker.php:336": true,
		"Uncaught Error: Call to undefined function WorkerHost\\flush() in /app/x.php:1": true,
		"Uncaught Error: Call to undefined function nonsense() in /app/x.php:1":          false,
		"no database": false,
	} {
		if got := Remedy(said, false); strings.Contains(got, "host sdk php DIR") != want {
			t.Errorf("%q: %q", said, got)
		}
	}
}

func TestAPageIsToldFromAWorker(t *testing.T) {
	for _, said := range []string{"", "<h1>Hello</h1>"} {
		if got := Remedy(said, true); !strings.Contains(got, "`host serve FOLDER`") {
			t.Errorf("%q: %q", said, got)
		}
	}
}
