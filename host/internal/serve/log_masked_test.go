package serve

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestSecretsDoNotReachTheLog(t *testing.T) {
	var out bytes.Buffer
	log := masked{Logger: hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info})}
	log.Info("GET /?token=s3cret", "error", errors.New("mysql://app:s3cret@db is down"))
	log.With("target", "/?a=1&sid=s3cret").Named("x").Warn("it", "line", "Cookie: s3cret")
	_ = log
	context := map[string]any{"headers": []any{"Cookie: s3cret"}, "jwt": "s3cret"}
	log.Error("it", "password", "s3cret", "context", context, "body", `{"token": "s3cret\"s3cret", "n": 1}`)
	log.Debug("not said: password=s3cret")
	if got := out.String(); strings.Contains(got, "s3cret") || strings.Count(got, "REDACTED") != 8 {
		t.Error(got)
	}
}
