// admin.go checks [admin].

package config

import "strings"

// check refuses what is not a TCP address.
func (a *Admin) check(fail fail) {
	if a.Listen == "" {
		return
	}
	if strings.HasPrefix(a.Listen, unixPrefix) {
		fail("admin.listen", "expected host:port, found %q: probes and Prometheus come over TCP; on this machine, "+
			"ask the control socket", a.Listen)
		return
	}
	if _, err := parseAddress(a.Listen, ""); err != nil {
		fail("admin.listen", "%v", err)
	}
}
