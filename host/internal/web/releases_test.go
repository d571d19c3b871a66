package web

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestPublicFoldersOfReleasesAreOpenedEachOnceAndClosedTogether(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"public", "live", "new", "old"} {
		if err := os.Mkdir(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	names := func(f *folder) string {
		var all []string
		for ; f != nil; f = f.next {
			all = append(all, filepath.Base(f.path))
		}
		return strings.Join(all, " ")
	}
	tries := func(*protocol.Request) bool { return true }
	live, old, made := at("live"), at("old"), at("new")
	for _, c := range []struct {
		of          Releases
		want, tried string
	}{
		{Releases{}, "public", ""},
		{Releases{Live: at("gone")}, "public", ""},
		{Releases{Live: live, Others: []string{at("gone"), live}}, "live", ""},
		{Releases{Live: live, Others: []string{old, old}}, "live old", ""},
		{Releases{Live: live, Others: []string{old}, Candidate: made, Tries: tries}, "live old new", "new live old"},
		{Releases{Live: live, Others: []string{old}, Candidate: at("gone"), Tries: tries}, "live old", ""},
		{Releases{Live: live, Candidate: live, Tries: tries}, "live", ""},
		{Releases{Live: live, Others: []string{made}, Candidate: made, Tries: tries}, "live new", "new live"},
	} {
		f, err := openPublic(&Terms{Public: at("public"), Releases: func() Releases { return c.of }})
		if err != nil {
			t.Fatal(err)
		}
		if got, tried := names(f), names(f.tried); got != c.want || tried != c.tried {
			t.Errorf("%+v: opened %q, and %q for new code's clients", c.of, got, tried)
		}
		all := []*folder{f.tried}
		for in := f; in != nil; in = in.next {
			all = append(all, in)
		}
		f.close()
		for _, in := range all {
			if in != nil && in.retain() {
				t.Errorf("%s stays open", in.path)
			}
		}
	}
	if _, err := openPublic(&Terms{Public: at("gone")}); err == nil {
		t.Error("a public folder that is not there is no error")
	}
}
