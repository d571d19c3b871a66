//go:build linux

// Commands on a terminal.

package operate

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
	"golang.org/x/sys/unix"
)

// screen is what a terminal shows, for the few things that our commands have it do. It is safe for concurrent use.
type screen struct {
	mu    sync.Mutex
	lines [][]rune
	row   int
	col   int
}

var colour = regexp.MustCompile(`^\x1b\[[0-9;]*m`)

// Write has the screen show p, which breaks off in no character and no sequence.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text := string(p); text != ""; {
		for len(s.lines) <= s.row {
			s.lines = append(s.lines, nil)
		}
		switch {
		case strings.HasPrefix(text, "\x1b[K"):
			s.lines[s.row] = s.lines[s.row][:min(s.col, len(s.lines[s.row]))]
			text = text[3:]
		case strings.HasPrefix(text, "\x1b[1A"):
			s.row, text = s.row-1, text[4:]
		case colour.MatchString(text):
			text = text[len(colour.FindString(text)):]
		case text[0] == '\r':
			s.col, text = 0, text[1:]
		case text[0] == '\n':
			s.row, s.col, text = s.row+1, 0, text[1:]
		default:
			r := []rune(text)[0]
			s.lines[s.row] = append(s.lines[s.row][:s.col], r)
			s.col, text = s.col+1, text[len(string(r)):]
		}
	}
	return len(p), nil
}

func (s *screen) text() string {
	var b strings.Builder
	for _, line := range s.lines {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (s *screen) now() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text()
}

// onTerminal begins a command on a terminal of its own. ended gives its exit status.
func onTerminal(h *harness.Host, columns int, command string, args ...string) (s *screen, ended func() error) {
	h.T.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		h.T.Skip("no terminals here: ", err)
	}
	var theirs *os.File
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: uint16(columns)})
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		ours.Close()
		h.T.Fatal(err)
	}
	cmd := exec.Command(harness.HostBinary, append([]string{command, "--control", h.Control}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.Env = append(os.Environ(), "TERM=xterm")
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		h.T.Fatal(err)
	}
	s = &screen{}
	read := make(chan struct{})
	go func() { // ends with the command, the last to hold the other end
		defer close(read)
		defer ours.Close()
		for buffer, carry := make([]byte, 4096), ""; ; {
			n, err := ours.Read(buffer)
			text := carry + string(buffer[:n])
			whole := len(text)
			if err == nil {
				whole = wholeEnd(text)
			}
			s.Write([]byte(text[:whole]))
			if carry = text[whole:]; err != nil {
				return
			}
		}
	}()
	return s, func() error {
		err := cmd.Wait()
		<-read
		return err
	}
}

// wholeEnd is where the text ends that breaks off in no character and no sequence.
func wholeEnd(text string) int {
	if i := strings.LastIndexByte(text, 0x1b); i >= 0 && !strings.ContainsAny(text[i:], "mKA") {
		return i
	}
	for i := len(text) - 1; i >= max(0, len(text)-3); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRuneInString(text[i:]) {
				return i
			}
			break
		}
	}
	return len(text)
}

func TestReloadOnATerminalShowsTheWorkersAtHandAndLeavesOnlyTheAccount(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 2\nwarmup = [\"/hello\"]", "")
	old := h.PIDs()
	// The new code boots, and answers, when the test has seen that it does not yet: the command looks at the host a
	// few times a second, and shows no phase that is over before it looks.
	awaits := func(file string) string {
		return "while (!file_exists(__DIR__ . '/" + file + "')) { usleep(5000); clearstatcache(); }\n"
	}
	harness.Write(t, dir, "worker.php", strings.NewReplacer("use WorkerHost\\Log;", awaits("boot")+
		"use WorkerHost\\Log;", "case '/hello':", "case '/hello': "+awaits("warm")).
		Replace(harness.ReadFile(t, dir+"/worker.php")))
	busy, _ := harness.Begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	s, ended := onTerminal(h, 70, "reload")
	for _, phase := range []struct{ shown, then string }{
		{fmt.Sprintf(`worker \d  pid (%d|%d) → \d+  starting  \d`, old[0], old[1]), "boot"},
		{`worker \d  pid \d+ → \d+  warming: GET /hello  \d`, "warm"},
		{`worker \d  pid \d+ → \d+  swapped, draining: 1 request  \d`, ""},
		{`█░+  [01] of 2 workers replaced|░+  0 of 2 workers replaced`, "go"},
	} {
		pattern := regexp.MustCompile(phase.shown)
		h.Eventually("the terminal shows "+phase.shown, func() bool { return pattern.MatchString(s.now()) })
		if phase.then != "" {
			harness.Write(t, dir, phase.then, "1")
		}
	}
	busy.Answer("GET")
	if err := ended(); err != nil {
		t.Errorf("host reload: %v", err)
	}
	account := regexp.MustCompile(
		`^web  generation 2  .*\n(  ?.*\n)?(web  worker \d  generation 2  pid \d+ → \d+  boot .*\n){2}web  reloaded: 2 workers of generation 2 in .*\n$`)
	if text := s.now(); !account.MatchString(strings.ReplaceAll(text, "\r", "")) {
		t.Errorf("in the end the terminal shows\n%s", text)
	}
}
