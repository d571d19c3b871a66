// compression.go reads which answers are compressed, and how.

package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Compression says which answers are compressed, and how. In the file it is true, false, or a table.
type Compression struct {
	Off bool

	Codings     []string `key:"codings" holds:"array of \"zstd\", \"gzip\" and \"br\"" absent:"[\"zstd\", \"gzip\", \"br\"]" means:"content codings, the best first, among those that a client likes as much"`
	GzipLevel   int      `key:"gzip_level" default:"5" min:"1" max:"9" means:"how much time gzip takes to find what repeats"`
	BrotliLevel int      `key:"brotli_level" default:"3" min:"1" max:"3" means:"likewise, of Brotli"`
	ZstdLevel   int      `key:"zstd_level" default:"1" min:"1" max:"9" means:"likewise, of zstd, as the program of that name counts: 1 and 2, 3 to 5, and 6 to 9 are the same"`
	MinSize     Size     `key:"min_size" default:"1KiB" min:"0" means:"length below which an answer stays as it is, if its length is known"`
	Types       []string `key:"types" holds:"array of media types" absent:"text, JSON, XML and the like; host help compression has the list" means:"what is compressed, without parameters: \"text/css\", \"text/*\" for all of a kind, \"*+json\" for all that end so"`
}

// codings are those that there are.
var codings = []string{"zstd", "gzip", "br"}

// CompressibleTypes are the default: what is text, and what is hardly compressed in itself.
var CompressibleTypes = []string{
	"text/*", "*+json", "*+xml", "application/json", "application/javascript", "application/x-javascript",
	"application/ecmascript", "application/xml", "application/x-ndjson", "application/yaml", "application/toml",
	"application/rtf", "application/wasm", "application/vnd.ms-fontobject", "font/otf", "font/ttf", "image/bmp",
	"image/x-icon",
}

func newCompression() *Compression {
	c := &Compression{Codings: slices.Clone(codings), Types: slices.Clone(CompressibleTypes)}
	setDefaults(c)
	return c
}

// String is the setting in words, of a line.
func (c Compression) String() string {
	if c.Off {
		return "off"
	}
	var all []string
	for _, name := range c.Codings {
		level := map[string]int{"gzip": c.GzipLevel, "br": c.BrotliLevel, "zstd": c.ZstdLevel}[name]
		all = append(all, fmt.Sprintf("%s %d", name, level))
	}
	text := strings.Join(all, ", ") + "; from " + c.MinSize.String()
	if !slices.Equal(c.Types, CompressibleTypes) {
		text += "; " + strings.Join(c.Types, ", ")
	}
	return text
}

// compression reads true, false or a table.
func (d *decoder) compression(at string, v any) *Compression {
	c := newCompression()
	switch v := v.(type) {
	case bool:
		c.Off = !v
	case map[string]any:
		d.table(at, v, c)
		d.checkCompression(at, c)
	default:
		d.fail(at, "expected true, false or a table, found %s", describe(v))
	}
	return c
}

var mediaType = regexp.MustCompile(`^([a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)|\*\+[a-z0-9.-]+)$`)

func (d *decoder) checkCompression(at string, c *Compression) {
	for i, name := range c.Codings {
		place := fmt.Sprintf("%s.codings.%d", at, i)
		switch {
		case !slices.Contains(codings, name):
			d.fail(place, "expected %s, found %s", oneOf(codings), describe(name))
		case slices.Index(c.Codings, name) < i:
			d.fail(place, "%q is there twice: remove one", name)
		}
	}
	if len(c.Codings) == 0 {
		d.fail(at+".codings", "there is none left: write compression = false")
	}
	for i, t := range c.Types {
		if c.Types[i] = strings.ToLower(t); !mediaType.MatchString(c.Types[i]) {
			d.fail(fmt.Sprintf("%s.types.%d", at, i),
				"expected a media type such as \"text/css\", \"text/*\" or \"*+json\", found %s", describe(t))
		}
	}
}
