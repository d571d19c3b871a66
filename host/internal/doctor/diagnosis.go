// diagnosis.go has what host doctor looks at: the configuration, PHP, the running host, listeners, folders. examine.go
// has limits, memory and disk.

package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/cert"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/php"
)

// The topics, in their order.
const (
	aboutConfig     = "configuration"
	aboutHost       = "running host"
	aboutPHP        = "php"
	aboutProgram    = "program"
	aboutListeners  = "listeners"
	aboutFolders    = "folders"
	aboutPrivileges = "privileges"
	aboutMachine    = "limits and memory"
)

// examine looks at everything. Without a configuration, c is nil and err says why; the machine is looked at all the
// same.
func (d *diagnosis) examine(ctx context.Context, c *config.Config, err error) {
	if err != nil {
		d.wrong(aboutConfig, "`host help host.toml` lists every key; `host init` writes a file for what is here", "%v",
			err)
		d.examinePHP(ctx, &config.Pool{})
		d.examineLimits(0, 0)
		return
	}
	file := cmp.Or(c.Path, "no file: flags and defaults")
	d.good(aboutConfig, "%s: %s, %s", file, cli.Counted(len(c.Pools), "pool"), cli.Counted(len(c.Listen), "listener"))
	for _, w := range c.Warnings {
		d.advise(aboutConfig, "", "%v", w)
	}
	served := d.examineHost(ctx, c.ControlPlace())
	memory := int64(0) // that all workers may take together
	workers := 0
	var checked []phpUse
	for _, p := range c.Pools {
		d.pool = p.Name
		_, most := p.Span()
		workers += most
		d.examinePrivileges(ctx, c, p)
		switch p.Kind {
		case config.PHPFile:
			use := phpUse{path: p.PHP, ini: p.PHPIni}
			if i := slices.IndexFunc(checked, use.same); i >= 0 {
				memory += int64(most) * checked[i].limit
				continue
			}
			use.limit = d.examinePHP(ctx, p)
			memory += int64(most) * use.limit
			checked = append(checked, use)
		case config.GoPackage:
			if path, err := exec.LookPath("go"); err != nil {
				d.wrong(aboutProgram, "install Go (https://go.dev/dl), or build the worker elsewhere and give the "+
					"program as command = [\"PROGRAM\"]", "its worker has to be built, and there is no go in $PATH")
			} else {
				d.good(aboutProgram, "%s builds the worker", path)
			}
		case config.FPM:
			if binary, err := php.FindFPM(ctx, p); err != nil {
				d.wrong(aboutPHP, "", "%v", err) // it has its remedy
			} else {
				d.good(aboutPHP, "%s, version %s", binary.Path, binary.Version)
			}
			memory += int64(most) * defaultMemoryLimit
		case config.FastCGI:
			d.examineFastCGI(ctx, p)
		default:
			d.good(aboutProgram, "%s", p.Command[0]) // the configuration would not be valid without it
		}
	}
	d.pool = ""
	d.examineListeners(c, served)
	d.examineFolders(c)
	d.examineLimits(workers, c.HTTP.MaxConnections)
	d.examineMemory(workers, memory)
}

// defaultMemoryLimit is PHP's own for a request, which most sites keep.
const defaultMemoryLimit = 128 << 20

// examineFastCGI looks whether the server of a pool is there.
func (d *diagnosis) examineFastCGI(ctx context.Context, p *config.Pool) {
	network, address := "tcp", p.FastCGI
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	c, err := (&net.Dialer{Timeout: cli.AskTimeout}).DialContext(ctx, network, address)
	if err != nil {
		d.wrong(aboutProgram, "start it, let this user connect to it, or correct `fastcgi`",
			"the FastCGI server can't be reached: %v", err)
		return
	}
	c.Close()
	d.good(aboutProgram, "a server listens on %s", p.FastCGI)
}

// phpUse is a PHP with its settings, which pools often share.
type phpUse struct {
	path  string
	ini   config.Settings
	limit int64
}

func (u phpUse) same(other phpUse) bool {
	if u.path != other.path || len(u.ini) != len(other.ini) {
		return false
	}
	for name, value := range u.ini {
		if theirs, has := other.ini[name]; !has || theirs != value {
			return false
		}
	}
	return true
}

// examineHost asks the host that runs already, and returns its listeners.
func (d *diagnosis) examineHost(ctx context.Context, place config.Place) []control.Listener {
	client, err := cli.AtPlace(place)
	if err != nil {
		d.advise(aboutHost, "", "can't ask it: %v", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cli.AskTimeout)
	defer cancel()
	st, err := client.Status(ctx)
	var none *control.NoHost
	switch {
	case errors.As(err, &none) && none.PID != 0:
		d.advise(aboutHost,
			"keep what cleans temporary folders away from it, or name another place with control = \"PATH\"", "%v",
			err)
		return nil
	case errors.As(err, &none) && !errors.Is(err, os.ErrPermission):
		d.good(aboutHost, "none at %s", none.Path)
		return nil
	case errors.As(err, &none):
		d.advise(aboutHost, "run host doctor as that user, too", "%v", err)
		return nil
	case err != nil:
		d.wrong(aboutHost, "look into its log; `host stop --now` ends it", "it does not answer: %v", err)
		return nil
	}
	if st.Version == cli.Version() {
		d.good(aboutHost, "host %s, pid %d, up %s", st.Version, st.PID, cli.HumanDuration(cli.FromSeconds(st.Uptime)))
	} else {
		d.advise(aboutHost, "restart it to run this one", "host %s runs, with pid %d, and this command is %s",
			st.Version, st.PID, cli.Version())
	}
	for _, p := range st.Pools {
		if p.Failure != "" {
			d.wrong(aboutHost, "mend the code: the host keeps trying, and `host reload` tries at once",
				"pool %s: its last start failed: %s", p.Name, p.Failure)
		}
	}
	for _, c := range st.Certificates {
		const remedy = "see that the name leads here, and that the authority reaches port 443 or 80, or the zone " +
			"with [acme.dns]; `host reload` tries again at once, and `host help tls` has the rest"
		switch {
		case c.Until == "" && c.Problem == "":
			d.advise(aboutHost, "ask again in a moment", "no certificate for %s yet: it is being got", c.Name)
		case c.Until == "":
			d.wrong(aboutHost, remedy, "no certificate for %s: %s", c.Name, c.Problem)
		case c.Problem != "":
			d.advise(aboutHost, remedy, "the certificate for %s ends at %s, and is not renewed: %s", c.Name, c.Until,
				c.Problem)
		default:
			d.good(aboutHost, "the certificate for %s is valid until %s", c.Name, c.Until)
		}
	}
	return st.Listen
}

func (d *diagnosis) examineListeners(c *config.Config, served []control.Listener) {
	for _, l := range c.Listen {
		if l.Passed() {
			d.good(aboutListeners, "%s is passed by the service manager that starts the host", l.Address)
			continue
		}
		udp := l.Protocol == "udp"
		now := slices.IndexFunc(served, func(s control.Listener) bool {
			return sameAddress(s.Address, l.Address) && (s.Protocol == "udp") == udp
		})
		mine, probe := now >= 0, listen.Probe
		if udp {
			probe = listen.ProbeUDP
		}
		switch err := probe(l.Address); {
		case mine:
			d.good(aboutListeners, "%s is served by the host that runs", l.Address)
		case err != nil:
			d.wrong(aboutListeners, "", "%v", err)
		default:
			d.good(aboutListeners, "%s is free", l.Address)
		}
		if l.TLS != nil && !l.TLS.Local {
			for _, files := range l.TLS.Pairs() {
				d.examineCertificate(l.Address, files)
			}
		}
		if l.HTTP3 {
			d.examineHTTP3(l, mine && served[now].HTTP3)
		}
	}
}

// examineHTTP3 looks whether it has a port and the buffers that it wants.
func (d *diagnosis) examineHTTP3(l config.Listen, mine bool) {
	if err := listen.ProbeUDP(l.Address); err != nil && !mine {
		d.wrong(aboutListeners, "", "HTTP/3: %v", err)
	}
	receive, send, ok := listen.MostBuffer()
	switch {
	case !ok:
	case min(receive, send) < listen.WantedBuffer:
		d.advise(aboutListeners, listen.MoreBuffer+"; and the same in a file of /etc/sysctl.d",
			"%s: UDP buffers for HTTP/3 are %s at most, and bursts may be lost, unless the host is root", l.Address,
			config.Size(min(receive, send)))
	default:
		d.good(aboutListeners, "%s: UDP buffers for HTTP/3 may be as large as they should", l.Address)
	}
}

// sameAddress compares what a host is bound to with what was asked for: ":80" is bound to "[::]:80".
func sameAddress(bound, asked string) bool {
	host, port, err := net.SplitHostPort(asked)
	boundHost, boundPort, boundErr := net.SplitHostPort(bound)
	if err != nil || boundErr != nil {
		return bound == asked
	}
	everywhere := func(host string) bool { return host == "" || host == "::" || host == "0.0.0.0" }
	return port == boundPort && (host == boundHost || everywhere(host) && everywhere(boundHost) || host == "localhost")
}

func (d *diagnosis) examineCertificate(address string, files config.KeyPair) {
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		d.wrong(aboutListeners,
			"name the PEM files of a certificate, with its chain, and of its key, which this user can read", "%s: %v",
			address, err)
		return
	}
	problem, soon := cert.Problem(&pair, time.Now())
	what, remedy, _ := strings.Cut(problem, ": ")
	switch _, until := cert.Validity(&pair); {
	case soon:
		d.advise(aboutListeners, remedy, "%s: the certificate %s", address, what)
	case problem != "":
		d.wrong(aboutListeners, remedy, "%s: the certificate %s", address, what)
	default:
		d.good(aboutListeners, "%s: the certificate is valid until %s", address, until.Format(time.DateOnly))
	}
}

func (d *diagnosis) examineFolders(c *config.Config) {
	folder := filepath.Dir(c.Control)
	if _, err := os.Stat(folder); err != nil {
		folder = filepath.Dir(folder) // the host makes its own
	}
	if c.Control == config.NoSocket {
		d.good(aboutFolders, "control socket: off")
	} else if err := writable(folder); err != nil {
		d.wrong(aboutFolders, "choose another place with control = \"PATH\", or let this user write there",
			"the control socket can't be made: %v", err)
	} else {
		d.good(aboutFolders, "control socket: %s", c.Control)
	}
	if slices.ContainsFunc(c.Listen, func(l config.Listen) bool { return l.TLS != nil && l.TLS.Auto }) {
		place := c.CertificatePlace()
		folder := place
		for _, err := os.Stat(folder); err != nil && folder != filepath.Dir(folder); _, err = os.Stat(folder) {
			folder = filepath.Dir(folder) // the host makes the rest
		}
		if err := writable(folder); err != nil {
			d.wrong(aboutFolders, "choose another folder with [acme] storage, or let this user write there",
				"certificates can't be kept in %s: %v", place, err)
		} else {
			d.good(aboutFolders, "certificates: %s", place)
		}
	}
	spool := cmp.Or(c.HTTP.SpoolDirectory, os.TempDir())
	if err := writable(spool); err != nil {
		d.wrong(aboutFolders, "choose another folder with [http] spool_directory, or let this user write there",
			"large bodies can't wait on disk: %v", err)
		return
	}
	d.examineSpool(spool, int64(c.HTTP.SpoolQuota))
}

// writable tries.
func writable(folder string) error {
	f, err := os.CreateTemp(folder, ".host-doctor-")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}
