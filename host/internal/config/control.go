// control.go decides where a host is steered, so that the host and its commands agree without being told.
//
// The name of the socket comes from the path of the configuration as it is written: a deploy that moves a `current`
// symlink still finds the host that was started through it.

package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
)

// NoSocket is the Control of a host without a control socket, which is steered over TCP alone. A path never is: paths
// are absolute.
const NoSocket = "off"

// Place is where a host is to be asked.
type Place struct {
	Socket string // its path; "" if the host has none
	// Address is host:port of [control] listen where there is no socket. Token is what is good for everything there,
	// or TokenFile has it; without either the host has only tokens with rights.
	Address, Token, TokenFile string
}

// places are the folders that a control socket may be in.
type places struct {
	session string // $XDG_RUNTIME_DIR: private to the user, gone at log-out; "" if there is none
	system  string // /run/workerhost: for services, made by root or systemd's RuntimeDirectory; "" without a /run
	private string // in the temporary directory: mode 0700, and ours
}

// serviceFile is what the service of a package serves.
const serviceFile = "/etc/host/host.toml"

// systemPlaces are those of this machine and user.
func systemPlaces() places {
	p := places{system: systemFolder, private: filepath.Join(os.TempDir(), "host-"+userID())}
	if session := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(session) {
		p.session = session
	}
	return p
}

// ControlPath is the default control socket of the host that configPath configures; an empty one stands for no
// configuration file in the working directory. It only looks: PrepareControl makes the folder.
func ControlPath(configPath string) (string, error) {
	return systemPlaces().choose(configPath)
}

// PrepareControl makes the folder of a control socket if it is not there yet. The host calls it before it listens. A
// folder in the temporary directory must belong to this user alone, since anybody can put one there.
func PrepareControl(socket string) error {
	return systemPlaces().prepare(filepath.Dir(socket))
}

// FindControl is where the commands that talk to a host find it. given is their --control, and configPath
// their -c; both may be empty. Mistakes in the rest of the file do not matter here, so that a broken file never keeps
// anybody from stopping a host: not even one that is no TOML, or that is gone. Where neither is given, and no host was
// started in the working directory, it is the one of the service of a package. Without a socket of that name in the
// file or in given, the one that exists among the default places is taken: the host may have been started with another
// environment, by systemd for example. A file that turns the socket off has to say the address, and the token.
func FindControl(given, configPath string, env func(string) (string, bool)) (Place, error) {
	if given != "" {
		return atSocket(filepath.Abs(given))
	}
	configPath, err := find(configPath)
	if err != nil {
		return Place{}, err
	}
	places := systemPlaces()
	if configPath == "" {
		if socket, running := places.find(FileName); running { // its file has been taken away
			if _, running := places.find(""); !running {
				return Place{Socket: socket}, nil
			}
		}
		if socket, running := places.service(); running {
			if _, running := places.find(""); !running {
				return Place{Socket: socket}, nil
			}
		}
		return atSocket(places.existing(""))
	}
	place, err := controlKey(configPath, env)
	if place != (Place{}) {
		return place, nil
	}
	if err == nil {
		return atSocket(places.existing(configPath))
	}
	if socket, running := places.find(configPath); running {
		return Place{Socket: socket}, nil
	}
	return Place{}, err
}

// ControlPlace is where the host of c is to be asked. Call it after Apply.
func (c *Config) ControlPlace() Place {
	if c.Control != NoSocket {
		return Place{Socket: c.Control}
	}
	return Place{Address: reachable(c.Remote.Listen), Token: c.Remote.secret}
}

func atSocket(path string, err error) (Place, error) { return Place{Socket: path}, err }

// controlKey reads where a file has its host steered, and nothing else; nowhere where the file doesn't say. Of a file
// that is no TOML it reads what is before the mistake, and gives the error only if the key is not there.
func controlKey(path string, env func(string) (string, bool)) (Place, error) {
	data, err := read(path)
	if err != nil {
		return Place{}, err
	}
	document, err := parseDocument(path, data)
	if err != nil {
		var mistake Problems
		if errors.As(err, &mistake) {
			document, data = soundPart(path, data, mistake[0].Line)
		}
		err = fmt.Errorf(
			"%w\nSo it can't tell where its host is to be asked: mend it, or name the socket with --control PATH", err)
	}
	place, keyErr := controlOf(document, path, data, env)
	if keyErr != nil {
		return Place{}, keyErr
	}
	if place != (Place{}) {
		return place, nil
	}
	return Place{}, err
}

// soundPart is what of a file is TOML before the mistake in the given line.
func soundPart(path string, data []byte, line int) (document map[string]any, sound []byte) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	for n := min(line-1, len(lines)); n > 0; n-- { // what the line belongs to may have begun further up
		sound = bytes.Join(lines[:n], nil)
		if document, err := parseDocument(path, sound); err == nil {
			return document, sound
		}
	}
	return nil, nil
}

// controlOf is where a document has its host steered: at the socket that it names, or over TCP if it turns that off;
// nowhere if it does neither.
func controlOf(document map[string]any, path string, data []byte, env func(string) (string, bool)) (Place, error) {
	d := &decoder{path: path, env: env, lines: findLines(trimMark(data)), failed: map[string]bool{}}
	table, isTable := document["control"].(map[string]any)
	text := func(key string) (value string) {
		if given, ok := table[key]; ok {
			value, _, _ = d.text("control."+key, given)
		}
		return value
	}
	socket := ""
	if value, ok := document["control"]; isTable {
		socket = text("socket")
	} else if ok {
		socket, _, _ = d.text("control", value)
	}
	if err := d.problems.err(); err != nil || socket == "" {
		return Place{}, err
	}
	file, err := filepath.Abs(path)
	if err != nil {
		return Place{}, err
	}
	folder := filepath.Dir(file)
	if socket != NoSocket {
		return Place{Socket: absolute(folder, socket)}, nil
	}
	place := Place{Address: reachable(text("listen")), Token: text("token"), TokenFile: text("token_file")}
	if place.TokenFile != "" {
		place.TokenFile = absolute(folder, place.TokenFile)
	}
	if place.Address == "" && len(d.problems) == 0 {
		d.problems.add(path, lineOf(d.lines, "control.socket"), "control.socket", "%s: %s", label("control.socket"),
			nowhere)
	}
	return place, d.problems.err()
}

// reachable is where a program on this machine reaches who listens at the address.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if host == "" {
		host = "127.0.0.1"
	} else if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = map[bool]string{true: "127.0.0.1", false: "::1"}[a.Is4()]
	}
	return net.JoinHostPort(host, port)
}

// choose takes the first place that the host may use.
func (p places) choose(configPath string) (string, error) {
	name, err := socketName(configPath)
	if err != nil {
		return "", err
	}
	folder := p.private
	switch {
	case p.session != "" && usable(p.session):
		folder = p.session
	case p.system != "" && p.systemUsable():
		folder = p.system
	default:
		if err := checkPrivate(folder); err != nil {
			return "", err
		}
	}
	socket := filepath.Join(folder, name)
	if err := checkSocketPath(socket); err != nil {
		return "", fmt.Errorf("no place for the control socket: %w, with --control PATH", err)
	}
	return socket, nil
}

// existing takes the first place that has the socket, and otherwise the one that a host would make.
func (p places) existing(configPath string) (string, error) {
	if socket, ok := p.find(configPath); ok {
		return socket, nil
	}
	return p.choose(configPath)
}

// find gives the socket of that configuration in the first place that has one.
func (p places) find(configPath string) (socket string, ok bool) {
	name, err := socketName(configPath)
	if err != nil {
		return "", false
	}
	folders := []string{p.session, p.system}
	if checkPrivate(p.private) == nil {
		folders = append(folders, p.private)
	}
	for _, folder := range folders {
		socket := filepath.Join(folder, name)
		if info, err := os.Lstat(socket); folder != "" && err == nil && info.Mode()&fs.ModeSocket != 0 {
			return socket, true
		}
	}
	return "", false
}

// service gives the socket of the service of a package, if it runs.
func (p places) service() (socket string, ok bool) {
	p.session, p.private = "", "" // those of whoever asks
	return p.find(serviceFile)
}

// systemUsable says whether the system's folder is there and can be written, or could be made.
func (p places) systemUsable() bool {
	_, err := os.Lstat(p.system)
	if errors.Is(err, fs.ErrNotExist) {
		return usable(filepath.Dir(p.system))
	}
	return err == nil && usable(p.system)
}

func (p places) prepare(folder string) error {
	mode := fs.FileMode(0o700)
	switch folder {
	case p.system:
		// the socket itself is 0600; a folder that others can't enter would say "not found" for "not yours"
		mode = 0o755
	case p.private:
	default:
		return nil // somebody chose it, and makes it
	}
	if err := os.Mkdir(folder, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("no folder for the control socket: %w: name another place with --control PATH", err)
	}
	if folder == p.private {
		return checkPrivate(folder)
	}
	return nil
}

// checkPrivate accepts a folder that does not exist yet, or one that nobody else can have put sockets into.
func checkPrivate(folder string) error {
	info, err := os.Lstat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("no folder for the control socket: %w: name another place with --control PATH", err)
	case !info.IsDir() || !ownedByUs(info):
		return fmt.Errorf("%s, for the control socket, is not a folder of this user: remove it, or name another "+
			"place with --control PATH", folder)
	case !privateMode(info):
		return fmt.Errorf("%s, for the control socket, is open to other users (mode %04o): chmod 700 it, or name "+
			"another place with --control PATH", folder, info.Mode().Perm())
	}
	return nil
}

// socketName is short, because the path of a unix socket has to be.
func socketName(configPath string) (string, error) {
	// filepath.Abs and Getwd keep the symlinks of $PWD, so the name outlives a moved symlink.
	from, err := filepath.Abs(configPath)
	if err != nil {
		return "", fmt.Errorf("no name for the control socket: %w", err)
	}
	return pathName(from) + socketSuffix, nil
}

const (
	socketPrefix = "host-"
	socketSuffix = ".sock"
)

// pathName is a name made of a path.
func pathName(path string) string {
	sum := sha256.Sum256([]byte(path))
	return socketPrefix + hex.EncodeToString(sum[:8])
}
