package web

import (
	"fmt"
	"testing"
)

// What is expected is what PHP 8.2 takes, but for blanks around an equals sign, with which PHP finds no name.
func TestTheParametersOfAPartAreReadAsPHPReadsThem(t *testing.T) {
	for header, want := range map[string]string{
		`form-data; name="a"`:                          `map[name:a]`,
		`form-data; name=a[b]`:                         `map[name:a[b]]`,
		`form-data; name=a/b; x`:                       `map[name:a/b]`,
		`form-data; name=a b`:                          `map[name:a]`,
		`form-data; name='a b'`:                        `map[name:a b]`,
		`form-data; name="a\"b"`:                       `map[name:a"b]`,
		`form-data; name="a;b"`:                        `map[name:a;b]`,
		`form-data; name = "a"`:                        `map[name:a]`,
		`form-data; NAME=a`:                            `map[name:a]`,
		`form-data; name="a"; name="b"`:                `map[name:b]`,
		`form-data;name=a;filename=x y.txt`:            `map[filename:x name:a]`,
		`form-data; name="f"; filename="C:\dir\x.txt"`: `map[filename:C:\dir\x.txt name:f]`,
		`form-data; name="f"; filename="a\\b"`:         `map[filename:a\b name:f]`,
		`form-data; name="a`:                           `map[name:a]`,
		`form-data; name=""`:                           `map[name:]`,
		`form-data; name=`:                             `map[name:]`,
		`form-data; name="a" junk`:                     `map[name:a]`,
		`form-data; name="a%22b"; filename="ä/é.txt"`:  `map[filename:ä/é.txt name:a%22b]`,
		`form-data; x="name=q"; name=a`:                `map[name:a x:name=q]`,
		`form-data`:                                    `map[]`,
		`Form-Data ; name=a,b`:                         `map[name:a,b]`,
		"form-data; name=\"a\";\tfilename=\"":          `map[filename: name:a]`,
	} {
		if got := parameters(header); fmt.Sprint(got) != want {
			t.Errorf("%s: %v", header, got)
		}
	}
}
