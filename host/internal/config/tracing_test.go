package config

import (
	"maps"
	"strings"
	"testing"
	"time"
)

func traced(t *testing.T, table string, env map[string]string) (*Tracing, error) {
	t.Helper()
	c, err := Parse("host.toml", []byte(table), func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
	if err != nil {
		return nil, err
	}
	return c.Tracing, nil
}

func TestTracingIsOffWithoutItsTable(t *testing.T) {
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
	if got, err := traced(t, "", env); got != nil || err != nil {
		t.Error(got, err)
	}
}

func TestTheFileWinsOverOpenTelemetrysVariables(t *testing.T) {
	all := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:1/otlp/", "OTEL_EXPORTER_OTLP_HEADERS": "a=1%202, b=2",
		"OTEL_EXPORTER_OTLP_TIMEOUT": "1500", "OTEL_SERVICE_NAME": "env",
		"OTEL_RESOURCE_ATTRIBUTES": "service.name=never,k=of%2Cenv,l=2",
		"OTEL_TRACES_SAMPLER":      "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25",
	}
	got, err := traced(t, "[tracing]", all)
	if err != nil {
		t.Fatal(err)
	}
	if got.URL != "https://c:1/otlp/v1/traces" || got.Headers["a"] != "1 2" || got.Headers["b"] != "2" ||
		*got.Timeout != 1500*time.Millisecond || got.ServiceName != "env" || *got.Sample != 0.25 || *got.ParentBased ||
		got.Off || !maps.Equal(got.Attributes, map[string]string{"service.name": "env", "k": "of,env", "l": "2"}) {
		t.Errorf("%+v", got)
	}
	all["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "https://d/as-it-is"
	all["OTEL_EXPORTER_OTLP_TRACES_HEADERS"], all["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"] = "c=3", "7"
	got, err = traced(t, "[tracing]", all)
	if err != nil || got.URL != "https://d/as-it-is" || len(got.Headers) != 1 || *got.Timeout != 7*time.Millisecond {
		t.Errorf("%+v %v", got, err)
	}
	got, err = traced(t, `[tracing]
		endpoint = "http://f:4318"
		headers = { x = "y" }
		timeout = "3s"
		service_name = "file"
		attributes = { k = "of file" }
		sample = 1
		parent_based = true`, all)
	if err != nil || got.URL != "http://f:4318/v1/traces" || len(got.Headers) != 1 || *got.Timeout != 3*time.Second ||
		*got.Sample != 1 || !*got.ParentBased ||
		!maps.Equal(got.Attributes, map[string]string{"service.name": "file", "k": "of file", "l": "2"}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestTracingHasOpenTelemetrysDefaults(t *testing.T) {
	got, err := traced(t, "[tracing]", map[string]string{"OTEL_TRACES_SAMPLER": ""})
	if err != nil || got.URL != "http://localhost:4318/v1/traces" || *got.Sample != 1 || !*got.ParentBased ||
		*got.Timeout != 10*time.Second || got.ServiceName != "workerhost" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestSamplersHaveOpenTelemetrysNames(t *testing.T) {
	for name, want := range map[string]struct {
		share Share
		based bool
	}{
		"always_on": {1, false}, "always_off": {0, false}, "traceidratio": {0.5, false},
		"parentbased_always_on": {1, true}, "parentbased_always_off": {0, true},
		"parentbased_traceidratio": {0.5, true},
	} {
		got, err := traced(t, "[tracing]", map[string]string{"OTEL_TRACES_SAMPLER": name,
			"OTEL_TRACES_SAMPLER_ARG": "0.5"})
		if err != nil || *got.Sample != want.share || *got.ParentBased != want.based {
			t.Errorf("%s: %v %v %v", name, *got.Sample, *got.ParentBased, err)
		}
	}
}

func TestTheEnvironmentTurnsTracingOff(t *testing.T) {
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "True", "OTEL_TRACES_EXPORTER": "none"} {
		if got, err := traced(t, "[tracing]\nendpoint = \"http://c:1\"", map[string]string{name: value}); err != nil ||
			!got.Off {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

func TestMistakesInTracingAreNamed(t *testing.T) {
	for _, test := range []struct {
		table string
		env   map[string]string
		want  string
	}{
		{`endpoint = "127.0.0.1:4318"`, nil, `[tracing] endpoint: expected a URL such as "http://localhost:4318"`},
		{`endpoint = "unix:/x"`, nil, "expected a URL"},
		{`endpoint = "http://u:p@c:1"`, nil, "no place for a password"},
		{`sample = 1.5`, nil, "[tracing] sample: expected a number from 0 to 1, such as 0.01, found the number 1.5"},
		{`sample = "0.5"`, nil, `found "0.5"`},
		{`sample = true`, nil, "found true"},
		{`sample = nan`, nil, "found the number NaN"},
		{`parent_based = 1`, nil, "expected true or false"},
		{`headers = { "a b" = "c" }`, nil, "no header's name"},
		{`headers = { a = "c\nd" }`, nil, "no header's name"},
		{`ratio = 1`, nil, "unknown key `ratio` in [tracing]"},
		{``, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317"}, "in $OTEL_EXPORTER_OTLP_ENDPOINT"},
		{``, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
			`$OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"`},
		{``, map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "a"}, "expected $OTEL_EXPORTER_OTLP_HEADERS to be pairs"},
		{``, map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "1s"}, "milliseconds"},
		{``, map[string]string{"OTEL_TRACES_SAMPLER": "xray"}, `$OTEL_TRACES_SAMPLER is "xray"`},
		{``, map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "7"}, "0 to 1"},
	} {
		if _, err := traced(t, "[tracing]\n"+test.table, test.env); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %v: %v", test.table, test.env, err)
		}
	}
	// what the file says is nobody else's mistake
	if _, err := traced(t, "[tracing]\nendpoint = \"http://c:1\"\nsample = 0", map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "xray"}); err != nil {
		t.Error(err)
	}
}
