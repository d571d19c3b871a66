// host doctor: what is wrong, and what to do about it.

package operate

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestDoctorSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	const pool = "[pool.web]\nworker = \"worker.php\"\nworkers = 1\n"
	for name, c := range map[string]struct {
		env  []string
		toml string
		code int
		says []string
	}{
		"nothing":   {nil, pool, 0, []string{"php", "127.0.0.1:0 is free", "open files"}},
		"a mistake": {nil, pool + "wrokers = 2\n", 1, []string{"host.toml:6", "workers"}},
		"no php": {[]string{"PATH=/nowhere"}, pool, 1,
			[]string{"there is no php", "apt-get install php-cli"}},
		"a port taken": {nil, "[[listen]]\naddress = \"" + taken.Addr().String() + "\"\n" + pool, 1,
			[]string{"another process listens there"}},
		"too many workers": {nil, strings.Replace(pool, "1", "10000", 1), 1,
			[]string{"10000 workers need", "lower workers"}},
		"no memory_limit": {nil, pool + "php_ini = { memory_limit = \"-1\" }\n", 0,
			[]string{"a leak takes the machine", `memory_limit = "256M"`}},
		"a function missing": {nil, pool + "php_ini = { disable_functions = \"exec,stream_select\" }\n", 1,
			[]string{"needs: stream_select"}},
		"no opcache": {nil, pool + "php_ini = { \"opcache.enable\" = false }\n", 0,
			[]string{"opcache is off"}},
		"no folder for it": {nil, "[http]\nspool_directory = \"worker.php\"\n" + pool, 1,
			[]string{"worker.php", "spool_directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := harness.PHPWorker(t, harness.AnsweringWith(`'one'`))
			if !strings.Contains(c.toml, "[[listen]]") {
				c.toml = "[[listen]]\naddress = \"127.0.0.1:0\"\n" + c.toml
			}
			harness.Write(t, dir, "host.toml", c.toml)
			out, code := command(t, dir, c.env, "doctor", "--control", filepath.Join(dir, "c.sock"))
			if code != c.code {
				t.Errorf("exit %d, expected %d", code, c.code)
			}
			for _, text := range c.says {
				if !strings.Contains(out, text) {
					t.Errorf("it does not say %q", text)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

func TestDoctorAsksTheHostThatRuns(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, harness.AnsweringWith(`'one'`))
	h := harness.Start(t, "-n", "1", dir)
	args := []string{"-l", h.Addr, "-n", "1", dir}
	if out, code := h.Run("doctor", args...); code != 0 ||
		!strings.Contains(out, h.Addr+" is served by the host that runs") {
		t.Errorf("exit %d\n%s", code, out)
	}
	harness.WritePHP(t, dir, "Worker::create( ;")
	harness.KillNow(t, h.PIDs()[0])
	h.Eventually("the pool can't start", func() bool {
		out, code := h.Run("doctor", args...)
		return code == 1 && strings.Contains(out, "its last start failed") && strings.Contains(out, "syntax error")
	})
}
