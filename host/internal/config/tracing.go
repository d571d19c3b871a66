// tracing.go is [tracing], and what the variables of OpenTelemetry say where the file says nothing.

package config

import (
	"maps"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Tracing says where spans go, and of which requests there are any.
type Tracing struct {
	Endpoint    string            `key:"endpoint" live:"yes" holds:"URL" absent:"$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, else $OTEL_EXPORTER_OTLP_ENDPOINT, else \"http://localhost:4318\"" means:"collector that takes OTLP over HTTP, in protobuf; /v1/traces is put behind it"`
	Sample      *Share            `key:"sample" live:"yes" absent:"$OTEL_TRACES_SAMPLER, else 1" means:"share of the traces that begin here, 0 to 1, whose spans are sent"`
	ParentBased *bool             `key:"parent_based" live:"yes" absent:"$OTEL_TRACES_SAMPLER, else true" means:"a request whose traceparent says whether it is sampled is taken at its word; false has sample decide for all"`
	Headers     map[string]string `key:"headers" live:"yes" absent:"$OTEL_EXPORTER_OTLP_TRACES_HEADERS, else $OTEL_EXPORTER_OTLP_HEADERS" means:"headers of what is sent to the collector, such as a token; their values are not shown"`
	Timeout     *time.Duration    `key:"timeout" live:"yes" absent:"$OTEL_EXPORTER_OTLP_TRACES_TIMEOUT, else $OTEL_EXPORTER_OTLP_TIMEOUT, else 10s" min:"1ms" means:"time for the collector to take a batch"`
	ServiceName string            `key:"service_name" live:"yes" absent:"$OTEL_SERVICE_NAME, else \"workerhost\"" means:"service.name of all spans"`
	Attributes  map[string]string `key:"attributes" live:"yes" absent:"$OTEL_RESOURCE_ATTRIBUTES" means:"attributes of all spans, such as { \"deployment.environment.name\" = \"production\" }; those of the variable stay beside them"`

	URL string // of the collector's traces: Endpoint with the path
	Off bool   // $OTEL_SDK_DISABLED is true
}

// Share is a part of a whole, from 0 to 1.
type Share float64

// String writes the share as the file has it.
func (s Share) String() string { return strconv.FormatFloat(float64(s), 'g', -1, 64) }

// share reads a number from 0 to 1, which may be a string only if a variable gave it.
func (d *decoder) share(at string, v any) (Share, bool) {
	var n float64
	switch v := v.(type) {
	case int64:
		n = float64(v)
	case float64:
		n = v
	case string:
		s, expanded, ok := d.text(at, v)
		if !ok {
			return 0, false
		}
		parsed, err := strconv.ParseFloat(s, 64)
		if n = parsed; !expanded || err != nil {
			n = math.NaN()
		}
	default:
		n = math.NaN()
	}
	if !(n >= 0 && n <= 1) {
		d.fail(at, "expected a number from 0 to 1, such as 0.01, found %s", describe(v))
		return 0, false
	}
	return Share(n), true
}

// DefaultCollector is where a collector on the same machine takes OTLP over HTTP.
const DefaultCollector = "http://localhost:4318"

// tracesPath is OTLP's, below a collector's address.
const tracesPath = "/v1/traces"

// complete takes what the file does not say from the variables of OpenTelemetry, and checks all of it.
func (t *Tracing) complete(env func(string) (string, bool), fail fail) {
	if t == nil {
		return
	}
	get := func(names ...string) (string, string) {
		for _, name := range names {
			if value, _ := env(name); strings.TrimSpace(value) != "" { // an empty one counts as absent there
				return strings.TrimSpace(value), "$" + name
			}
		}
		return "", ""
	}
	ofExporter := func(what string) (string, string) {
		return get("OTEL_EXPORTER_OTLP_TRACES_"+what, "OTEL_EXPORTER_OTLP_"+what)
	}
	disabled, _ := get("OTEL_SDK_DISABLED")
	exporter, _ := get("OTEL_TRACES_EXPORTER")
	t.Off = strings.EqualFold(disabled, "true") || exporter == "none"
	t.completeEndpoint(ofExporter, fail)
	t.completeSampler(get, fail)
	if text, from := ofExporter("HEADERS"); t.Headers == nil {
		t.Headers = t.list(text, from, fail)
	}
	for name, value := range t.Headers {
		if !headerName.MatchString(name) || strings.ContainsFunc(value, unicode.IsControl) {
			fail("tracing.headers", "%q is no header's name, or its value is none that a header can have", name)
		}
	}
	if t.Timeout == nil {
		limit := 10 * time.Second
		if text, from := ofExporter("TIMEOUT"); from != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n <= 0 {
				fail("tracing.timeout", "expected %s to be milliseconds, found %s", from, describe(text))
			}
			limit = time.Duration(n) * time.Millisecond
		}
		t.Timeout = &limit
	}
	text, from := get("OTEL_RESOURCE_ATTRIBUTES")
	all := t.list(text, from, fail)
	maps.Copy(all, t.Attributes)
	if name, _ := get("OTEL_SERVICE_NAME"); t.ServiceName == "" {
		t.ServiceName = name
	}
	if t.ServiceName == "" {
		t.ServiceName = all["service.name"]
	}
	if t.ServiceName == "" {
		t.ServiceName = "workerhost"
	}
	all["service.name"] = t.ServiceName
	t.Attributes = all
}

// completeEndpoint finds the collector.
func (t *Tracing) completeEndpoint(ofExporter func(string) (string, string), fail fail) {
	at, where, whole := "tracing.endpoint", "", false
	if t.Endpoint == "" {
		t.Endpoint, where = ofExporter("ENDPOINT")
		whole = where == "$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
		if protocol, from := ofExporter("PROTOCOL"); where != "" && protocol != "" && protocol != "http/protobuf" {
			fail(at, "%s is %s, and spans are sent as http/protobuf: name the collector's address for that, which "+
				"is often its port 4318", from, describe(protocol))
		}
	}
	if t.Endpoint == "" {
		t.Endpoint = DefaultCollector
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "", u.Fragment != "":
		fail(at, "expected a URL such as %q, found %s%s", DefaultCollector, describe(t.Endpoint), of(where))
		return
	case u.User != nil:
		fail(at, "a URL is shown and logged, so it is no place for a password: write headers = { Authorization = "+
			"\"Basic …\" }%s", of(where))
		return
	}
	if !whole && !strings.HasSuffix(u.Path, tracesPath) {
		u = u.JoinPath(tracesPath)
	}
	t.URL = u.String()
}

// of says which variable a value comes from.
func of(variable string) string {
	if variable == "" {
		return ""
	}
	return " in " + variable
}

// completeSampler reads the sampler by its name in OpenTelemetry.
func (t *Tracing) completeSampler(get func(...string) (string, string), fail fail) {
	share, based := Share(1), true
	name, _ := get("OTEL_TRACES_SAMPLER")
	kind, isBased := strings.CutPrefix(name, "parentbased_")
	switch kind {
	case "":
	case "always_on":
		based = isBased
	case "always_off":
		share, based = 0, isBased
	case "traceidratio":
		based = isBased
		if text, _ := get("OTEL_TRACES_SAMPLER_ARG"); text != "" {
			n, err := strconv.ParseFloat(text, 64)
			if share = Share(n); err != nil || !(n >= 0 && n <= 1) {
				fail("tracing.sample", "expected $OTEL_TRACES_SAMPLER_ARG to be a number from 0 to 1, found %s",
					describe(text))
			}
		}
	default:
		if t.Sample == nil {
			fail("tracing.sample", "$OTEL_TRACES_SAMPLER is %s, which is not known here: write sample", describe(name))
		}
	}
	if t.Sample == nil {
		t.Sample = &share
	}
	if t.ParentBased == nil {
		t.ParentBased = &based
	}
}

// list reads "key=value,key=value" as the variables have it, percent-encoded.
func (t *Tracing) list(text, from string, fail fail) map[string]string {
	all := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !ok || key == "" || err != nil {
			fail("tracing", "expected %s to be pairs such as key=value,key=value, percent-encoded", from)
			return all
		}
		all[key] = decoded
	}
	return all
}
