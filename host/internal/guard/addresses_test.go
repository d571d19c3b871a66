package guard

import "testing"

func TestPeersAreNetworksAddressesOrUnix(t *testing.T) {
	p, err := ParsePeers([]string{"10.0.0.0/8", "::ffff:192.0.2.1", "unix"})
	if err != nil {
		t.Fatal(err)
	}
	for remote, want := range map[string]bool{"10.1.2.3:4": true, "192.0.2.1:4": true, "[::ffff:10.0.0.1]:4": true,
		"192.0.2.2:4": false, "[::1]:4": false, "": true, "@": true, "what": false} {
		if p.Include(remote) != want {
			t.Errorf("%q: %v", remote, !want)
		}
	}
	for _, text := range []string{"", "10.0.0.0/33", "office", "10.0.0.1:80"} {
		if _, err := ParsePeers([]string{text}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	none := &Addresses{}
	if !none.Let("192.0.2.1:4") || !none.Let("") {
		t.Error("no list keeps somebody out")
	}
}
