package config

import (
	"slices"
	"testing"
)

func TestCompressionIsASwitchOrATable(t *testing.T) {
	site(t)
	const table, inline = "[http.compression]\ncodings = ['br']\nbrotli_level = 2\ntypes = ['text/CSS', '*+json']\n" +
		"min_size = 0\n", "[http]\ncompression = { gzip_level = 1, codings = ['gzip', 'zstd'] }\n"
	for file, want := range map[string]string{
		"":                              "zstd 1, gzip 5, br 3; from 1KiB",
		"[http]\ncompression = true\n":  "zstd 1, gzip 5, br 3; from 1KiB",
		"[http]\ncompression = false\n": "off",
		table:                           "br 2; from 0B; text/css, *+json",
		inline:                          "gzip 1, zstd 1; from 1KiB",
	} {
		if got := parse(t, file+good).HTTP.Compression.String(); got != want {
			t.Errorf("%q: %s, wanted %s", file, got, want)
		}
	}
	c := parse(t, "[[route]]\npath = '/a'\nrespond = 404\ncompression = false\n"+
		"[[route]]\npath = '/b'\nrespond = 404\ncompression = { min_size = 0 }\n"+
		"[[route]]\npath = '/c'\nrespond = 404\n"+good)
	a, b := c.Routes[0].Compression, c.Routes[1].Compression
	if !a.Off || b.Off || b.MinSize != 0 || b.GzipLevel != 5 ||
		!slices.Equal(b.Types, CompressibleTypes) || c.Routes[2].Compression != nil {
		t.Errorf("%+v %+v %+v", a, b, c.Routes[2].Compression)
	}
}

func TestMistakesInCompression(t *testing.T) {
	checkMistakes(t, []mistake{
		{"[http]\ncompression = 'on'\n" + good,
			`host.toml:2: [http] compression: expected true, false or a table, found "on"`},
		{"[http]\ncompression = { codings = ['gzip', 'deflate'] }\n" + good,
			`host.toml:2: [http] compression.codings.1: expected one of "zstd", "gzip" or "br", found "deflate"`},
		{"[http]\ncompression = { codings = ['gzip', 'gzip'] }\n" + good,
			`host.toml:2: [http] compression.codings.1: "gzip" is there twice: remove one`},
		{"[http]\ncompression = { codings = [] }\n" + good,
			"host.toml:2: [http] compression.codings: there is none left: write compression = false"},
		{"[http]\ncompression = { types = ['html'] }\n" + good, `host.toml:2: [http] compression.types.0: expected a ` +
			`media type such as "text/css", "text/*" or "*+json", found "html"`},
		{"[http]\ncompression = { zstd_level = 22 }\n" + good,
			"host.toml:2: [http] compression.zstd_level: expected a whole number from 1 to 9, found the number 22"},
		{"[http]\ncompression = { gzip_levels = 2 }\n" + good,
			"host.toml:2: unknown key `gzip_levels` in [http] compression: did you mean `gzip_level`?"},
	})
}
