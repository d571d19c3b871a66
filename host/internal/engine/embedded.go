// embedded.go: the server in the host's own process, and the ways to it.

package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// dialer reaches the server of a folder: this process's, which it starts if nobody else has the folder, or the one
// that has it.
type dialer struct {
	settings Settings

	folder atomic.Value // string: set by prepare
	here   atomic.Bool  // the server is this process's

	mu      sync.Mutex     // held while a server starts or ends
	server  *server.Server // nil: another process has the folder
	lock    *os.File
	door    net.Listener // for other processes
	guests  sync.WaitGroup
	yielded bool
}

// prepare makes the folder.
func (d *dialer) prepare() error {
	folder, err := d.settings.Folder()
	if err == nil {
		d.folder.Store(folder)
	}
	return err
}

func (d *dialer) place() string {
	folder, _ := d.folder.Load().(string)
	return folder
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(string, string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server == nil && !d.yielded {
		if err := d.serve(); err != nil {
			return nil, err
		}
	}
	if d.server != nil {
		return d.server.InProcessConn()
	}
	return net.DialTimeout("unix", filepath.Join(d.place(), socketName), time.Second)
}

// lockName and socketName are files in the folder.
const (
	lockName   = "lock"
	socketName = "socket"
)

// startTime is what the server has to read what lies in its folder.
const startTime = 30 * time.Second

// serve starts the server, if nobody has the folder. The caller holds mu.
func (d *dialer) serve() (err error) {
	lock, err := os.OpenFile(filepath.Join(d.place(), lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if !tryLock(lock) { // another process has it
		return lock.Close()
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	o := &server.Options{
		ServerName: "host", DontListen: true, JetStream: true, StoreDir: d.place(), NoSigs: true, NoLog: true,
		JetStreamMaxMemory: d.settings.MaxMemory, JetStreamMaxStore: d.settings.MaxDisk,
		SyncAlways: true, MaxPayload: maxPayload, MaxPending: 64 << 20,
	}
	if c := d.settings.Cluster; c != nil {
		if err := c.join(o, d.place()); err != nil {
			return err
		}
	}
	s, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("the engine can't be embedded: %w", err)
	}
	s.SetLoggerV2(logger{d.settings.Log}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(startTime) {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("the engine was not ready within %v", startTime)
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("the engine can't use %s: the log says why", d.place())
	}
	path := filepath.Join(d.place(), socketName)
	os.Remove(path) // of one that died
	door, err := net.Listen("unix", path)
	if err != nil {
		// A path may be too long for a socket. Only an upgrade needs it.
		d.settings.Log.Warn("the engine lets no other process in, so an upgrade of the host interrupts it",
			"error", err)
		door = nil
	}
	d.server, d.lock, d.door = s, lock, door
	d.here.Store(true)
	if door != nil {
		os.Chmod(path, 0o600) // the folder is private already
		d.guests.Go(func() { d.letIn(s, door) })
	}
	return nil
}

// maxPayload bounds a message: a value of 1 MiB, and what is told of it.
const maxPayload = 2 << 20

// letIn connects other processes with the server, until the door closes and they have left.
func (d *dialer) letIn(s *server.Server, door net.Listener) {
	for {
		guest, err := door.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				d.settings.Log.Error("the engine lets no other process in any more", "error", err)
			}
			return
		}
		inside, err := s.InProcessConn()
		if err != nil {
			guest.Close()
			continue
		}
		for _, way := range [][2]net.Conn{{guest, inside}, {inside, guest}} {
			d.guests.Go(func() { // ends with either, and with the server
				defer way[0].Close()
				defer way[1].Close()
				io.Copy(way[1], way[0])
			})
		}
	}
}

// yield ends the server, leaves the folder to others, and keeps this process from taking it again.
func (d *dialer) yield() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.yielded = true
	if d.server == nil {
		return
	}
	if d.door != nil {
		d.door.Close()
	}
	d.server.Shutdown()
	d.server.WaitForShutdown()
	d.guests.Wait()
	d.server = nil
	d.here.Store(false)
	d.lock.Close()
}
