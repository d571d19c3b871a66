// client.go asks a running host, for the commands.

package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/workerhost/workerhost/host/internal/filekind"
)

// Client talks to the host behind a socket. It is safe for concurrent use, and keeps nothing open between calls.
type Client struct {
	// Message goes along with what the host is asked for, for its audit line: why. Set it before the first call. Line
	// breaks in it become spaces.
	Message string

	path  string
	token string // "" at a socket
	// of the cluster's host that is meant; "": the one that answers
	station string
	http    http.Client
}

// tcpScheme begins the address of a host that is steered over TCP.
const tcpScheme = "tcp://"

// TCPAddress says whether a place is "tcp://host:port" rather than the path of a socket, and gives host and port.
func TCPAddress(place string) (address string, isTCP bool) {
	return strings.CutPrefix(place, tcpScheme)
}

// Address is where the host is steered over TCP, host:port; remote is false for one at a socket.
func (c *Client) Address() (address string, remote bool) { return TCPAddress(c.path) }

// NoHost says that no host answers at the socket.
type NoHost struct {
	Path string
	Err  error // what connecting to it said
	PID  int   // of a host whose socket has been removed under it; 0 if there is none, or it can't be known
}

// Error says where was looked.
func (n *NoHost) Error() string {
	switch {
	case n.Remote():
		return fmt.Sprintf("no host answers at %s, where its [control] listen should be: %v", n.Path, n.Err)
	case n.PID != 0 && errors.Is(n.Err, ErrNoSocket):
		return fmt.Sprintf("the host with pid %d runs, but its control socket %s %v: remove that, and the host makes "+
			"its socket anew within %v; kill -TERM %[1]d stops it gracefully", n.PID, n.Path, n.Err, keepEvery)
	case n.PID != 0:
		return fmt.Sprintf("the host with pid %d runs, but its control socket %s has been removed: it makes it "+
			"anew every %v, so try again; kill -TERM %[1]d stops it gracefully", n.PID, n.Path, keepEvery)
	case errors.Is(n.Err, fs.ErrNotExist):
		return fmt.Sprintf("no host is running here: there is no control socket at %s", n.Path)
	case errors.Is(n.Err, ErrNoSocket):
		return fmt.Sprintf("%s %v: name the control socket of the host with --control PATH; `host serve` tells it "+
			"when it is ready", n.Path, n.Err)
	case errors.Is(n.Err, syscall.ECONNREFUSED):
		return fmt.Sprintf("no host is running here: the control socket %s was left by one that died", n.Path)
	case errors.Is(n.Err, fs.ErrPermission):
		return fmt.Sprintf("the control socket %s is not for this user: run the command as the user that runs the "+
			"host, or as a member of its [control] group", n.Path)
	}
	return fmt.Sprintf("no host answers at the control socket %s: %v", n.Path, n.Err)
}

// Remote says whether it was looked for over TCP.
func (n *NoHost) Remote() bool { return strings.HasPrefix(n.Path, tcpScheme) }

// ErrNoSocket is the Err of a [NoHost] whose path is that of something else.
var ErrNoSocket = errors.New("is no socket")

// Unwrap is what connecting said.
func (n *NoHost) Unwrap() error { return n.Err }

// Refusal is the host's own account of why it did not do what it was asked.
type Refusal struct {
	Status  int // HTTP
	Text    string
	Outcome Outcome // "" from a host that does not tell it yet
}

// Error is the host's text.
func (r *Refusal) Error() string { return r.Text }

// ErrCutOff means that the host went away in the middle of an account.
var ErrCutOff = errors.New("the host went away before it had told the end")

// NewClient makes a client without connecting.
func NewClient(path string) *Client { return newClient("unix", path, path, "") }

// NewRemoteClient makes a client of a host that is steered over TCP, at host:port, without connecting.
func NewRemoteClient(address, token string) *Client {
	return newClient("tcp", address, tcpScheme+address, token)
}

func newClient(network, address, path, token string) *Client {
	var dialer net.Dialer
	return &Client{path: path, token: token, http: http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil && ctx.Err() == nil {
				none := &NoHost{Path: path, Err: err}
				if network == "unix" {
					none.look()
				}
				return nil, none
			}
			return c, err
		},
	}}}
}

// look finds out why nothing answers: what stands in the place of the socket, and whether its host lives.
func (n *NoHost) look() {
	_, err := os.Lstat(n.Path)
	standing := err == nil && !socketsLookLikeFiles
	if info, err := os.Stat(n.Path); standing && (err != nil || info.Mode().Type() != fs.ModeSocket) {
		n.Err = fmt.Errorf("%w, but %s", ErrNoSocket, filekind.Name(n.Path))
	}
	if errors.Is(n.Err, fs.ErrNotExist) || errors.Is(n.Err, ErrNoSocket) {
		n.PID = holder(n.Path + ".lock")
	}
}

// Status asks for the host's status.
func (c *Client) Status(ctx context.Context) (st Status, err error) {
	return st, c.get(ctx, "/v1/status", &st)
}

// Version asks for the host's version.
func (c *Client) Version(ctx context.Context) (v Version, err error) {
	return v, c.get(ctx, "/v1/version", &v)
}

// Reload asks for a reload, and calls each with every event as it happens, together with its line of JSON, which is
// valid during the call only. It returns nil after the last one, whatever it says. Ending ctx leaves the reload
// running.
func (c *Client) Reload(ctx context.Context, r Reload, each func(e Event, line []byte) error) error {
	return c.follow(ctx, "/v1/reload", r, each)
}

// Try has the host try the newest code and configuration, and is otherwise as Reload.
func (c *Client) Try(ctx context.Context, r Reload, each func(e Event, line []byte) error) error {
	return c.follow(ctx, "/v1/try", r, each)
}

// Rollback asks for a roll back, and is otherwise as Reload.
func (c *Client) Rollback(ctx context.Context, r Rollback, each func(e Event, line []byte) error) error {
	return c.follow(ctx, "/v1/rollback", r, each)
}

// Upgrade asks for another process in the host's place, and is otherwise as Reload.
func (c *Client) Upgrade(ctx context.Context, u Upgrade, each func(e Event, line []byte) error) error {
	return c.follow(ctx, "/v1/upgrade", u, each)
}

// Abort ends the reload under way after the workers at hand. each gets its story from the beginning, and Abort returns
// when it has ended.
func (c *Client) Abort(ctx context.Context, each func(e Event, line []byte) error) error {
	return c.follow(ctx, "/v1/abort", Reload{}, each)
}

// Promote ends the canary under way as one that went well, and is otherwise as Abort.
func (c *Client) Promote(ctx context.Context, each func(e Event, line []byte) error) error {
	return c.follow(ctx, "/v1/promote", Reload{}, each)
}

// Stop stops the host, gracefully or at once, and returns when it has gone. each is called as in Reload. Ending ctx
// leaves the stop under way.
func (c *Client) Stop(ctx context.Context, now bool, each func(e Event, line []byte) error) error {
	ended := false
	err := c.follow(ctx, "/v1/stop", stopRequest{Now: now}, func(e Event, line []byte) error {
		ended = ended || e.Kind == Stopped
		return each(e, line)
	})
	if ended && errors.Is(err, ErrCutOff) {
		return nil // it is what was asked for
	}
	if !ended && err == nil {
		return ErrCutOff
	}
	return err
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	body, err := c.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("what answers at %s is no host: %w", c.path, err)
	}
	return nil
}

// follow reads an account to its end.
func (c *Client) follow(ctx context.Context, path string, request any, each func(Event, []byte) error) error {
	data, err := json.Marshal(request)
	if err != nil {
		return err
	}
	body, err := c.ask(ctx, http.MethodPost, path, data)
	if err != nil {
		return err
	}
	defer body.Close()
	return readLines(ctx, c, body, each)
}

// readLines reads an answer of one object a line, to its end. Each is given with its line, which is valid during the
// call only.
func readLines[T any](ctx context.Context, c *Client, body io.Reader, each func(T, []byte) error) error {
	in := bufio.NewReader(body)
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return ErrCutOff
		}
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			return fmt.Errorf("what answers at %s is no host: %w", c.path, err)
		}
		if err := each(one, bytes.TrimRight(line, "\n")); err != nil {
			return err
		}
	}
}

// oneLine is text that can be a header's value.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text))
}

// ask returns the body of a successful answer; the caller closes it. A host that was replaced just now is asked anew,
// which is the other one then.
func (c *Client) ask(ctx context.Context, method, path string, data []byte) (body io.ReadCloser, err error) {
	for range mostReplaced {
		var refused *Refusal
		body, err = c.askOnce(ctx, method, path, data)
		if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
			break
		}
	}
	return body, err
}

// mostReplaced is how many hosts in a row may have been replaced just now.
const mostReplaced = 3

func (c *Client) askOnce(ctx context.Context, method, path string, data []byte) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://host"+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.station != "" {
		r.Header.Set(hostHeader, c.station)
	}
	if c.Message != "" {
		r.Header.Set(messageHeader, oneLine(c.Message))
	}
	w, err := c.http.Do(r)
	var none *NoHost
	switch {
	case errors.As(err, &none):
		return nil, none
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, &NoHost{Path: c.path, Err: errors.Unwrap(err)}
	case w.StatusCode == http.StatusOK:
		return w.Body, nil
	}
	defer w.Body.Close()
	var said problem
	if err := json.NewDecoder(io.LimitReader(w.Body, 1<<20)).Decode(&said); err != nil || said.Error == "" {
		said.Error = fmt.Sprintf("what answers at %s is no host: %s", c.path, w.Status)
	}
	return nil, &Refusal{Status: w.StatusCode, Text: said.Error, Outcome: said.Outcome}
}
