package doctor

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

func TestDoctorKnowsTheSizesOfPHP(t *testing.T) {
	for value, bytes := range map[string]int64{"256M": 256 << 20, "1g": 1 << 30, "512": 512, "8K": 8192, "-1": 0,
		"": 0, "M": 0, "lots": 0} {
		if got := iniBytes(value); got != bytes {
			t.Errorf("%q: expected %d, got %d", value, bytes, got)
		}
	}
}

func TestDoctorKnowsTheAddressesOfARunningHost(t *testing.T) {
	for _, c := range []struct {
		bound, asked string
		same         bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"[::]:80", ":80", true},
		{"[::]:80", "0.0.0.0:80", true},
		{"127.0.0.1:80", "localhost:80", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"unix:/a", "unix:/a", true},
		{"unix:/a", "unix:/b", false},
	} {
		if got := sameAddress(c.bound, c.asked); got != c.same {
			t.Errorf("%s and %s: %v", c.bound, c.asked, got)
		}
	}
}

func TestDoctorExitsWithOneOnlyIfSomethingIsWrong(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := "[[listen]]\naddress = \"127.0.0.1:0\"\n[pool.web]\nworkers = 1\ncommand = [\"%\"]\n"
	for program, status := range map[string]int{"go": cli.ExitOK, "no-such-program": cli.ExitFailure} {
		if err := os.WriteFile("host.toml", []byte(strings.Replace(file, "%", program, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		var said, complaint strings.Builder
		got := Command().Run(&cli.Terminal{Out: &said, Err: &complaint},
			[]string{"--json", "--control", filepath.Join(dir, "c.sock")})
		out, errs := said.String(), complaint.String()
		var fault cli.Failure
		report := doctorReport{Failure: &fault}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("%v\n%s%s", err, out, errs)
		}
		if want := (cli.Failure{Kind: "error", Outcome: "failed", Status: 1,
			Error: "1 thing wrong"}); status == cli.ExitFailure && !reflect.DeepEqual(fault, want) {
			t.Errorf("%s: %+v", program, fault)
		}
		if got != status || report.Healthy != (status == cli.ExitOK) || len(report.Findings) < 3 {
			t.Errorf("%s: status %d\n%s%s", program, got, out, errs)
		}
		for _, f := range report.Findings {
			if f.Severity == wrong && (!strings.Contains(f.What, program) || f.Remedy == "") {
				t.Errorf("%s: %+v", program, f)
			}
		}
	}
	if left, _ := filepath.Glob("*"); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
}

// Two listeners may share an address, if one is of datagrams, so each has to be looked for by its own protocol.
func TestDoctorLooksForDatagramsWhereTheyAreListenedFor(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	taken := packets.LocalAddr().String()
	for _, l := range []struct {
		config.Listen
		served []control.Listener
		want   severity
	}{
		{config.Listen{Address: taken, Protocol: "udp"}, nil, wrong},
		{config.Listen{Address: taken, Protocol: "udp"}, []control.Listener{{Address: taken, Protocol: "tcp"}}, wrong},
		{config.Listen{Address: taken, Protocol: "udp"}, []control.Listener{{Address: taken, Protocol: "udp"}}, good},
	} {
		var d diagnosis
		d.examineListeners(&config.Config{Listen: []config.Listen{l.Listen}}, l.served)
		if len(d.findings) != 1 || d.findings[0].Severity != l.want {
			t.Errorf("%s of %s while %v is served: %+v", l.Protocol, l.Address, l.served, d.findings)
		}
	}
}
