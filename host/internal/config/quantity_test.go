package config

import (
	"strings"
	"testing"
	"time"
)

func TestASizeIsReadWithItsUnit(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "512B": 512, "64KiB": 65536, "10MB": 10_000_000, "256MiB": 256 << 20, "1GiB": 1 << 30,
		"2TB": 2e12, "8388607TiB": 8388607 << 40, "9223372036854775807": 9223372036854775807,
	} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "B", "-1", "+1", "1.5GiB", "1 KiB", "1kb", "64K", "8388608TiB",
		"9223372036854775808", "１"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d", text, got)
		}
	}
	for size, want := range map[Size]string{0: "0B", 1000: "1KB", 1024: "1KiB", 1025: "1025B", 1 << 30: "1GiB"} {
		if size.String() != want {
			t.Errorf("%d is written %s", int64(size), size)
		}
	}
}

func TestADurationIsWrittenAsPeopleWriteIt(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 90 * time.Second: "1m30s", 2 * time.Minute: "2m",
		time.Hour: "1h", 10 * time.Second: "10s"} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v is written %s", d, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"", "0", "1KiB", "10MB", "9223372036854775807", "9223372036854775808", "8388608TiB",
		"-1B", "1e3", "kib"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := ParseSize(text)
		if err != nil {
			return
		}
		if size < 0 {
			t.Fatalf("%q is %d", text, size)
		}
		if again, err := ParseSize(size.String()); err != nil || again != size {
			t.Fatalf("%q is %d, written %s, read as %d, %v", text, size, size, again, err)
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"", "$", "$$", "$$$", "${", "${}", "${A}", "${A:-b}", "${B:-}", "x${A}y$${A}z",
		"${A:-$}", "${A", "${1}", "$A", "${É}"} {
		f.Add(seed, "va$lue")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		env := func(name string) (string, bool) { return value, name == "A" }
		got, expanded, err := expand(text, env)
		if err != nil {
			return
		}
		if plain := strings.ReplaceAll(text, "$", "$$"); strings.Contains(text, "$") == (plain == text) {
			t.Fatalf("escaping %q gave %q", text, plain)
		} else if back, _, err := expand(plain, env); err != nil || back != text {
			t.Fatalf("%q, escaped, became %q, %v", text, back, err)
		}
		if !expanded && got != strings.ReplaceAll(text, "$$", "$") {
			t.Fatalf("%q became %q without a variable", text, got)
		}
	})
}

// FuzzParse: whatever the bytes, there is a Config or there are messages, and no panic.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "\xef\xbb\xbf", good, "[[listen]]\naddress=':1'\n[listen.tls]\nkey='x'", "a.b.c = 1\n[a.b.d]",
		"[[a.b]]\n[[a.b.c]]\nx=[{y=1},[2]]",
		"listen = [{address=':1'},3]", "[pool]\nweb.worker='x'", "[pool.'a.b']\ncommand=['x',[1]]",
		"pool = {a={env={b='${C:-d}'}}}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := Parse("host.toml", file, variables())
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err != nil && err.Error() == "" {
			t.Fatal("an error without a message")
		}
	})
}
