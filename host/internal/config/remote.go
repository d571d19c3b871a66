// remote.go looks at [control]: who else may open the socket, and where else than there the host may be steered from.

package config

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/privilege"
)

// Remote is [control]. There is the socket, or TCP with a token, or both.
type Remote struct {
	Socket    string   `key:"socket" holds:"path" absent:"as control" means:"the same as control = \"PATH\" at the top of the file; \"off\" is without a socket, where a system has none: commands then read listen and the token from the file"`
	Group     string   `key:"group" absent:"none" means:"group, by name or number, whose members may use the socket, too: to look, reload, stop, send and close"`
	Mode      string   `key:"mode" holds:"octal digits" absent:"\"0600\", or \"0660\" with group" means:"permissions of the socket: write permission lets in, so 0660 is for the group, too; none for others"`
	Listen    string   `key:"listen" holds:"host:port" absent:"off" means:"address where the host may be steered from elsewhere, by whoever has a token; it is not encrypted: keep it private"`
	TokenFile string   `key:"token_file" holds:"path" absent:"token is given instead" means:"file with the token, of at least 16 characters, that is good for everything"`
	Token     string   `key:"token" absent:"token_file is given instead" means:"the token itself, such as \"${HOST_TOKEN}\""`
	Tokens    []*Token `key:"tokens"` // by name

	secret string
	mode   fs.FileMode // 0: the default
	group  *int
}

// Token is [control.tokens.NAME]: a token that is good for some things.
type Token struct {
	Name string // for the log

	TokenFile string   `key:"token_file" holds:"path" absent:"token is given instead" means:"file with the token, of at least 16 characters"`
	Token     string   `key:"token" absent:"token_file is given instead" means:"the token itself"`
	Rights    []string `key:"rights" holds:"array of \"status\", \"reload\", \"stop\", \"connections\", \"cache\", \"upgrade\", \"profile\", \"run\", \"faults\", \"replay\", \"tasks\" and \"maintenance\"" absent:"required" means:"what it is good for: to look; to reload, try and abort; to stop; to list connections, send to them and close them; to purge the cache; to replace the host itself; to take profiles; to run an entry of cron and restart a service; to see requests that failed; to show new code one of them; to see tasks that failed, and to change queues; to shut sites for maintenance: the last seven a token that is good for everything may not"`

	at     string
	secret string
}

// rights are the words that Token.Rights may have.
var rights = []string{"status", "reload", "stop", "connections", "cache", "upgrade", "profile", "run", "faults",
	"replay", "tasks", "maintenance"}

// minToken is what can't be guessed over a network.
const minToken = 16

// Secrets are the tokens, wherever they come from, by their names; those that are good for everything have no Rights.
// There are none without a listener.
func (r *Remote) Secrets() (all []Secret) {
	if r.secret != "" {
		all = append(all, Secret{Name: "token", Secret: r.secret})
	}
	for _, t := range r.Tokens {
		all = append(all, Secret{t.Name, t.secret, t.Rights})
	}
	return all
}

// Secret is a token with its name.
type Secret struct {
	Name, Secret string
	Rights       []string // nil: all
}

// Access is the mode of the socket, 0 for the default, and the group that it belongs to; nil for the host's own.
func (r *Remote) Access() (mode fs.FileMode, group *int) { return r.mode, r.group }

func (r *Remote) check(c *Config, fail fail) {
	if r.Socket != "" {
		c.Control = r.Socket
		r.Socket = "" // one setting, of two spellings
	}
	if c.Control == NoSocket {
		r.checkSocketless(c, fail)
	}
	r.checkAccess(fail)
	if r.Listen == "" {
		for _, key := range []string{"token", "token_file", "tokens"} {
			if c.has("control." + key) {
				fail("control."+key, "has no effect without listen: write listen = \"127.0.0.1:9181\"")
			}
		}
		return
	}
	if strings.HasPrefix(r.Listen, unixPrefix) {
		fail("control.listen", "expected host:port, found %q: the socket is control = \"PATH\"", r.Listen)
	} else if _, err := parseAddress(r.Listen, ""); err != nil {
		fail("control.listen", "%v", err)
	}
	if r.Token != "" || r.TokenFile != "" || c.has("control.token") || len(r.Tokens) == 0 && !c.has("control.tokens") {
		r.secret = checkToken(c, "control", r.Token, &r.TokenFile, fail)
	}
	for _, t := range r.Tokens {
		t.check(c, fail)
	}
	owner := map[string]string{}
	for _, s := range r.Secrets() {
		if first, taken := owner[s.Secret]; taken && s.Secret != "" {
			fail("control.tokens."+s.Name, "it has the same token as %s, so that it can't be told what it is good "+
				"for: make one of its own (openssl rand -hex 24 > FILE)", first)
		}
		owner[s.Secret] = s.Name
	}
}

// nowhere is the mistake of a host without a socket that nobody could reach over TCP either.
const nowhere = "\"off\" leaves no way to reload or stop the host: write listen = \"127.0.0.1:9181\" and " +
	"token_file = \"FILE\" (openssl rand -hex 24 > FILE) beside it"

// checkSocketless looks for what a host has to have in place of the socket.
func (r *Remote) checkSocketless(c *Config, fail fail) {
	place := "control"
	if c.has("control.socket") {
		place = "control.socket"
	}
	for _, key := range []string{"group", "mode"} {
		if c.has("control." + key) {
			fail("control."+key, "has no effect without the socket, which is off: remove it")
		}
	}
	if r.Listen == "" {
		fail(place, nowhere)
	} else if _, port, _ := net.SplitHostPort(r.Listen); port == "0" {
		fail("control.listen", "port 0 is another one at each start, which the commands can't know without the "+
			"socket: choose one")
	}
}

func (t *Token) check(c *Config, fail fail) {
	t.secret = checkToken(c, t.at, t.Token, &t.TokenFile, fail)
	if len(t.Rights) == 0 {
		fail(t.at+".rights", "expected what the token is good for, such as rights = [\"status\"]; there are %s",
			listed(rights))
	}
	for i, right := range t.Rights {
		if !slices.Contains(rights, right) {
			hint := "the rights are " + listed(rights)
			if meant := Nearest(right, rights); meant != "" {
				hint = fmt.Sprintf("did you mean %q?", meant)
			}
			fail(fmt.Sprintf("%s.rights.%d", t.at, i), "there is no right %s: %s", describe(right), hint)
		}
	}
}

// checkToken reads a token from where a table says that it is.
func checkToken(c *Config, at, token string, file *string, fail fail) (secret string) {
	switch {
	case token != "" && *file != "":
		fail(at+".token", "both token and token_file are given: keep one of them")
	case *file != "":
		*file = absolute(c.Folder, *file)
		read, err := ReadToken(*file)
		if err != nil {
			fail(at+".token_file", "%v", err)
		}
		return read
	case len(token) >= minToken && !strings.ContainsAny(token, " \t\r\n"):
		return token
	case c.has(at + ".token"):
		fail(at+".token", "expected at least %d characters without spaces (openssl rand -hex 24 makes some)", minToken)
	case at == "control":
		fail("control.listen", "needs a token, since whoever reaches it could stop the host: write token_file = "+
			"\"FILE\" (openssl rand -hex 24 > FILE)")
	default:
		fail(at, "has no token: write token_file = \"FILE\" (openssl rand -hex 24 > FILE)")
	}
	return ""
}

func (r *Remote) checkAccess(fail fail) {
	if r.Group != "" {
		found, err := privilege.Find("", r.Group)
		if err != nil {
			fail("control.group", "%v", err)
		} else {
			r.group, r.mode = &found.GID, 0o660
		}
	}
	if r.Mode == "" {
		return
	}
	mode, err := strconv.ParseUint(r.Mode, 8, 12)
	switch {
	case err != nil || mode > 0o777:
		fail("control.mode", "expected octal digits such as \"0660\", found %s", describe(r.Mode))
	case mode&0o007 != 0:
		fail("control.mode", "%s lets everybody in, and whoever is in can stop the host: write \"0660\", and the "+
			"group that is to be let in as group", r.Mode)
	case mode&0o600 != 0o600:
		fail("control.mode", "%s keeps the host's own user out: write \"0600\", or \"0660\" with group", r.Mode)
	case mode&0o020 == 0 && (mode&0o070 != 0 || r.Group != ""): // connect(2) takes write permission, and no other
		fail("control.mode", "%s keeps the group out, since connecting to a socket takes write permission: write "+
			"\"0660\", or \"0600\" without group", r.Mode)
	default:
		r.mode = fs.FileMode(mode)
	}
}

// Unreachable says why the members of the group can't get at the socket, and what to do; "" if they can, or there is
// no group.
func (r *Remote) Unreachable(socket string) string {
	if r.group == nil || socket == NoSocket {
		return ""
	}
	for folder := filepath.Dir(socket); ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err == nil && !mayEnter(info, *r.group) {
			return fmt.Sprintf("the members of group %s can't use the control socket %s, since they may not enter "+
				"%s (mode %04o): chmod it, or name another place with control = \"PATH\"",
				r.Group, socket, folder, info.Mode().Perm())
		}
		if folder == filepath.Dir(folder) {
			return ""
		}
	}
}

// warnings are for what works and lets others read the token, with the keys that they are about.
func (r *Remote) warnings() (found []struct{ key, text string }) {
	if r.Listen == "" {
		return nil
	}
	if text := r.overheard(); text != "" {
		found = append(found, struct{ key, text string }{"control.listen", text})
	}
	files := []struct{ key, path string }{{"control.token_file", r.TokenFile}}
	for _, t := range r.Tokens {
		files = append(files, struct{ key, path string }{t.at + ".token_file", t.TokenFile})
	}
	for _, f := range files {
		if info, err := os.Stat(f.path); err == nil && f.path != "" && !privateMode(info) {
			found = append(found, struct{ key, text string }{f.key, fmt.Sprintf(
				"%s can be read by other users (mode %04o), such as those of workers, who could then steer the "+
					"host: chmod 600 it", f.path, info.Mode().Perm())})
		}
	}
	return found
}

// overheard says that the token crosses a network; "" if it doesn't.
func (r *Remote) overheard() string {
	host, _, err := net.SplitHostPort(r.Listen)
	if err != nil || host == "localhost" {
		return ""
	}
	if a, err := netip.ParseAddr(host); err == nil && a.IsLoopback() {
		return ""
	}
	return fmt.Sprintf("[control] listen = %q is not encrypted: whoever can read the network reads the token, and "+
		"can then stop the host; keep it on 127.0.0.1, behind ssh -L or a VPN", r.Listen)
}

// ReadToken reads a token from its file. Space around it does not count.
func ReadToken(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("can't read the token: %w", unreadable(path, err))
	}
	token := strings.TrimSpace(string(data))
	if len(token) < minToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf(
			"%s holds no token: expected at least %d characters without spaces (openssl rand -hex 24 > FILE)", path,
			minToken)
	}
	return token, nil
}
