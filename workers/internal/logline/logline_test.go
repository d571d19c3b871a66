package logline

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestALineHasTheLevelThatItsLoggerGaveIt(t *testing.T) {
	for _, c := range []struct {
		want  slog.Level
		lines []string
	}{
		{slog.LevelError, []string{
			"PHP Fatal error:  Uncaught Exception: no in /srv/a.php:3",
			"[28-Nov-2026 05:12:19 Europe/Berlin] PHP Parse error:  syntax error in /srv/a.php on line 1",
			"Fatal error: Allowed memory size of 2097152 bytes exhausted in /srv/a.php on line 3",
			"PHP Recoverable fatal error:  no",
			"[critical] Uncaught PHP Exception RuntimeException: \"no\" at /srv/a.php line 3",
			"2026-11-28T05:12:19+00:00 [error] no", "[ALERT] no", "[emergency] no",
			"[28-Nov-2026 05:12:19 UTC] [error] no", "[2026-11-28T05:12:19.123456+00:00] request.CRITICAL: no [] []",
			"[2026-11-28 05:12:19] local.ERROR: no",
			"app.ALERT: no", "[2026-11-28 05:12:19] my.own.channel.EMERGENCY: no", "ERROR: no", "FATAL: no", "ERROR:",
			`time=2026-11-28T05:12:19.000Z level=ERROR msg=no`, `level=ERROR+2 msg=no`, `level=error msg="no"`,
			`time="2026-11-28T05:12:19Z" level=fatal msg=no`, `ts=2026-11-28T05:12:19Z level="error" msg=no`,
			`{"time":"2026-11-28T05:12:19Z","level":"ERROR","msg":"no"}`, `{ "severity" : "CRITICAL" }`,
			`{"message":"no \"level\":\"info\"","context":{"level":"info"},"level":500,"level_name":"CRITICAL"}`,
			"2026/11/28 05:12:19 ERROR no key=1", "2026/11/28 05:12:19.123456 ERROR no",
			"2026-11-28T05:12:19.123Z [ERROR] app: no", "2026/11/28 05:12:19 [crit] 7#7: no",
			"panic: no", "fatal error: all goroutines are asleep - deadlock!",
		}},
		{slog.LevelWarn, []string{
			"PHP Warning:  Undefined variable $a in /srv/a.php on line 3", "Deprecated: no", "PHP Notice:  no",
			"[28-Nov-2026 05:12:19 UTC] PHP Warning:  no", "[warning] no", "[2026-11-28 05:12:19] local.WARNING: no",
			"level=WARN msg=no", `{"level":"warn"}`, "WARNING: no", "2026/11/28 05:12:19 WARN no",
		}},
		{slog.LevelInfo, []string{
			"", " ", "[", "{", "[]", "{}", "a line", "[info] yes", "[debug] yes", "[notice] yes", "app.INFO: yes",
			"[2026-11-28 05:12:19] local.DEBUG: a=[error] yes", "level=DEBUG-4 msg=yes",
			"level=INFO msg=\"level=ERROR\"", "time=now msg=\"no level=ERROR \"", `{"level":"DEBUG","msg":"[error]"}`, `{"msg":"yes","level":"info"}`, `{"level":50}`,
			`{"context":{"level":"error"}}`, `["level","error"]`, `{"level":"err`, `{"level`, `{"a\"level":"error"}`,
			"error: 3 rows", "0 ERROR in all", "3 files: no ERROR: yes", "ERROR in prose", "[app] error",
			"[errors] yes", "Errors: 3", "http://host/ERROR: yes", "[12] yes", "[error",
			"2026/11/28 05:12:19 errors were none", "the Warning: is within", "PHP 8.2", "PHP ", "Warning:none",
		}},
	} {
		for _, line := range c.lines {
			if got := new(Entry).Start([]byte(line)); got != c.want {
				t.Errorf("%q is %v, not %v", line, got, c.want)
			}
		}
	}
}

// entries are the lines of a text that begin one.
func entries(text string) (first []string) {
	var e Entry
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line == "" { // no line of the log is
			continue
		}
		if len(first) == 0 || !e.Continues([]byte(line)) {
			e.Start([]byte(line))
			first = append(first, line)
		}
	}
	return first
}

func TestAStackTraceIsOneEntryWithTheLineThatItBelongsTo(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		first []string
	}{
		"fatal": {`before
PHP Fatal error:  Uncaught PDOException: SQLSTATE[42P01]: 7 ERROR:  relation "a" does not exist
LINE 1: SELECT * FROM a
                      ^ in /srv/a.php:3
Stack trace:
#0 /srv/a.php(3): PDO->query('SELECT * FROM a')
#1 [internal function]: f()
#2 {main}

Next LogicException: outer in /srv/a.php:5
Stack trace:
#0 {main}
  thrown in /srv/a.php on line 5
after
`, []string{"before",
			`PHP Fatal error:  Uncaught PDOException: SQLSTATE[42P01]: 7 ERROR:  relation "a" does not exist`, "after"}},
		"two in a row": {`Fatal error: Uncaught Exception: one in /srv/a.php:3
Stack trace:
#0 {main}
  thrown in /srv/a.php on line 3
Fatal error: Uncaught Exception: two in /srv/a.php:3
Stack trace:
#0 {main}
  thrown in /srv/a.php on line 3
`, []string{"Fatal error: Uncaught Exception: one in /srv/a.php:3",
			"Fatal error: Uncaught Exception: two in /srv/a.php:3"}},
		"logged by hand": {`RuntimeException: inner in /srv/a.php:3
Stack trace:
#0 {main}

Next RuntimeException: outer in /srv/a.php:4
Stack trace:
#0 {main}
Next comes this
`, []string{"RuntimeException: inner in /srv/a.php:3", "Next comes this"}},
		"Laravel": {`[2026-11-28 05:12:19] local.ERROR: no {"exception":"[object] (RuntimeException(code: 0): no at /srv/a.php:3)
[stacktrace]
#0 /srv/b.php(12): App\\C->f(Object(App\\D))
#1 {main}

[previous exception] [object] (LogicException(code: 0): inner at /srv/a.php:2)
[stacktrace]
#0 {main}
"} 
[2026-11-28 05:12:19] local.INFO: yes  
`, []string{`[2026-11-28 05:12:19] local.ERROR: no {"exception":"[object] (RuntimeException(code: 0): no at /srv/a.php:3)`,
			"[2026-11-28 05:12:19] local.INFO: yes  "}},
		"Laravel, with a message of several lines": {`[2026-11-28 05:12:19] local.ERROR: no {"exception":"[object] (PDOException(code: 7): no
LINE 1: SELECT
[a]  ^ at /srv/a.php:3)
[stacktrace]
#0 {main}

[previous exception] [object] (LogicException(code: 0): inner
 and more at /srv/a.php:2)
[stacktrace]
#0 {main}
","user":4} 
after
`, []string{`[2026-11-28 05:12:19] local.ERROR: no {"exception":"[object] (PDOException(code: 7): no`, "after"}},
		"Monolog, in a line each": {`[2026-11-28 05:12:19] a.ERROR: no {"exception":"[object] (A(code: 0): no at /a.php:3)"} []
[2026-11-28 05:12:19] a.ERROR: no {"exception":"[object] (A(code: 0): no at /a.php:3)"} 
after
`, []string{`[2026-11-28 05:12:19] a.ERROR: no {"exception":"[object] (A(code: 0): no at /a.php:3)"} []`,
			`[2026-11-28 05:12:19] a.ERROR: no {"exception":"[object] (A(code: 0): no at /a.php:3)"} `, "after"}},
		"a trace alone": {"#0 /srv/a.php(3): f()\n#1 {main}\nafter", []string{"#0 /srv/a.php(3): f()", "after"}},
		"panic": {`panic: outer [recovered]
	panic: inner
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x45d3c0]

goroutine 1 [running]:
main.(*T).f(0x0, {0x1, 0x2})
	/srv/main.go:5 +0x18
main.main()
	/srv/main.go:9 +0x2c
created by main.start in goroutine 7
	/srv/main.go:12 +0x3a

goroutine 18 [select, 2 minutes]:
net/http.(*Server).Serve(...)
...additional frames elided...
rax    0x0
exit status 2
after (this)
`, []string{"panic: outer [recovered]", "after (this)"}},
		"deadlock": {`fatal error: all goroutines are asleep - deadlock!

runtime stack:
runtime.throw({0x4b6a10?, 0x0?})
	/usr/lib/go/src/runtime/panic.go:1077 +0x5c
goroutine 1 [chan receive]:
main.main()
	/srv/main.go:4 +0x2c
`, []string{"fatal error: all goroutines are asleep - deadlock!"}},
		"no trace": {"one\n#2 is done\n#3: (a): b\n\tindented\n  thrown in the air\nNext please\n\"}\nf(x)", []string{
			"one", "#2 is done", "#3: (a): b", "\tindented", "  thrown in the air", "Next please", "\"}", "f(x)"}},
	} {
		if got := entries(c.text); !slices.Equal(got, c.first) {
			t.Errorf("%s: entries begin with %q, not %q", name, got, c.first)
		}
	}
}

func FuzzEntry(f *testing.F) {
	for _, line := range []string{"", "[error] no", "[2026-11-28 05:12:19] a.ERROR: no", "time=now level=WARN msg=a",
		`{"level":"warn","b":{"level":1}}`, "panic: a\n\n\tb\ngoroutine 1 [a]:\nf(a)",
		"PHP Fatal error:  Uncaught a\n  thrown in b",
		"#0 {main}", "2026/11/28 05:12:19 WARN a", "[1] [", `{"level":"\u0065rror"}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var e Entry
		for i, line := range bytes.Split(text, []byte("\n")) {
			if i > 0 && e.Continues(line) {
				continue
			}
			switch got := e.Start(line); got {
			case slog.LevelInfo:
			case slog.LevelWarn, slog.LevelError:
				if len(line) < 4 {
					t.Errorf("%q is %v", line, got)
				}
			default:
				t.Errorf("%q is %v", line, got)
			}
		}
		if object := map[string]any{}; json.Unmarshal(text, &object) == nil {
			inner, _ := json.Marshal(map[string]any{"a": object, "b": string(text), "level": "WARN"})
			if got := ofObject(inner); got != slog.LevelWarn {
				t.Errorf("%s is %v", inner, got)
			}
		}
	})
}

func BenchmarkStart(b *testing.B) {
	for name, line := range map[string]string{
		"plain":   "the order 4711 of the customer 12 was shipped to the address that they gave",
		"warning": "Warning: Undefined variable $total in /srv/app/src/Order.php on line 120",
		"monolog": `[2026-11-28T05:12:19.123456+00:00] app.INFO: the order was shipped {"order":4711} []`,
		"json": `{"message":"the order was shipped","context":{"order":4711},"level":200,"level_name":"INFO",` +
			`"channel":"app","datetime":"2026-11-28T05:12:19.123456+00:00","extra":{}}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var e Entry
			for text := []byte(line); b.Loop(); {
				e.Continues(text)
				e.Start(text)
			}
		})
	}
}
