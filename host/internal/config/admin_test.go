package config

import (
	"strings"
	"testing"
)

func TestTheAdminListenerTakesATCPAddress(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	c, err := Parse("host.toml", []byte("[admin]\nlisten = \"127.0.0.1:9180\"\n"), none)
	if err != nil || c.Admin.Listen != "127.0.0.1:9180" {
		t.Errorf("%v %+v", err, c)
	}
	for _, address := range []string{"9180", "unix:/run/admin.sock", "http://127.0.0.1:9180"} {
		_, err := Parse("host.toml", []byte("[admin]\nlisten = \""+address+"\"\n"), none)
		if err == nil || !strings.Contains(err.Error(), "host.toml:2") || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
