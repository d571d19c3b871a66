package config

import (
	"testing"
	"time"
)

func TestKeysOfAListenerThatDoNotFitItsProtocolSayWhereTheyBelong(t *testing.T) {
	const tcp = good + "[[listen]]\naddress = ':1'\nprotocol = 'tcp'\n"
	const udp = good + "[[listen]]\naddress = ':1'\nprotocol = 'udp'\n"
	const http = good + "[[listen]]\naddress = ':1'\n"
	const unix = good + "[[listen]]\naddress = 'unix:x'\n"
	checkMistakes(t, []mistake{
		{http + "framing = 'raw'",
			`host.toml:5: [[listen]] framing: has no effect on protocol = "http": it is for "tcp"; remove it, or change the protocol`},
		{tcp + "ping_interval = '1s'",
			`host.toml:6: [[listen]] ping_interval: has no effect on protocol = "tcp": it is for "http"; remove it, or change the protocol`},
		{udp + "message_rate = 5",
			`host.toml:6: [[listen]] message_rate: has no effect on protocol = "udp": it is for "http" or "tcp"; remove it, or change the protocol`},
		{udp + "max_connections = 5",
			`host.toml:6: [[listen]] max_connections: has no effect on protocol = "udp", which has no connections: remove it`},
		{udp + "tls = { certificate = 'worker.php', key = 'worker.php' }", "host.toml:6: [[listen]] tls: " +
			"SITE/worker.php and SITE/worker.php are not a PEM certificate and its key: tls: failed to find any PEM " +
			"data in certificate input"},
		{good + "[[listen]]\naddress = 'unix:x'\nprotocol = 'udp'\n",
			`host.toml:4: [[listen]] address: protocol = "udp" needs host:port or :port, found "unix:SITE/x": write one, or protocol = "tcp"`},
		{tcp + "framing = 'lines'",
			`host.toml:6: [[listen]] framing: expected one of "raw", "line", "length16" or "length32", found "lines": did you mean "line"?`},
		{tcp + "framing = 'raw'\ndelimiter = ';'",
			`host.toml:7: [[listen]] delimiter: framing = "raw" says already where a message ends: keep one of them`},
		{tcp + "delimiter = ''",
			`host.toml:6: [[listen]] delimiter: expected 1 to 64 bytes, found 0: write the bytes that end a message, or framing = "raw"`},
		{tcp + "framing = 'length16'\nmax_message = '64KiB'",
			`host.toml:7: [[listen]] max_message: a length of 16 bits is at most 65535, and max_message is 64KiB: write framing = "length32", or a smaller max_message`},
		{tcp + "max_message = 0",
			`host.toml:6: [[listen]] max_message: expected a size from 1 to 128MiB, such as "64KiB" or a number of bytes, found the number 0`},
		{http + "message_burst = 5",
			`host.toml:5: [[listen]] message_burst: has no effect without message_rate: write message_rate = 5`},
		{http + "allowed_origins = ['example.org']",
			`host.toml:5: [[listen]] allowed_origins.0: expected an origin such as "https://example.org", or "*" for all, found "example.org"`},
		{http + "mode = '0660'",
			`host.toml:5: [[listen]] mode: has no effect on an address that is no unix socket: remove it`},
		{unix + "mode = '0440'", `host.toml:5: [[listen]] mode: 0440 lets nobody in, since connecting to a socket takes ` +
			`write permission: write "0660", or "0666" for everybody`},
		{unix + "mode = 'rw'", `host.toml:5: [[listen]] mode: expected octal digits such as "0660", found "rw"`},
		{unix + "user = ''", `host.toml:5: [[listen]] user: expected a value in quotes, found ""`},
		{unix + "group = 'nobody-has-this'",
			`host.toml:5: [[listen]] group: there is no group "nobody-has-this": create it (groupadd ` +
				`--system nobody-has-this), or name another`},
		{good + "delivery = 'once'",
			`host.toml:3: [pool.web] delivery: expected "at-least-once" or "at-most-once", found "once"`},
	})
}

// applied reads a file as serve does.
func applied(t *testing.T, file string) (*Config, error) {
	t.Helper()
	site(t)
	c, err := Parse("host.toml", []byte(file), variables())
	if err != nil {
		return nil, err
	}
	return c, c.Apply(Overrides{Control: "/tmp/x.sock"})
}

func TestAListenerOfTCPHasLinesUnlessItSaysOtherwise(t *testing.T) {
	c, err := applied(t, good+"[[listen]]\naddress = ':1'\nprotocol = 'tcp'\nmessage_rate = 3\n[[listen]]\naddress "+
		"= ':2'\nprotocol = 'tcp'\ndelimiter = \"\\u0000\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Listen[0]; l.Framing != "line" || l.MessageBurst != 6 || l.MaxMessage != 1<<20 ||
		l.ShutdownSpread != 2*time.Second {
		t.Errorf("%+v", l)
	}
	if l := c.Listen[1]; l.Framing != "" || l.Delimiter != "\x00" {
		t.Errorf("%+v", l)
	}
}

func TestUDPMayHaveTheAddressOfATCPListener(t *testing.T) {
	if _, err := applied(t, good+"[[listen]]\naddress = ':1'\nprotocol = 'tcp'\n[[listen]]\naddress = "+
		"':1'\nprotocol = 'udp'\n"); err != nil {
		t.Error(err)
	}
	twice := good + "[[listen]]\naddress = ':1'\nprotocol = 'tcp'\n[[listen]]\naddress = ':1'\n"
	if _, err := applied(t, twice); err == nil {
		t.Error("two listeners of TCP share an address")
	}
}

func TestShutdownSpreadHasToFitIntoTheDrainTimeout(t *testing.T) {
	_, err := applied(t, good+"drain_timeout = '2s'\n[[listen]]\naddress = ':1'\nshutdown_spread = '2s'\n")
	if want := "host.toml:6: [[listen]] shutdown_spread: expected less than the drain_timeout of [pool.web], 2s, " +
		"found 2s: shorten it, or raise drain_timeout"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	c, err := applied(t, good+"drain_timeout = '1s'\n[[listen]]\naddress = ':1'\n")
	if err != nil || c.Listen[0].ShutdownSpread != 500*time.Millisecond {
		t.Errorf("%v, %+v", err, c.Listen)
	}
}
