package config

import (
	"errors"
	"strings"
	"testing"
)

func TestWhatIsNoTOMLIsToldWithWhatWasMeant(t *testing.T) {
	for line, want := range map[string]string{
		`address = ${PORT}`:            `a variable stands between quotes, also in place of a number: write address = "${PORT}"`,
		`workers = ${N} # as many`:     `a variable stands between quotes, also in place of a number: write workers = "${N}"`,
		`env = { A = ${B}, C = "d" }`:  `a variable stands between quotes, also in place of a number: write "${B}"`,
		`worker = worker.php`:          `text stands between quotes: write worker = "worker.php"`,
		`drain_timeout = 30s`:          `text stands between quotes: write drain_timeout = "30s"`,
		`listen = 127.0.0.1:80`:        `text stands between quotes: write listen = "127.0.0.1:80"`,
		`umask = 027`:                  `text stands between quotes: write umask = "027"`,
		`in_place = yes`:               `write true or false; text stands between quotes: "yes"`,
		`worker = "a`:                  `the closing quote is missing`,
		`worker = 'a`:                  `the closing quote is missing`,
		`worker = “a”`:                 `write straight quotes, " or '`,
		`worker = "C:\dir\worker.php"`: `a backslash is written \\, or the text between single quotes, in which it is one`,
		`worker =`:                     `there is no value after worker =`,
		`worker: a.php`:                `write worker = "a.php"`,
		`worker: "a.php"`:              `write worker = "a.php"`,
		`; a comment`:                  `a comment begins with #`,
		`// a comment`:                 `a comment begins with #`,
		"w\x00":                        `the file is not UTF-8: save it as that`,
		`worker = ["a" "b"]`:           ``,
		`[pool.web`:                    ``,
		`{"a": 1}`:                     ``,
		`server {`:                     ``,
	} {
		_, err := parseDocument("host.toml", []byte("a = 1\r\n"+line+"\r\n"))
		var problems Problems
		if !errors.As(err, &problems) || problems[0].Line != 2 {
			t.Errorf("%s: %v", line, err)
			continue
		}
		text := problems[0].Text
		if want == "" && strings.Contains(text, ": write ") || !strings.HasSuffix(text, want) {
			t.Errorf("%s: %s", line, text)
		}
	}
}
