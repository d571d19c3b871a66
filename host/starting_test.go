package main

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestAHostThatFailsToStartTakesDownWhatItHadBuilt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("unix sockets are files elsewhere")
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	listener := func(address string) string { return fmt.Sprintf("[[listen]]\naddress = %q\n", address) }
	for name, broken := range map[string]string{
		"a second address": listener(taken.Addr().String()),
		"the admin's":      "[admin]\nlisten = \"" + taken.Addr().String() + "\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			s := serveFile(t, dir, listener("unix:"+filepath.Join(dir, "http.sock"))+broken)
			said, _ := io.ReadAll(s.log)
			if status := s.ended(); status != 1 {
				t.Errorf("it exits with %d:\n%s", status, said)
			}
			var left []string
			filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if !d.IsDir() {
					left = append(left, filepath.Base(path))
				}
				return err
			})
			// The lock's file stays for whoever comes next, so that two never hold two files of one name.
			left = slices.DeleteFunc(left, func(name string) bool { return strings.HasSuffix(name, ".lock") })
			if !slices.Equal(left, []string{"host.toml"}) {
				t.Errorf("it leaves %v", left)
			}
		})
	}
}
