//go:build linux

// A template: the process, what it is told to do, and the workers that it has forked.

package fork

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers"
	"github.com/workerhost/workerhost/workers/internal/process"
)

const (
	variable = "WORKERHOST_FORK" // protocol/SPEC.md §14.1
	// unused is how long a template stays without a worker: one that crashed has its successor by then.
	unused = 5 * time.Second
	// leaving is how long it may take to end when it is told to.
	leaving = 2 * time.Second
	// answering is how long somebody who has connected may take to say who it is, and a template to read a line.
	answering = 5 * time.Second
	maxLine   = 4 << 10
	// maxSocketPath is what fits into the address of a unix socket.
	maxSocketPath = 107
)

// template has the mutex that guards all that changes. Workers hold one, and it holds those that are to be forked.
type template struct {
	launcher   *Launcher
	generation uint64
	owner      int // user id of its files; -1 is ours
	reaper     *workers.Reaper
	folder     string
	program    workers.Program
	listener   *net.UnixListener
	output     *process.Output
	first      *worker // whose link it boots on
	log        hclog.Logger
	started    time.Time
	gone       chan struct{}  // closed when nothing of it is left
	talks      sync.WaitGroup // goroutines that read what it and its workers say

	mu      sync.Mutex
	phase   phase
	control *net.UnixConn // nil until it has connected
	booted  bool
	waiting []*worker          // for its boot
	ordered map[string]*worker // by name, until they are waited for
	alive   int                // workers that have not been waited for
	keys    int                // that output knows workers by who are no process yet
	idle    *time.Timer
	talking map[net.Conn]struct{}
}

// phase is where a template is in its life.
type phase int

const (
	booting phase = iota
	forking       // it has booted
	parting       // it is to end
	over          // its process has ended
)

// start starts a template, and gives the worker that it boots for. Under launcher.mu.
func (l *Launcher) start(what workers.Launch) (t *template, first *worker, err error) {
	t = &template{
		launcher: l, generation: what.Generation, owner: -1, reaper: what.Reaper, started: time.Now(),
		log:  l.Logger.With("generation", what.Generation),
		gone: make(chan struct{}), ordered: map[string]*worker{}, talking: map[net.Conn]struct{}{},
	}
	if what.Owner != nil {
		t.owner = what.Owner.UID
	}
	if t.folder, err = l.Folder(); err != nil {
		return nil, nil, fmt.Errorf("no folder for the template's socket: %w", err)
	}
	defer func() {
		if err != nil {
			t.clean()
		}
	}()
	socket := filepath.Join(t.folder, "control")
	if len(socket) > maxSocketPath {
		return nil, nil, fmt.Errorf("%s is too long for a socket: name a shorter place for temporary files with "+
			"TMPDIR", socket)
	}
	if t.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"}); err != nil {
		return nil, nil, fmt.Errorf("no socket for the template: %w", err)
	}
	t.listener.SetUnlinkOnClose(false) // the folder goes as a whole
	if err = t.give(socket); err != nil {
		return nil, nil, err
	}
	if t.output, err = process.NewOutput((&printed{log: t.log}).take); err != nil {
		return nil, nil, fmt.Errorf("nothing for the template to print to: %w", err)
	}
	if t.first, err = t.newWorker(); err != nil {
		return nil, nil, err
	}
	what.Output = t.output.File()
	what.Env = append(process.Without(process.Without(what.Env, variable), process.FramesVariable),
		variable+"="+filepath.Join(t.folder, t.first.name))
	if t.program, err = what.Start(); err != nil {
		t.first.link.Close()
		return nil, nil, err
	}
	t.log = t.log.With("template", t.program.PID())
	t.output.Move(t.first.key, t.program.PID())
	t.first.key = t.program.PID()
	t.waiting = []*worker{t.first}
	go t.listen() // until the listener is closed, as all of it is in end
	go t.await()
	return t, t.first, nil
}

// give lets the template's user, and nobody else, use a file in the folder, which stays ours.
func (t *template) give(file string) error {
	if err := os.Chmod(t.folder, 0o711); err != nil {
		return err
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return err
	}
	if t.owner < 0 {
		return nil
	}
	return os.Lchown(file, t.owner, -1)
}

// newWorker makes one that is no process yet. Under mu, or before anybody else knows t.
func (t *template) newWorker() (*worker, error) {
	name := rand.Text()
	link, err := process.MakeLink(filepath.Join(t.folder, name), t.owner)
	if err != nil {
		return nil, err
	}
	t.keys--
	t.alive++
	return &worker{
		template: t, name: name, link: link, key: t.keys, stderr: t.output.Listen(t.keys),
		settled: make(chan struct{}), forked: make(chan struct{}), hungUp: make(chan struct{}),
	}, nil
}

// want gives a worker that the template is to fork; nil if it will fork none any more.
func (t *template) want() (workers.Process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase >= parting {
		return nil, nil
	}
	w, err := t.newWorker()
	if err != nil {
		return nil, err
	}
	if t.idle != nil {
		t.idle.Stop()
	}
	if t.phase == booting {
		t.waiting = append(t.waiting, w)
	} else {
		t.order(w)
	}
	return w, nil
}

// order tells the template to fork. Under mu.
func (t *template) order(w *worker) {
	t.ordered[w.name] = w
	t.tell("fork " + w.name)
}

// tell writes a line, which the template takes unless it hangs: then whoever waits for a worker loses patience. Under
// mu.
func (t *template) tell(line string) {
	t.control.SetWriteDeadline(time.Now().Add(answering))
	fmt.Fprintln(t.control, line) // an error shows in its end, or in the worker that does not come
}

// listen takes connections of the template and of its workers.
func (t *template) listen() {
	for {
		conn, err := t.listener.AcceptUnix()
		if err != nil {
			return
		}
		t.mu.Lock()
		if t.phase == over && t.alive == 0 {
			conn.Close()
		} else {
			t.talking[conn] = struct{}{}
			t.talks.Go(func() { t.hear(conn) }) // until conn is closed, as it is in end
		}
		t.mu.Unlock()
	}
}

// hear is for one connection.
func (t *template) hear(conn *net.UnixConn) {
	defer func() {
		conn.Close()
		t.mu.Lock()
		delete(t.talking, conn)
		t.mu.Unlock()
	}()
	conn.SetReadDeadline(time.Now().Add(answering))
	lines := &lines{bufio.NewReaderSize(conn, maxLine)}
	word, name, err := lines.next()
	if err != nil {
		return
	}
	pid, err := process.Peer(conn)
	if err != nil {
		t.log.Error("a connection of the template is refused", "error", err)
		return
	}
	conn.SetReadDeadline(time.Time{})
	switch {
	case word == "template" && pid == t.program.PID():
		t.obey(conn, lines)
	case word == "child":
		t.mu.Lock()
		w := t.ordered[name]
		t.mu.Unlock()
		if w != nil {
			w.adopt(conn, lines, pid)
		}
	}
}

// obey hears what the template says.
func (t *template) obey(conn *net.UnixConn, lines *lines) {
	t.mu.Lock()
	t.control = conn
	t.mu.Unlock()
	for {
		word, rest, err := lines.next()
		if err != nil {
			return
		}
		t.mu.Lock()
		name, why, _ := strings.Cut(rest, " ")
		w := t.ordered[name]
		switch {
		case word == "ready" && t.phase == booting:
			t.phase, t.booted = forking, true
			t.log.Info("template ready", "boot", time.Since(t.started).Round(time.Millisecond).String())
			for _, w := range t.waiting {
				t.order(w)
			}
			t.waiting = nil
		case word == "forked" && w != nil && !w.isForked():
			close(w.forked)
		}
		t.mu.Unlock()
		if word == "failed" && w != nil {
			w.fail("exit status 1", "it could not be forked: "+why)
		}
	}
}

// await waits for the process.
func (t *template) await() {
	how := t.program.Wait()
	t.program.Close()
	t.mu.Lock()
	booted, alive, left := t.booted, t.alive, t.waiting
	died := booted && t.phase != parting
	for _, w := range t.ordered {
		if !w.isForked() { // else it lives on
			left = append(left, w)
		}
	}
	t.phase, t.waiting = over, nil
	if t.idle != nil {
		t.idle.Stop()
	}
	if t.control != nil {
		t.control.Close()
	}
	t.mu.Unlock()
	for _, w := range left {
		if w == t.first && !booted {
			w.fail(how, "") // it has said why
		} else {
			w.fail(how, "the template that was to fork it has ended")
		}
	}
	if died {
		t.log.Warn("template ended: its workers go on, and the next one that is needed starts another", "exit", how)
	}
	if alive == 0 {
		t.end()
	}
}

// left is told of a worker that has ended, and been waited for.
func (t *template) left(w *worker) {
	t.mu.Lock()
	delete(t.ordered, w.name)
	t.alive--
	last, phase := t.alive == 0, t.phase
	if last && phase == forking {
		t.idle = time.AfterFunc(unused, func() { t.part(false) })
	}
	t.mu.Unlock()
	if last && phase == over {
		t.end()
	}
}

// dismiss ends the template.
func (t *template) dismiss() { t.part(true) }

// part has the template end; unless a worker has come meanwhile, if that matters.
func (t *template) part(anyway bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase >= parting || !anyway && t.alive > 0 {
		return
	}
	t.phase = parting
	if t.control == nil {
		t.program.Kill()
		return
	}
	t.control.CloseWrite() // its end of orders
	time.AfterFunc(leaving, t.program.Kill)
}

// withdraw is for a worker that is wanted no more before it is a process. A template that boots for it, or has not
// forked it when it was told to, ends with it.
func (t *template) withdraw(w *worker) {
	t.mu.Lock()
	i := slices.Index(t.waiting, w)
	if i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
	ends := i < 0 || w == t.first
	if ends && t.phase < parting {
		t.phase = parting
	}
	t.mu.Unlock()
	if ends {
		t.program.Kill()
	}
	w.fail("signal: killed", "")
}

// end clears up behind the last of all.
func (t *template) end() {
	t.mu.Lock()
	t.listener.Close()
	for conn := range t.talking {
		conn.Close()
	}
	t.mu.Unlock()
	t.talks.Wait()
	t.clean()
	t.launcher.forget(t)
	close(t.gone)
}

func (t *template) clean() {
	if t.listener != nil {
		t.listener.Close()
	}
	if t.output != nil {
		t.output.Close()
	}
	os.RemoveAll(t.folder)
}

func (t *template) status() (s Template, lives bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Template{PID: t.program.PID(), Generation: t.generation, Booting: t.phase == booting, Workers: t.alive},
		t.phase != over
}

// lines are what comes over a connection: a word, and what belongs to it.
type lines struct{ from *bufio.Reader }

func (l *lines) next() (word, rest string, err error) {
	line, err := l.from.ReadSlice('\n')
	if err != nil {
		return "", "", err
	}
	word, rest, _ = strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
	return word, rest, nil
}
