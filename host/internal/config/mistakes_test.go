// mistakes_test.go holds what the user is told, word for word, for each mistake that a file or a flag can have.

package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mistake is a file and the messages that it has to give, in which SITE stands for its folder.
type mistake struct{ file, want string }

func checkMistakes(t *testing.T, mistakes []mistake) {
	t.Helper()
	folder := site(t)
	for _, m := range mistakes {
		_, err := Parse("host.toml", []byte(strings.TrimPrefix(m.file, "\n")), variables("WORD", "four", "EMPTY", ""))
		if err == nil {
			t.Errorf("no error for:%s", m.file)
			continue
		}
		if got := strings.ReplaceAll(err.Error(), folder, "SITE"); got != m.want {
			t.Errorf("for:%s\ngot:  %s\nwant: %s", m.file, got, m.want)
		}
	}
}

const good = "[pool.web]\nworker = 'worker.php'\n"

func TestAnUnknownKeyNamesTheOneThatWasMeant(t *testing.T) {
	checkMistakes(t, []mistake{
		{good + "drain_timout = '1s'",
			"host.toml:3: unknown key `drain_timout` in [pool.web]: did you mean `drain_timeout`?"},
		{"[log]\nxyz = 1", "host.toml:2: unknown key `xyz` in [log]: the keys " +
			"here are `format`, `level` and `redact`"},
		{"[htp]\nmax_body = 1", "host.toml:1: unknown table [htp]: did you mean [http]?"},
		{"workers = 4\n" + good, "host.toml:1: unknown key `workers`: it belongs in [pool.NAME]"},
		{good + "control = 'x'", "host.toml:3: unknown key `control` in [pool.web]: it belongs at the top of the " +
			"file, before the first [table]"},
		{"[[listen]]\naddress = ':1'\ntls = { cert = 'a', key = 'worker.php' }",
			"host.toml:3: unknown key `cert` in [[listen]] tls: did you mean `certificate`?\n" +
				"host.toml:3: [[listen]] tls.certificate: the certificate is missing: write tls = { certificate = " +
				"\"FILE\", key = \"FILE\" }"},
	})
}

func TestCertificatesThatDoNotGoTogetherAreRefused(t *testing.T) {
	listen := good + "[[listen]]\naddress = ':1'\n"
	checkMistakes(t, []mistake{
		{listen + "tls = { certificate = ['worker.php', 'run.sh'], key = 'worker.php' }",
			"host.toml:5: [[listen]] tls.key: expected a key for each certificate, in their order, found 1 for 2"},
		{listen + "tls = { certificate = [], key = ['worker.php', ''] }",
			"host.toml:5: [[listen]] tls.certificate: the certificate is missing: write tls = { certificate = " +
				"\"FILE\", key = \"FILE\" }\nhost.toml:5: [[listen]] tls.key: the private key is missing: write " +
				"tls = { certificate = \"FILE\", key = \"FILE\" }"},
		{listen + "tls = { certificate = 'worker.php', key = [], client_ca = 'not-a-pem' }",
			"host.toml:5: [[listen]] tls.key: the private key is missing: write tls = { certificate = " +
				"\"FILE\", key = \"FILE\" }\nhost.toml:5: [[listen]] tls.client_ca: SITE/not-a-pem has no " +
				"certificate: name a PEM file with those of the authorities"},
		{listen + "tls = { certificate = 'none.pem', key = 'worker.php', require = false }",
			"host.toml:5: [[listen]] tls.certificate: can't read the certificate: there is no SITE/none.pem: mend " +
				"the path\nhost.toml:5: [[listen]] tls.require: has no effect without client_ca: remove it, or " +
				"name the authorities' file"},
	})
}

func TestAWrongTypeSaysWhatWasExpectedAndWhatWasFound(t *testing.T) {
	checkMistakes(t, []mistake{
		{good + "workers = 'four'",
			`host.toml:3: [pool.web] workers: expected a whole number from 1 to 10000, found "four"`},
		{good + "workers = '4'",
			`host.toml:3: [pool.web] workers: expected a whole number from 1 to 10000, found the string "4": write 4, without quotes`},
		{good + "workers = '${WORD}'",
			`host.toml:3: [pool.web] workers: expected a whole number from 1 to 10000, found "four" in "${WORD}"`},
		{good + "workers = 0",
			`host.toml:3: [pool.web] workers: expected a whole number from 1 to 10000, found the number 0`},
		{good + "workers = 1.5",
			`host.toml:3: [pool.web] workers: expected a whole number from 1 to 10000, found the number 1.5`},
		{good + "max_requests = -1",
			`host.toml:3: [pool.web] max_requests: expected a whole number of at least 0, found the number -1`},
		{good + "max_memory = '2MiB'\nmax_memory_hard = '1MiB'",
			`host.toml:4: [pool.web] max_memory_hard: 1MiB is less than max_memory, 2MiB: a worker would be ended before it could be replaced; write more, or leave one of them out`},
		{good + "min_workers = 2",
			`host.toml:3: [pool.web] min_workers: has no effect on a fixed number of workers: write max_workers, too, or remove it`},
		{good + "max_pool_memory = '1GiB'",
			`host.toml:3: [pool.web] max_pool_memory: has no effect on a fixed number of workers: write max_workers, too, or remove it`},
		{good + "workers = 2\nmax_workers = 3",
			`host.toml:4: [pool.web] max_workers: workers, which is always so many, is given as well: keep workers, or min_workers and max_workers`},
		{good + "min_workers = 4\nmax_workers = 3",
			`host.toml:4: [pool.web] max_workers: 3 is less than min_workers, 4: write at least 4, or lower min_workers`},
		{good + "max_workers = 10001",
			`host.toml:3: [pool.web] max_workers: expected a whole number from 0 to 10000, found the number 10001`},
		{good + "env = ['A=1']",
			`host.toml:3: [pool.web] env: expected a table of strings, found an array: write { NAME = "value" }`},
		{good + "env = { A = 1 }", `host.toml:3: [pool.web] env.A: expected a string, found the number 1`},
		{good + "env = { 'A=B' = '1' }", `host.toml:3: [pool.web] env.A=B: "A=B" is no name for a variable`},
		{"[pool.web]\ncommand = 'php -S x'",
			`host.toml:2: [pool.web] command: expected an array of strings, found "php -S x": write ["php", "-S", "x"]`},
		{"[pool.web]\ncommand = ['sh',\n\n3]",
			`host.toml:4: [pool.web] command.1: expected a string, found the number 3`},
		{good + "park_workers = 1", `host.toml:3: [pool.web] park_workers: has no effect without park: write, for ` +
			`example, park = "10m"`},
		{good + "in_place = true\npark = \"10m\"", `host.toml:4: [pool.web] park: in_place ends an old worker before ` +
			`the new one starts, so none can stay: remove one of them`},
		{good + "reload = \"never\"\npark = \"10m\"", `host.toml:4: [pool.web] park: has no effect with reload = ` +
			`"never": remove it`},
		{good + "in_place = 1", `host.toml:3: [pool.web] in_place: expected true or false, found the number 1`},
		{good + "warmup = ['health']",
			`host.toml:3: [pool.web] warmup.0: expected the path of a URL, found "health": write one such as "/health"`},
		{good + "warmup = '/health'", `host.toml:3: [pool.web] warmup: expected an array of paths or tables, ` +
			`found "/health": write ["/health"]`},
		{good + "warmup = [{ status = 200 }]",
			`host.toml:3: [pool.web] warmup.0: expected the path of a URL, found "": write one such as "/health"`},
		{good + "warmup = [{ path = '/up', status = 99 }]", `host.toml:3: [pool.web] warmup.0.status: expected a ` +
			`whole number from 100 to 599, found the number 99`},
		{good + "file_roots = 'public'",
			`host.toml:3: [pool.web] file_roots: expected an array of strings, found "public": write ["public"]`},
		{good + "wire = true", `host.toml:3: [pool.web] wire: expected a string, found true`},
		{good + "wire = 'stdo'",
			`host.toml:3: [pool.web] wire: expected "descriptors" or "stdio", found "stdo": did you mean "stdio"?`},
		{"log = 'debug'", `host.toml:1: [log]: expected a table, found "debug"`},
		{"[log]\nlevel = 1979-05-27",
			`host.toml:2: [log] level: expected a string, found the date or time 1979-05-27`},
		{"[log]\nlevel = 'verbose'",
			`host.toml:2: [log] level: expected one of "trace", "debug", "info", "warn" or "error", found "verbose"`},
		{"[log]\nredact = ['pin', '']", `host.toml:2: [log] redact: expected names of query parameters and headers, ` +
			`such as "X-Api-Key", found ""`},
		{"[listen]\naddress = ':1'",
			`host.toml:1: [[listen]]: expected an array of tables, found a table: write [[listen]], with two brackets`},
		{"[pool]\nworker = 'worker.php'",
			`host.toml:2: [pool.worker]: expected a table, found "worker.php": a pool has a name, for example [pool.web]`},
		{"[[pool]]\nworker = 'worker.php'",
			`host.toml:1: [pool]: expected a table for each pool, found an array: write [pool.NAME], for example [pool.web]`},
		{"[pool.Web]\nworker = 'worker.php'",
			`host.toml:1: [pool.Web]: "Web" is no name for a pool: use a-z, 0-9, - and _, beginning with a letter or a digit`},
		{"control = \"a\\u0000b\"", `host.toml:1: control: expected text, found "a\x00b", which holds a NUL byte`},
	})
}

func TestADurationOrASizeWithoutItsUnitIsShownWithIt(t *testing.T) {
	const duration = `expected a duration of at least 1ms, such as "30s" or "1m30s", found `
	const size = `expected a size of at least 0, such as "64KiB" or a number of bytes, found `
	checkMistakes(t, []mistake{
		{good + "drain_timeout = 30", `host.toml:3: [pool.web] drain_timeout: ` + duration +
			`the number 30, which has no unit: write "30s"`},
		{good + "drain_timeout = '30'", `host.toml:3: [pool.web] drain_timeout: ` + duration +
			`"30": no unit: write "30s"`},
		{good + "drain_timeout = '1 day'",
			`host.toml:3: [pool.web] drain_timeout: ` + duration + `"1 day": the units are h, m, s and ms`},
		{good + "drain_timeout = '-1s'", `host.toml:3: [pool.web] drain_timeout: ` + duration + `"-1s"`},
		{good + "drain_timeout = false", `host.toml:3: [pool.web] drain_timeout: ` + duration + `false`},
		{good + "start_timeout = '0'",
			`host.toml:3: [pool.web] start_timeout: expected a duration of at least 1ms, such as "30s" or "1m30s", found "0"`},
		{"[http]\nread_timeout = '-1s'",
			`host.toml:2: [http] read_timeout: expected a duration of at least 0, such as "30s" or "1m30s", found "-1s"`},
		{"[http]\nmax_body = '64k'", `host.toml:2: [http] max_body: ` + size +
			`"64k": "k" is not a unit (did you mean "64KiB"?); the units are B, KiB, MiB, GiB, TiB, KB, MB, GB and TB`},
		{"[http]\nmax_body = 'big'", `host.toml:2: [http] max_body: ` + size +
			`"big": "big" does not begin with a digit`},
		{"[http]\nmax_body = '9000000TiB'",
			`host.toml:2: [http] max_body: ` + size +
				`"9000000TiB": "9000000TiB" is more than the largest size, just under 8388608TiB`},
		{"[http]\nmax_body = -1", `host.toml:2: [http] max_body: ` + size + `the number -1`},
		{"[http]\nmax_body = ['1GiB']", `host.toml:2: [http] max_body: ` + size + `an array`},
		{"[http]\nmax_header = '1B'",
			`host.toml:2: [http] max_header: expected a size from 1KiB to 16MiB, such as "64KiB" or a number of bytes, found "1B"`},
	})
}

func TestAVariableThatCanNotBeExpandedIsAnErrorWithItsLine(t *testing.T) {
	checkMistakes(t, []mistake{
		{good + "\nphp = '${NONE}'",
			`host.toml:4: [pool.web] php: the environment variable NONE is not set: set it, or write ${NONE:-default}`},
		{good + "env = { A = 'x', B = '$HOME' }",
			`host.toml:3: [pool.web] env.B: a lone $: write $$ for a dollar, or ${NAME} for a variable`},
		{good + "php = '${WORD'", `host.toml:3: [pool.web] php: "${WORD" has no closing }`},
		{good + "php = '${WORD-x}'",
			`host.toml:3: [pool.web] php: "${WORD-x}" is not understood: write ${NAME} or ${NAME:-default}`},
		{good + "php = '${}'",
			`host.toml:3: [pool.web] php: "${}" is not understood: write ${NAME} or ${NAME:-default}`},
		{good + "php = '${A:-${WORD}}'",
			`host.toml:3: [pool.web] php: the default in "${A:-${WORD}" holds a $: a default is plain text`},
		{good + "start_timeout = '${EMPTY}'",
			`host.toml:3: [pool.web] start_timeout: expected a duration of at least 1ms, such as "30s" or "1m30s", found "": the units are h, m, s and ms`},
	})
}

func TestAnAddressThatCanNotBeListenedOnComesWithOneThatCan(t *testing.T) {
	address := func(a, want string) mistake {
		return mistake{"[[listen]]\naddress = '" + a + "'\n" + good, "host.toml:2: [[listen]] address: " + want}
	}
	const expected = `expected "host:port", ":port" or "unix:/path", found `
	long := "unix:/" + strings.Repeat("x", 103)
	checkMistakes(t, []mistake{
		address("8080", expected+`"8080": write ":8080"`),
		address("localhost", expected+`"localhost": write "localhost:8080"`),
		address("", expected+`"": write ":8080"`),
		address("/run/a.sock", expected+`"/run/a.sock": write "unix:/run/a.sock"`),
		address("http://a:80", expected+`"a:80": write it without the scheme, and TLS as tls = { certificate, key }`),
		address("::1:80", expected+`"::1:80": write IPv6 in brackets, such as "[::1]:8080"`),
		address("*:80", expected+`"*:80": write ":80"`),
		address("a:http", expected+`"a:http": a port is a number from 0 to 65535`),
		address("a:65536", expected+`"a:65536": a port is a number from 0 to 65535`),
		address("unix:", `expected a path after unix:, such as "unix:/run/app.sock"`),
		address(long, long[5:]+" has 104 bytes, and the path of a unix socket can have 103: choose a shorter one"),
		{"[[listen]]\n" + good, `host.toml:1: [[listen]]: no address: write address = "127.0.0.1:8080"`},
		{"[[listen]]\naddress = 80\n" + good,
			`host.toml:2: [[listen]] address: expected a string, found the number 80`},
		{"[[listen]]\naddress = ':80'\nprotocol = 'websocket'\n" + good,
			`host.toml:3: [[listen]] protocol: expected one of "http", "tcp" or "udp", found "websocket"`},
		{"[[listen]]\naddress = ':80'\n[[listen]]\naddress = '0.0.0.0:80'\n" + good,
			`host.toml:4: [[listen]] address: 0.0.0.0:80 is already taken by the listener in line 2: remove one of them`},
		{"[[listen]]\naddress = ':80'\nhttp3 = true\n" + good, `host.toml:3: [[listen]] http3: HTTP/3 is always ` +
			`encrypted: write tls = { certificate = "FILE", key = "FILE" }, or remove it`},
		{"[[listen]]\naddress = ':80'\nprotocol = 'tcp'\nhttp3 = true\n" + good, `host.toml:4: [[listen]] http3: has no ` +
			`effect on protocol = "tcp": it is for http; remove it, or change the protocol`},
		{"[[listen]]\naddress = ':80'\n[pool.a]\ncommand = ['go']\n[admin]\nlisten = '0.0.0.0:80'",
			`host.toml:6: admin.listen: 0.0.0.0:80 is already taken by the listener in line 2: choose another port`},
		{"[[listen]]\naddress = ':80'\n[pool.a]\ncommand = ['go']\n[admin]\nlisten = ':81'\n[control]\nlisten = " +
			"':81'\ntoken = '0123456789abcdef'",
			`host.toml:8: [control] listen: :81 is already taken by admin.listen in line 6: choose another port`},
	})
}

func TestAPathThatIsNotThereIsFoundBeforeAnythingRuns(t *testing.T) {
	checkMistakes(t, []mistake{
		{"[pool.web]\nworker = 'none.php'",
			`host.toml:2: [pool.web] worker: there is no SITE/none.php: mend the path`},
		{"[pool.web]\nworker = 'empty'",
			`host.toml:2: [pool.web] worker: SITE/empty holds neither worker.php nor a Go main package, nor index.php for a site of unmodified PHP`},
		{"[pool.web]\nworker = 'library'",
			`host.toml:2: [pool.web] worker: SITE/library holds neither worker.php nor a Go main package: its Go package is library`},
		{"[pool.web]\nworker = 'goapp/main.go'",
			`host.toml:2: [pool.web] worker: SITE/goapp/main.go is one file of a Go package: name its folder, SITE/goapp`},
		{"[pool.web]\nworker = 'run.sh'",
			`host.toml:2: [pool.web] worker: SITE/run.sh is neither a .php file nor a folder: to run a program, write command = ["SITE/run.sh"], or host serve -- SITE/run.sh`},
		{"[pool.web]\nworker = ''", `host.toml:2: [pool.web] worker: expected a .php file or a folder, found ""`},
		{"[pool.web]\ncommand = ['./run.sh']",
			`host.toml:2: [pool.web] command: can't run SITE/run.sh: permission denied: is it executable (chmod +x)?`},
		{"[pool.web]\ncommand = ['./none']",
			`host.toml:2: [pool.web] command: there is no program SITE/none: mend the path, or install it`},
		{"[pool.web]\ncommand = ['no-such-program']",
			`host.toml:2: [pool.web] command: there is no program "no-such-program" in $PATH: install it, or write its path`},
		{"[pool.web]\ncommand = []",
			`host.toml:2: [pool.web] command: no program: write command = ["PROGRAM", "ARGUMENT"]`},
		{good + "directory = 'none'",
			`host.toml:3: [pool.web] directory: there is no folder SITE/none: create it, or mend the path`},
		{good + "file_roots = [\n'public',\n'run.sh']",
			`host.toml:5: [pool.web] file_roots.1: SITE/run.sh is not a folder`},
		{"[http]\npublic = 'none'",
			`host.toml:2: [http] public: there is no folder SITE/none: create it, or mend the path`},
		{"[http]\nspool_directory = 'none'",
			`host.toml:2: [http] spool_directory: there is no folder SITE/none: create it, or mend the path`},
		{good + "[[listen]]\naddress = ':1'\n[listen.tls]\ncertificate = 'none.pem'\nkey = 'not-a-pem'",
			`host.toml:6: [[listen]] tls.certificate: can't read the certificate: there is no SITE/none.pem: mend the path`},
		{good + "[[listen]]\naddress = ':1'\ntls = { certificate = 'not-a-pem', key = 'not-a-pem' }",
			`host.toml:5: [[listen]] tls: SITE/not-a-pem and SITE/not-a-pem are not a PEM certificate and its key: tls: failed to find any PEM data in certificate input`},
	})
}

func TestSettingsThatDoNotFitTogetherAreRefused(t *testing.T) {
	checkMistakes(t, []mistake{
		{"[pool.web]\n",
			`host.toml:1: [pool.web]: neither command nor worker is given: write worker = "worker.php", or command = ["PROGRAM", "ARGUMENT"], or fpm = true and root = "FOLDER" for unmodified PHP`},
		{good + "command = ['sh']", `host.toml:1: [pool.web]: both command and worker are given: keep one of them`},
		{"[pool.web]\ncommand = ['sh']\nphp = 'php'",
			`host.toml:3: [pool.web] php: has no effect on a command: write the options into command, or use worker = "FILE.php"`},
		{"[pool.web]\nworker = 'goapp'\nphp_ini = {}",
			`host.toml:3: [pool.web] php_ini: has no effect on a Go worker: remove it`},
		{good + "php_ini = { 'a b' = 1 }",
			`host.toml:3: [pool.web] php_ini.a b: "a b" is no name for a php.ini setting`},
		{good + "php_ini = { a = \"b\\nc=d\" }",
			`host.toml:3: [pool.web] php_ini.a: expected one line, found "b\nc=d"`},
		{"[[listen]]\naddress = ':1'\npool = 'wev'\n" + good,
			`host.toml:3: [[listen]] pool: there is no pool "wev": did you mean "web"?`},
		{"[[listen]]\naddress = ':1'\npool = 'admin'\n" + good,
			"host.toml:3: [[listen]] pool: there is no pool \"admin\": the pools are `web`"},
		{"[[listen]]\naddress = ':1'\n" + good + "[pool.api]\nworker = 'app'",
			"host.toml:1: [[listen]] pool: which one? There are `web` and `api`: write pool = \"web\""},
		{good + "[pool.api]\nworker = 'app'", "host.toml:1: [pool.web]: there are 2 pools and no [[listen]]: write " +
			"for each\n\n    [[listen]]\n    address = \"127.0.0.1:8080\"\n    pool = \"web\"\n"},
	})
}

func TestAFileThatIsNotTOMLGivesTheLine(t *testing.T) {
	checkMistakes(t, []mistake{
		{good + "workers = ",
			"host.toml:3: not TOML: expected value, not end of input: there is no value after workers ="},
		{good + "a = 1\na = 2", "host.toml:4: not TOML: key a is already defined"},
	})
}

func TestAllMistakesAreReportedInTheOrderOfTheirLines(t *testing.T) {
	site(t)
	file := "\xef\xbb\xbf[pool.web]\nworker = 'none.php'\nqueue = 'x'\n[log]\nlevel = 'x'\n[[listen]]\naddress = " +
		"'80'\npool = 'y'\n"
	_, err := Parse("etc/host.toml", []byte(file), variables())
	var all Problems
	if !errors.As(err, &all) {
		t.Fatalf("error %v", err)
	}
	var lines []int
	for _, p := range all {
		lines = append(lines, p.Line)
		if p.Path != "etc/host.toml" || !strings.HasPrefix(p.Error(), "etc/host.toml:") {
			t.Errorf("problem %v", p)
		}
	}
	if len(lines) != 5 || lines[0] != 2 || lines[1] != 3 || lines[2] != 5 || lines[3] != 7 || lines[4] != 8 {
		t.Errorf("lines %d of\n%v", lines, err)
	}
	var one *Problem
	if !errors.As(err, &one) || one != all[0] {
		t.Errorf("first problem %v", one)
	}
}

func TestAFileThatIsNotThereSaysSo(t *testing.T) {
	site(t)
	_, err := Load("other.toml", variables())
	if err == nil || err.Error() != "other.toml: there is no such file: name one with -c FILE, or leave -c out" {
		t.Errorf("error %v", err)
	}
}

func TestAWrongFlagIsNamedAsTheFlag(t *testing.T) {
	folder := site(t)
	configured(t)
	begin := howToStart
	for _, m := range []struct {
		file  string
		flags Overrides
		want  string
	}{
		{"", Overrides{}, "nothing to serve: there is no host.toml here, and no WORKER was given" + begin},
		{"[log]", Overrides{}, "host.toml: it defines no pool, so there is nothing to serve" + begin},
		{good, Overrides{Worker: "app"},
			"app: host.toml already defines [pool.web]: leave out the worker, or name another file with -c"},
		{good, Overrides{Command: []string{"sh", "x"}},
			"-- sh x: host.toml already defines [pool.web]: leave out the worker, or name another file with -c"},
		{"", Overrides{Worker: "app", Command: []string{"sh"}},
			"both a WORKER, app, and a command after -- are given: keep one of them"},
		{"", Overrides{Worker: "empty"},
			"WORKER: SITE/empty holds neither worker.php nor a Go main package, nor index.php for a site of " +
				"unmodified PHP"},
		{"[log]", Overrides{Worker: "configured"}, "WORKER: configured has a host.toml, and so has this folder: say " +
			"which one is meant, with -c configured/host.toml or -c host.toml"},
		{"", Overrides{Command: []string{"no-such-program"}},
			`-- no-such-program: there is no program "no-such-program" in $PATH: install it, or write its path`},
		{good, Overrides{Workers: -1, LogLevel: "all", LogFormat: "xml", Listen: []string{"80"}},
			"--log-level: expected one of \"trace\", \"debug\", \"info\", \"warn\" or \"error\", found \"all\"\n" +
				"--log-format: expected one of \"auto\", \"text\" or \"json\", found \"xml\"\n" +
				"-l 80: expected \"host:port\", \":port\" or \"unix:/path\", found \"80\": write \":80\"\n" +
				"-n: expected a whole number of at least 1, found -1"},
		{good, Overrides{Listen: []string{":80", "0.0.0.0:80"}},
			"0.0.0.0:80 is already taken by the listener on :80: remove one of them"},
		{good + "[[listen]]\naddress=':1'\npool='web'\n[pool.api]\nworker='app'", Overrides{Listen: []string{":80"}},
			"-l :80: there are several pools, `web` and `api`: write a [[listen]] with this address and its pool"},
		{good, Overrides{Control: strings.Repeat("x", 100)},
			"--control: SITE/" + strings.Repeat("x", 100) +
				" has LENGTH bytes, and the path of a unix socket can have 103: choose a shorter one"},
		{"[[listen]]\naddress = ':80'\npool = 'api'", Overrides{Worker: "app"},
			"host.toml:3: [[listen]] pool: there is no pool \"api\": the pools are `default`"},
	} {
		c, err := Default()
		if err == nil && m.file != "" {
			c, err = Parse("host.toml", []byte(m.file), variables())
		}
		if err != nil {
			t.Fatal(err)
		}
		err = c.Apply(m.flags)
		if err == nil {
			t.Errorf("no error for %q with %+v", m.file, m.flags)
			continue
		}
		got := strings.ReplaceAll(err.Error(), folder, "SITE")
		if _, rest, ok := strings.Cut(got, " bytes, and"); ok {
			got = got[:strings.LastIndex(got[:len(got)-len(rest)-len(" bytes, and")], " ")] + " LENGTH bytes, and" +
				rest
		}
		if got != m.want {
			t.Errorf("%+v\ngot:  %s\nwant: %s", m.flags, got, m.want)
		}
	}
}

// configured makes a folder of that name, with a worker and a configuration.
func configured(t *testing.T) {
	t.Helper()
	if err := os.Mkdir("configured", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"worker.php": "", FileName: "[pool.own]\nworker = \"worker.php\"\n"} {
		if err := os.WriteFile(filepath.Join("configured", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFolderIsServedByItsOwnConfiguration(t *testing.T) {
	site(t)
	configured(t)
	for _, c := range []struct{ file, worker, path, pool string }{
		{"", "configured", "configured/host.toml", "own"},
		{"configured/host.toml", "configured", "configured/host.toml", "own"},
		{"configured/host.toml", "", "configured/host.toml", "own"},
		{"", "configured/worker.php", "", "default"}, // without it
		{"", "app", "", "default"},
	} {
		all, err := Load(FileFor(c.file, c.worker), variables())
		if err == nil {
			err = all.Apply(Overrides{Worker: c.worker})
		}
		if err != nil || all.Path != c.path || len(all.Pools) != 1 || all.Pools[0].Name != c.pool {
			t.Errorf("%s with the file %q: %v", c.worker, c.file, err)
		}
	}
	t.Chdir("configured")
	all, err := Load(FileFor("", "."), variables())
	if err == nil {
		err = all.Apply(Overrides{Worker: "."})
	}
	if err != nil || all.Path != FileName || all.Pools[0].Name != "own" {
		t.Errorf("the folder that it is in: %v", err)
	}
}

func TestSupervisionThatWouldDoNothingIsAMistake(t *testing.T) {
	checkMistakes(t, []mistake{
		{good + "slow_trace = true", "host.toml:3: [pool.web] slow_trace: has no effect without slow_request: " +
			"write, for example, slow_request = \"2s\""},
		{good + "retry = 'always'", "host.toml:3: [pool.web] retry: expected one of \"safe\", \"idempotency-key\" " +
			"or \"never\", found \"always\""},
	})
}

func TestARemedyIsFoundAtTheEndOfAMistake(t *testing.T) {
	for text, want := range map[string]string{
		"[http] max_body: expected a size, found \"x\"":                       "",
		"can't read the token: there is no t: mend the path":                  "mend the path",
		"not TOML: invalid character: the file is not UTF-8: save it as that": "save it as that",
		"there is no such file: name one with -c FILE, or leave -c out": "name one with " +
			"-c FILE, or leave -c out",
		"\"a\" has a socket; remove it, or name another place": "remove it, or " +
			"name another place",
		"two pools: write for each\n\n    [[listen]]\n    pool = \"a\"\n": "write for " +
			"each\n\n    [[listen]]\n    pool = \"a\"\n",
		"[control] mode: 0640 keeps the group out: write \"0660\", or \"0600\" without group": "write \"0660\", or " +
			"\"0600\" without group",
		"unknown key `workrs` in [pool.web]: did you mean `workers`?": "did you mean " +
			"`workers`?",
		"[pool.web] user: there is no user \"x\": create it (useradd --system x), or name another": "create it " +
			"(useradd --system x), or name another",
		"[pool.web] directory: can't read the folder: open /x: permission denied": "",
	} {
		if got := (&Problem{Text: text}).Remedy(); got != want {
			t.Errorf("of %q: %q", text, got)
		}
	}
}

func TestWhatCertificatesByACMENeedIsAskedFor(t *testing.T) {
	auto := good + "[[listen]]\naddress = ':443'\ntls = 'auto'\n"
	checkMistakes(t, []mistake{
		{auto, "host.toml:5: [[listen]] tls: certificates come from " +
			"https://acme-v02.api.letsencrypt.org/directory: look at its terms, and write agree = true into [acme]"},
		{auto + "[acme]\nagree = true", "host.toml:5: [[listen]] tls: there is no name to have a certificate for: " +
			"write routes with a host, or names or ask into [acme]"},
		{auto + "[acme]\nagree = true\nnames = '*.a.test'", "host.toml:5: [[listen]] tls: authorities give a " +
			"certificate for *.a.test only for a proof by DNS: write [acme.dns], or names without *"},
		{good + "[[listen]]\naddress = ':443'\ntls = 'self-signed'", "host.toml:5: [[listen]] tls: expected " +
			"\"auto\", or a table such as { certificate = \"FILE\", key = \"FILE\" }, found \"self-signed\""},
		{auto + "[acme]\nagree = true\nnames = 'a b'\ndirectory = 'http://a.test'\nemail = 'me'\nca = 'not-a-pem'",
			"host.toml:8: [acme] names.0: expected a name such as \"example.org\" or \"*.example.org\", found " +
				"\"a b\"\nhost.toml:9: [acme] directory: expected a URL such as " +
				"\"https://acme.example.org/directory\", found \"http://a.test\"\nhost.toml:10: [acme] email: " +
				"expected an address such as \"admin@example.org\", found \"me\"\nhost.toml:11: [acme] ca: " +
				"SITE/not-a-pem has no certificate: name a PEM file with those of the authorities"},
		{auto + "[acme]\nagree = true\nask = 'certificate'\nchallenges = ['dns-01']",
			"host.toml:8: [acme] ask: expected a URL, or a path such as \"/certificate\", found \"certificate\"\n" +
				"host.toml:9: [acme] challenges.0: expected \"http-01\" or \"tls-alpn-01\", found \"dns-01\": " +
				"dns-01 is what [acme.dns] does"},
		{auto + "[acme]\nagree = true\nask = '/c'\nask_pool = 'x'",
			"host.toml:9: [acme] ask_pool: which one? Write the name of a pool: there is no \"x\""},
		{auto + "[acme]\nagree = true\nnames = 'a.test'\neab = { id = 'x' }\ndns = { server = 'ns', key = 'k' }",
			"host.toml:9: [acme] eab.key_file: the file with the account's key is missing\nhost.toml:10: [acme] " +
				"dns.server: expected host:port, found \"ns\": write \"ns:53\"\nhost.toml:10: [acme] dns: key and " +
				"key_file go together: write both, or none"},
		{auto + "[acme]\nagree = true\nnames = 'a.test'\ndns = { server = 'ns:53', command = ['./run.sh'] }",
			"host.toml:9: [acme] dns: write one of server = \"host:53\" and command = [\"PROGRAM\"]"},
	})
}

func TestACMEThatNoListenerUsesIsWarnedOf(t *testing.T) {
	site(t)
	for listener, warned := range map[string]bool{"tls = 'auto'\n": false, "": true} {
		c := parse(t, good+"[acme]\nagree = true\nnames = 'a.test'\n[[listen]]\naddress = ':443'\n"+listener)
		got := len(c.Warnings) == 1 && strings.Contains(c.Warnings[0].Error(), "[acme] has no effect")
		if got != warned {
			t.Errorf("%q: warnings %q", listener, c.Warnings)
		}
	}
}

func TestCertificatesAreForTheNamesThatNoFileIsFor(t *testing.T) {
	site(t)
	c := parse(t, good+`
[acme]
agree = true
names = ["Extra.test", "a.test"]
[[listen]]
address = ":443"
tls = "auto"
[[listen]]
address = ":80"
[[route]]
host = ["a.test", "*.b.test"]
pool = "web"
[[route]]
listen = ":80"
host = "plain.test"
pool = "web"
`)
	names, lacking := c.Certified()
	if !slices.Equal(names, []string{"a.test", "extra.test"}) || !slices.Equal(lacking, []string{"*.b.test"}) {
		t.Errorf("%v, and not %v", names, lacking)
	}
	if text := c.Warnings.Error(); !strings.Contains(text, "there will be no certificate for *.b.test") {
		t.Error(text)
	}
}

func TestMistakesInStoresNameThePlaceAndTheRemedy(t *testing.T) {
	const good = "[pool.web]\ncommand = ['sh']\n"
	checkMistakes(t, []mistake{
		{"store = 1\n" + good, "host.toml:1: [store]: expected a table for each store, found the number 1: " +
			"write [store.NAME], for example [store.cache]"},
		{good + "[store.A]\n", `host.toml:3: [store.A]: "A" is no name for a store: use a-z, 0-9, - and _, beginning ` +
			"with a letter or a digit"},
		{good + "[store.s]\nkind = 'disc'\n", `host.toml:4: [store.s] kind: expected "memory" or "disk", found "disc": did ` +
			`you mean "disk"?`},
		{good + "[store.s]\nsync = true\n", `host.toml:4: [store.s] sync: is for kind = "disk": write that, or ` +
			"remove sync"},
		{good + "[store.s]\nmax_size = '1GiB'\n", "host.toml:4: [store.s] max_size: is more than [engine] " +
			"max_memory has for all, 256MiB: raise that, or write less"},
	})
}

func TestAnEngineIsHereOrElsewhere(t *testing.T) {
	const expected = "host.toml:4: [engine] url: expected URLs such as \"nats://10.0.0.7:4222\", found "
	engine := good + "[engine]\n"
	checkMistakes(t, []mistake{
		{engine + "url = 'http://x'", expected + "\"http://x\""},
		{engine + "url = 'nats://me:secret@x:1, nats://'", expected + "\"nats:\""},
		{engine + "url = 'nats://x'\ndirectory = 'd'", "host.toml:5: [engine] directory: is for the embedded " +
			"engine, and url names another one: remove one of them"},
		{engine + "credentials = 'worker.php'", "host.toml:4: [engine] credentials: are for another engine, " +
			"which url has to name; the embedded one needs none"},
	})
}

func TestHostsOfAClusterSayHowTheyFindEachOther(t *testing.T) {
	const (
		cluster = good + "[cluster]\nname = 'shop'\n"
		three   = "routes = ['10.0.0.7:6222', '10.0.0.8:6222', '10.0.0.9:6222']\n"
		listen  = "listen = '10.0.0.7:6222'\n"
		secret  = "secret = '0123456789abcdef'\n"
		how     = "write listen = \"10.0.0.7:6222\", and routes = [\"10.0.0.7:6222\", \"10.0.0.8:6222\", " +
			"\"10.0.0.9:6222\"] on each host, or name an engine of all hosts with [engine] url"
	)
	checkMistakes(t, []mistake{
		{good + "[cluster]\nlisten = ':6222'", "host.toml:4: [cluster] listen: has no effect without name: " +
			"write name = \"NAME\", the same on all hosts"},
		{cluster + secret, "host.toml:3: [cluster]: how do the hosts find each other? " + how},
		{cluster + secret + listen + "routes = ['10.0.0.8:6222', '10.0.0.9']", "host.toml:7: [cluster] routes: " +
			"expected host:port for each host, found \"10.0.0.9\""},
		{cluster + secret + listen + "routes = ['10.0.0.8:6222', '10.0.0.9:6222']", "host.toml:7: [cluster] routes: " +
			"\"10.0.0.7:6222\" is not among them: list all hosts, this one too, so that each knows how many " +
			"there are"},
		{cluster + secret + listen + "routes = ['10.0.0.7:6222']", "host.toml:7: [cluster] routes: a single " +
			"host is no cluster: list all of them, or remove [cluster]"},
		{cluster + listen + three, "host.toml:3: [cluster]: has no secret, so whoever reaches 10.0.0.7:6222 " +
			"could read and send everything: write secret_file = \"FILE\", with the same on each host (openssl " +
			"rand -hex 24 > FILE)"},
		{cluster + listen + three + "secret = 'short'", "host.toml:7: [cluster] secret: expected at least 16 " +
			"characters without spaces (openssl rand -hex 24 makes some)"},
		{cluster + listen + three + secret + "ca = 'worker.php'", "host.toml:3: [cluster]: the certificate is " +
			"missing: certificate, key and ca go together"},
		{cluster + listen + "[engine]\nurl = 'nats://x'", "host.toml:5: [cluster] listen: is for embedded " +
			"engines, and [engine] url names one of all hosts: remove one of them"},
		{cluster + listen + three + secret + "rights = ['stop']", "host.toml:8: [cluster] rights: \"stop\" is no " +
			"right: they are status, connections, reload, upgrade"},
		{good + "[cluster]\nname = 'a b'\n[engine]\nurl = 'nats://x'", "host.toml:4: [cluster] name: expected " +
			"at most 64 letters, digits, dots, hyphens and underscores, found \"a b\""},
	})
}

func TestTwoHostsKeepNoQuorum(t *testing.T) {
	for routes, want := range map[string]string{
		"'127.0.0.1:1', '127.0.0.1:2'":                               "two hosts keep no quorum",
		"'127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'":                "",
		"'127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3', '127.0.0.1:4'": "of 4 hosts 1 may be away, no more than of 3",
		"'127.0.0.1:1', '10.0.0.2:2', '127.0.0.1:3'":                 "",
	} {
		site(t)
		c := parse(t, good+"[cluster]\nname = 'shop'\nlisten = '127.0.0.1:1'\nroutes = ["+routes+"]\n")
		text := c.Warnings.Error()
		if len(c.Warnings) > 0 != (want != "") || !strings.Contains(text, want) {
			t.Errorf("%s: %s, expected %q", routes, text, want)
		}
	}
}
