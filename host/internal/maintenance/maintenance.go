// Package maintenance has sites answer 503 while somebody works on them, and lets those in who do. What it was told
// outlives the host's process: it lies in a file until it is told otherwise.
package maintenance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/protocol"
)

// Order is what is shut, and for whom.
type Order struct {
	Since      time.Time     `json:"since"`
	Message    string        `json:"message,omitempty"`     // what clients read; "" is a sentence of the host's
	RetryAfter time.Duration `json:"retry_after,omitempty"` // when they may come again; 0 is the host's own guess
	Allow      []string      `json:"allow,omitempty"`       // networks, addresses, "unix": who may come all the same
	Except     []string      `json:"except,omitempty"`      // canonical paths that stay, such as "/up" or "/hooks/*"
	Routes     []string      `json:"routes,omitempty"`      // by name; none: all requests, also those of no route
}

// Check says what is wrong with an order; nil if nothing is.
func (o *Order) Check() error {
	if len(o.Message) > 4<<10 {
		return fmt.Errorf("the message has %d bytes: at most 4 KiB are possible", len(o.Message))
	}
	if o.RetryAfter < 0 {
		return errors.New("the time after which clients may come again is less than none")
	}
	if _, err := guard.ParsePeers(o.Allow); err != nil {
		return err
	}
	for _, path := range o.Except {
		plain := strings.TrimSuffix(path, "*")
		canonical, ok := protocol.CanonicalPath(plain)
		if !ok || canonical != plain || path != plain && !strings.HasSuffix(plain, "/") {
			return fmt.Errorf("expected a path such as \"/up\", or \"/hooks/*\" for all below it, found %q", path)
		}
	}
	return nil
}

// Switch is what listeners ask. Its methods are safe for concurrent use.
type Switch struct {
	open func() (file string, err error)
	log  hclog.Logger
	mu   sync.Mutex // over changes of the file
	now  atomic.Pointer[shut]
}

// shut is an order that is in force.
type shut struct {
	Order
	allow *guard.Peers
}

// New reads what an earlier process was told from file; one that can't be read is as none, with a word. open names the
// file for writing, and makes its folder.
func New(file string, open func() (file string, err error), log hclog.Logger) *Switch {
	s := &Switch{open: open, log: log}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s
	}
	var o Order
	if err == nil {
		err = json.Unmarshal(data, &o)
	}
	if err == nil {
		err = o.Check()
	}
	if err != nil {
		log.Error("what was told of maintenance can't be read, so the host serves", "file", file, "error", err)
		return s
	}
	s.put(o)
	log.Warn("maintenance is on: host maintenance off ends it", "since", o.Since)
	return s
}

func (s *Switch) put(o Order) {
	allow, _ := guard.ParsePeers(o.Allow) // which Check has let pass
	s.now.Store(&shut{o, allow})
}

// On is the order in force; nil: there is none. It is not to be changed.
func (s *Switch) On() *Order {
	if now := s.now.Load(); now != nil {
		return &now.Order
	}
	return nil
}

// Set puts an order, which Check lets pass, in force, in the place of the one that is. An error says that it would not
// outlive the host, and that nothing has changed.
func (s *Switch) Set(o Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := s.open()
	if err != nil {
		return err
	}
	data, err := json.Marshal(o)
	if err == nil {
		err = os.WriteFile(file+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		return fmt.Errorf("can't write down that maintenance is on: %w", err)
	}
	s.put(o)
	return nil
}

// Clear ends maintenance. An error says that it would come back with the next start, and that nothing has changed.
func (s *Switch) Clear() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Load() == nil {
		return nil
	}
	file, err := s.open()
	if err == nil {
		err = os.Remove(file)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("can't write down that maintenance is off: %w", err)
	}
	s.now.Store(nil)
	return nil
}

// Shuts says whether a request is to be answered 503, and how: by its route's name, which may be "", its target and
// its client, as net/http names it. It costs next to nothing while there is no order.
func (s *Switch) Shuts(route, target, remote string) (message string, retryAfter time.Duration, is bool) {
	now := s.now.Load()
	if now == nil || len(now.Routes) > 0 && !slices.Contains(now.Routes, route) || now.allow.Include(remote) ||
		now.excepts(target) {
		return "", 0, false
	}
	return now.Message, now.RetryAfter, true
}

func (s *shut) excepts(target string) bool {
	path, ok := protocol.CanonicalPath(target)
	return ok && slices.ContainsFunc(s.Except, func(except string) bool {
		folder, below := strings.CutSuffix(except, "/*")
		return path == except || below && (path == folder || strings.HasPrefix(path, folder+"/"))
	})
}
