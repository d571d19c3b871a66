//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestWithFewOpenFilesClientsTooManyAreAnsweredAndWorkersStart(t *testing.T) {
	dir := shortDir(t)
	s := &serving{t: t, control: filepath.Join(dir, "c.sock"), poison: filepath.Join(dir, "poison")}
	shell := []string{"-c", `ulimit -n 150; exec "$0" "$@"`, os.Args[0]}
	args := program("serve", "-l", "127.0.0.1:0", "-n", "2", "--control", s.control, "--log-format", "json", "--",
		os.Args[0], "worker", s.poison)
	s.command = exec.Command("sh", append(shell, args.Args[1:]...)...)
	s.command.Env = args.Env
	s.begin()
	told := s.await("the limit on open files leaves room for fewer clients than max_connections; those beyond are " +
		"answered 503: raise it (LimitNOFILE=65536 in a unit of systemd, `ulimit -n 65536` in a shell), or lower " +
		"max_connections")
	room := int(told["clients"].(float64))
	if told["open_files"] != 150.0 || room < 30 || room > 100 {
		t.Errorf("%v", told)
	}
	s.address = s.await("listening")["address"].(string)
	s.await("ready")

	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		t.Cleanup(func() { c.Close() })
		return c
	}
	for i := range room {
		c := dial()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
			t.Fatalf("client %d of %d: %v %v", i+1, room, resp, err)
		}
	}
	for range 3 {
		resp, err := http.ReadResponse(bufio.NewReader(dial()), nil)
		if err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Fatalf("one too many: %v %v", resp, err)
		}
	}
	if out, status := s.run("reload"); status != 0 { // each new worker needs descriptors beside the old one's
		t.Errorf("host reload: %d %s", status, out)
	}
	if n := fmt.Sprint(s.await(
		"connections are turned away: raise the limit on open files (ulimit -n), or look for who opens them")["open"],
	); n != fmt.Sprint(room) {
		t.Errorf("%s are open", n)
	}
}
