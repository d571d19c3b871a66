// remote.go looks at [control]: where else than at its socket the host may be steered from.

package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
)

// Remote is [control]. The socket is there in any case; TCP only with a token.
type Remote struct {
	Socket    string `key:"socket" holds:"path" absent:"as control" means:"the same as control = \"PATH\" at the top of the file"`
	Listen    string `key:"listen" holds:"host:port" absent:"off" means:"address where the host may be steered from elsewhere, by whoever has the token; it is not encrypted: keep it private"`
	TokenFile string `key:"token_file" holds:"path" absent:"token is given instead" means:"file with the token, of at least 16 characters"`
	Token     string `key:"token" absent:"token_file is given instead" means:"the token itself, such as \"${HOST_TOKEN}\""`

	secret string
}

// minToken is what can't be guessed over a network.
const minToken = 16

// Secret is the token, from wherever it comes; "" if there is no listener.
func (r *Remote) Secret() string { return r.secret }

func (r *Remote) check(c *Config, fail fail) {
	if r.Socket != "" {
		c.Control = r.Socket
		r.Socket = "" // one setting, of two spellings
	}
	if r.Listen == "" {
		for _, key := range []string{"token", "token_file"} {
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
	switch {
	case r.Token != "" && r.TokenFile != "":
		fail("control.token", "both token and token_file are given: keep one of them")
	case r.TokenFile != "":
		r.TokenFile = absolute(c.Folder, r.TokenFile)
		secret, err := ReadToken(r.TokenFile)
		if err != nil {
			fail("control.token_file", "%v", err)
		}
		r.secret = secret
	case len(r.Token) >= minToken && !strings.ContainsAny(r.Token, " \t\r\n"):
		r.secret = r.Token
	case c.has("control.token"):
		fail("control.token", "expected at least %d characters without spaces (openssl rand -hex 24 makes some)", minToken)
	default:
		fail("control.listen", "needs a token, since whoever reaches it could stop the host: write token_file = \"FILE\" (openssl rand -hex 24 > FILE)")
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
	if info, err := os.Stat(r.TokenFile); err == nil && r.TokenFile != "" && !privateMode(info) {
		found = append(found, struct{ key, text string }{"control.token_file", fmt.Sprintf(
			"%s can be read by other users (mode %04o), such as those of workers, who could then stop the host: chmod 600 it", r.TokenFile, info.Mode().Perm())})
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
	return fmt.Sprintf("[control] listen = %q is not encrypted: whoever can read the network reads the token, and can then stop the host; keep it on 127.0.0.1, behind ssh -L or a VPN", r.Listen)
}

// ReadToken reads a token from its file. Space around it does not count.
func ReadToken(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("can't read the token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if len(token) < minToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("%s holds no token: expected at least %d characters without spaces (openssl rand -hex 24 > FILE)", path, minToken)
	}
	return token, nil
}
