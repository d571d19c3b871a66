// The worker that a pool has of a FastCGI server: a process, or none, and the adapter at the end of its link.

package fastcgi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
	sdk "github.com/workerhost/workerhost/sdk-go"
	"github.com/workerhost/workerhost/workers"
)

// Launcher implements [workers.Launcher]. The pool's directory is the site's root. Its fields are not to be changed
// once a pool has it.
type Launcher struct {
	Name     string // what a worker calls itself: "php-fpm 8.2.7"
	Software string // SERVER_SOFTWARE
	Index    string // the script of folders, and of what is no file: "index.php"
	Deny     Deny
	Retry    protocol.Retry

	// The pool's command is php-fpm, which gets the configuration as its last arguments.
	FPM FPM
	// Folder makes a new folder of mode 0700 for each master, which is given to its user.
	Folder func() (string, error)
	// Tells says whether the php-fpm of a command can have a socket for its status alone, as PHP 8.0 and later can;
	// nil is that it can. It may be called by several at a time.
	Tells func(command []string) bool

	// Address, unless it is zero, is that of a server which is none of ours: then nothing is started, and of FPM
	// Children alone counts.
	Address Address
}

// Launch implements [workers.Launcher].
func (l *Launcher) Launch(what workers.Launch) (workers.Process, error) {
	w := &worker{in: newPipe(), out: newPipe(), ended: make(chan struct{}), stderr: new(bytes.Reader)}
	w.adapter = &adapter{
		site:     site{root: what.Directory, index: l.Index, deny: l.Deny},
		client:   client{address: l.Address},
		software: l.Software, retry: l.Retry, log: slog.New(sdk.LogHandler(nil)), over: make(chan struct{}),
		single: l.FPM.Slow > 0, atHand: map[*http.Request]visit{},
	}
	if l.Address == (Address{}) {
		if err := l.start(w, what); err != nil {
			return nil, err
		}
	}
	go w.serve(l) // ends with the link, which ends with the process
	return w, nil
}

// start starts a master for w.
func (l *Launcher) start(w *worker, what workers.Launch) (err error) {
	if w.folder, err = l.Folder(); err != nil {
		return fmt.Errorf("no folder for php-fpm's socket: %w", err)
	}
	defer func() {
		if err != nil {
			w.clear()
		}
	}()
	socket, file := filepath.Join(w.folder, socketName), filepath.Join(w.folder, "php-fpm.conf")
	if len(socket) > maxSocketPath {
		return fmt.Errorf("%s is too long for a socket: name a shorter place for temporary files with TMPDIR",
			socket)
	}
	tells := l.Tells == nil || l.Tells(what.Command)
	w.script = filepath.Join(w.folder, "probe.php")
	for path, text := range map[string]string{file: l.FPM.configuration(w.folder, tells), w.script: probeScript} {
		if err = os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("no configuration for php-fpm: %w", err)
		}
	}
	paths := []string{file, w.script}
	if l.FPM.Slow > 0 {
		path := filepath.Join(w.folder, slowName)
		paths = append(paths, path)
		w.slow = &slowLog{log: w.adapter.log, named: map[string]slowRequest{}}
		if w.slow.file, err = makePipe(path); err != nil {
			return fmt.Errorf("no slow log for php-fpm: %w; slow_trace = false does without", err)
		}
	}
	for _, path := range append(paths, w.folder) { // the folder last: its owner may fill it
		if what.Owner == nil {
			break
		}
		if err = os.Lchown(path, what.Owner.UID, what.Owner.GID); err != nil {
			return fmt.Errorf("php-fpm's folder can't be given to its user: %w; the host has to be root for that", err)
		}
	}
	started, err := what.Start("--fpm-config", file)
	if err != nil {
		return err
	}
	w.master = started
	if tells {
		w.status, w.children = filepath.Join(w.folder, statusName), l.FPM.Children
	}
	w.adapter.said, w.stderr = newSaid(started.Stderr(), w.slow, w.adapter.began)
	w.adapter.exited, w.adapter.give, w.adapter.client.address = w.ended, w.Terminate, Address{"unix", socket}
	return nil
}

// maxSocketPath is what fits into an address of a unix socket on all systems.
const maxSocketPath = 103

// worker implements [workers.Process].
type worker struct {
	adapter  *adapter
	in, out  *pipe           // what the pool says, and what it is told
	master   workers.Program // nil: the server is none of ours
	folder   string          // the master's; "" without one
	script   string          // with which it is probed; "" likewise
	status   string          // the socket where it tells of its children; "" if it does not
	children int             // that it has
	slow     *slowLog        // nil: it has none
	stderr   io.Reader

	once  sync.Once
	ended chan struct{} // closed when the master has exited, or what stands for that
}

// serve is the adapter's life, and then the server's end.
func (w *worker) serve(l *Launcher) {
	err := sdk.ServeLink(io.NopCloser(w.in), w.out, w.adapter,
		sdk.WithConcurrency(max(1, l.FPM.Children)), sdk.WithName(l.Name), sdk.OnStart(w.await))
	w.adapter.client.close()
	switch {
	case w.master == nil:
		w.end()
	case err == nil: // nothing is at hand
		w.master.Quit()
	default:
		w.master.Terminate()
	}
}

// lookForServer is how often it is looked whether a server that starts is there.
const lookForServer = 5 * time.Millisecond

// await returns when the server answers.
func (w *worker) await(ctx context.Context) error {
	if w.slow != nil {
		go w.slow.read(context.WithoutCancel(ctx)) // ends with its file, which clear closes
	}
	for {
		err := w.adapter.probe(ctx, w.script)
		if final(err) || w.master == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(lookForServer):
		case <-ctx.Done():
		case <-w.ended: // its last words say why
			<-ctx.Done()
			return ctx.Err()
		}
	}
}

// end does once what is to be done when the server is no more, or is not to be asked any more.
func (w *worker) end() {
	w.once.Do(func() {
		close(w.ended)
		for i := 0; w.adapter.unasked.Load() > 0 && i < 100; i++ {
			time.Sleep(time.Millisecond) // for what is handed back
		}
		w.out.Close()
		w.in.breakOff()
		close(w.adapter.over)
		w.clear()
	})
}

// clear removes the master's folder, and what of it is open.
func (w *worker) clear() {
	if w.slow != nil && w.slow.file != nil {
		w.slow.file.Close()
	}
	if w.folder != "" {
		os.RemoveAll(w.folder)
	}
}

func (w *worker) PID() int {
	if w.master == nil {
		return 0
	}
	return w.master.PID()
}

func (w *worker) Frames() (from io.Reader, to io.WriteCloser) { return w.out, input{w.in, w} }

// input is the pool's end of what the adapter reads.
type input struct {
	*pipe
	worker *worker
}

// Close ends the adapter's input. The pool does that when it is done with the worker; if requests are at hand then
// they have been given up, and what still works for them is ended.
func (i input) Close() error {
	err := i.pipe.Close()
	if i.worker.adapter.busy() {
		i.worker.Terminate()
	}
	return err
}

func (w *worker) Stderr() io.Reader { return w.stderr }

func (w *worker) Wait() string {
	how := "its link has ended"
	if w.master != nil {
		how = w.master.Wait()
		w.end()
	}
	<-w.ended
	return how
}

func (w *worker) Terminate() {
	if w.master == nil {
		w.end()
		return
	}
	w.master.Terminate()
}

func (w *worker) Kill() {
	if w.master == nil {
		w.end()
		return
	}
	w.master.Kill()
}

func (w *worker) AskBacktrace(int) bool { return false }

func (w *worker) KernelState() string {
	if w.master == nil || w.adapter.busy() { // it is a child that has the request
		return ""
	}
	return w.master.KernelState()
}

func (w *worker) Expire(t time.Time) {
	if w.master != nil {
		w.master.Expire(t)
	}
}

func (w *worker) Unread() int { return w.in.unread() }

func (w *worker) CPU() time.Duration {
	if w.master == nil {
		return 0
	}
	return w.master.CPU()
}

func (w *worker) Memory() int64 {
	if w.master == nil {
		return 0
	}
	return w.master.Memory()
}

func (w *worker) Close() {
	if w.master != nil {
		w.master.Close()
	}
}
