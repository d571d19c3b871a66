package web

import (
	"fmt"
	"net/url"
	"testing"
)

// TestPlainTargetIsReadAsNetURLReadsIt holds the short way to the long one, for each byte that a target may have.
func TestPlainTargetIsReadAsNetURLReadsIt(t *testing.T) {
	targets := []string{"/", "//", "//a/b", "///", "/?", "/??", "/a?", "/a?b", "/a?b=c&d", "/a?b?", "/a/../b", "/%41",
		"/a%2fb?%41", "/a?%zz", "/a b", "/:8080/", "/a:b@c", "/*"}
	for c := byte('!'); c < 0x7f; c++ {
		targets = append(targets, "/a"+string(c)+"b", "/"+string(c), "/a?"+string(c), "/?"+string(c)+"?")
	}
	for _, target := range targets {
		want, wrong := url.ParseRequestURI(target)
		var got url.URL
		err := readTarget(&got, target)
		if (err == nil) != (wrong == nil) {
			t.Errorf("%q: %v, where net/url says %v", target, err, wrong)
		} else if err == nil && fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", *want) {
			t.Errorf("%q is %#v, where net/url says %#v", target, got, *want)
		}
	}
}
