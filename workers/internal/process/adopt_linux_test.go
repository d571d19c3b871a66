package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func adopts(t *testing.T) {
	t.Helper()
	if err := AdoptOrphans(); err != nil {
		t.Fatal(err)
	}
}

// orphan runs a script whose last word on its output is the number of a process that outlives it. As a worker's
// descendant is, it is in a group other than ours.
func orphan(t *testing.T, script string, files ...*os.File) (pid int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := spawn([]string{"/bin/sh", "-c", script},
		&os.ProcAttr{Files: append([]*os.File{nil, w, os.Stderr}, files...), Sys: processGroup()})
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	p.Wait()
	children.forget(p.Pid)
	pid, err = strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	return pid
}

func parent(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "gone"
	}
	_, rest, _ := strings.Cut(string(b), "PPid:")
	return strings.Fields(rest)[0]
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in 20 s: " + what)
		}
	}
}

func TestAnOrphanThatNobodyClaimsIsReapedAndNobodyElsesExitIsTaken(t *testing.T) {
	adopts(t)
	ended := make(chan error, 20)
	for range cap(ended) { // some of ours end meanwhile, in our own group and in others
		go func() { ended <- exec.Command("/bin/sh", "-c", "sleep 0.0$(($$ % 10)); exit 3").Run() }()
		go func() {
			p, err := spawn([]string{"/bin/sh", "-c", "sleep 0.01; exit 3"}, &os.ProcAttr{Sys: processGroup()})
			if err == nil {
				var state *os.ProcessState
				if state, err = p.Wait(); err == nil && state.ExitCode() != 3 {
					err = fmt.Errorf("%s", state)
				}
				children.forget(p.Pid)
			}
			if err != nil {
				t.Error(err)
			}
		}()
	}
	pid := orphan(t, "setsid sleep 60 >&- & echo $!")
	until(t, "it is ours", func() bool { return parent(pid) == strconv.Itoa(os.Getpid()) })
	syscall.Kill(pid, syscall.SIGKILL)
	until(t, "it is reaped", func() bool { return parent(pid) == "gone" })
	for range cap(ended) {
		if err := <-ended; fmt.Sprint(err) != "exit status 3" {
			t.Errorf("a command of ours: %v", err)
		}
	}
}

func TestAnAdoptedProcessIsWaitedForAsOneOfOurs(t *testing.T) {
	adopts(t)
	path := filepath.Join(t.TempDir(), "it")
	link, err := MakeLink(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	// a shell in the background has executed nothing since it was forked
	pid := orphan(t, `(while read -r line; do case $line in
		end) exit 7;; *) echo "got $line";; esac; done) <"`+path+`.in" >"`+path+`.out" & echo $!`)
	until(t, "it is ours", func() bool { return parent(pid) == strconv.Itoa(os.Getpid()) })
	p, err := Adopt(Adopted{PID: pid, Link: link})
	if err != nil {
		t.Fatal(err)
	}
	if group, _ := unix.Getpgid(pid); group != pid {
		t.Errorf("it is in group %d", group)
	}
	from, to := p.Frames()
	io.WriteString(to, "one\nend\n")
	if got, _ := bufio.NewReader(from).ReadString('\n'); got != "got one\n" {
		t.Errorf("%q", got)
	}
	if how := p.Wait(); how != "exit status 7" || parent(pid) != "gone" {
		t.Errorf("it ended with %s, and its parent is %s", how, parent(pid))
	}
	to.Close()
	link.Close()
}

func TestOnlyAChildThatHasExecutedNothingIsAdopted(t *testing.T) {
	adopts(t)
	for name, pid := range map[string]int{"no child": os.Getppid(), "none": 1 << 30,
		"a program": orphan(t, "sleep 60 >&- & echo $!")} {
		if name == "a program" {
			until(t, "it runs", func() bool {
				b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
				return string(b) == "sleep\n" && parent(pid) == strconv.Itoa(os.Getpid())
			})
		}
		if _, err := Adopt(Adopted{PID: pid}); err == nil {
			t.Errorf("%s was adopted", name)
		}
	}
}

func TestALinkByNameIsAsAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it")
	link, err := MakeLink(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	from, to := link.Files()
	io.WriteString(to, "before it is opened\n")
	if n := link.Unread(); n != 20 {
		t.Errorf("%d bytes are unread", n)
	}
	c := exec.Command("/bin/sh", "-c", `exec <"$1.in" >"$1.out"; echo open; cat`, "sh", path)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(from)
	for _, want := range []string{"open\n", "before it is opened\n"} {
		if got, err := lines.ReadString('\n'); got != want {
			t.Fatalf("%q, %v", got, err)
		}
	}
	link.Opened()
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("%v can be opened by others", left)
	}
	to.Close()
	if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	link.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

func TestWhatSeveralPrintIsToldApartToTheLastByte(t *testing.T) {
	var rest strings.Builder
	out, err := NewOutput(func(_ int, p []byte) { rest.Write(p) })
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string)
	var pids []int
	for i := range 4 {
		// what it has started prints for it, if it lives until it is heard
		script := fmt.Sprintf("n=0; while [ $n -lt 300 ]; do echo %d says $n; n=$((n+1)); done; "+
			"(echo %d ends >&2; sleep 0.5)", i, i)
		in, begin, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p, err := spawn([]string{"/bin/sh", "-c", "read x; " + script},
			&os.ProcAttr{Files: []*os.File{in, out.File(), out.File()}, Sys: processGroup()})
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, p.Pid)
		r := out.Listen(-p.Pid)
		out.Move(-p.Pid, p.Pid)
		in.Close()
		begin.Close()
		go func() {
			all, _ := io.ReadAll(r)
			heard <- string(all)
		}()
		go func() {
			p.Wait()
			children.forget(p.Pid)
			out.Ended(p.Pid)
		}()
	}
	for range pids {
		all := <-heard
		lines := strings.Split(strings.TrimSpace(all), "\n")
		who := lines[0][:1]
		if len(lines) != 301 || lines[300] != who+" ends" {
			t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
		}
		for _, line := range lines {
			if line[:1] != who {
				t.Fatalf("%q is %s's", line, who)
			}
		}
	}
	late := out.Listen(pids[0])
	out.Close()
	if all, err := io.ReadAll(late); len(all) > 0 || err != nil {
		t.Errorf("%q %v", all, err)
	}
	if strings.Contains(rest.String(), "says") {
		t.Errorf("nobody's: %q", rest.String())
	}
}

func TestPrivateMemoryIsLessThanWhatIsResident(t *testing.T) {
	private, resident := PrivateMemory(os.Getpid()), ResidentMemory(os.Getpid())
	if private <= 0 || private > resident {
		t.Errorf("%d of %d bytes", private, resident)
	}
	if PrivateMemory(1<<30) != 0 {
		t.Error("there is no such process")
	}
}
