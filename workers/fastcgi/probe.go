// Asking a server whether it is there, and one of ours whether it can run the site.

package fastcgi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// probeScript looks at the site's index without running it. What it can't look at, the site's own settings being
// against it, it leaves to the first request.
const probeScript = `<?php
header('Content-Type: application/json');
$fault = '';
try {
    $code = @file_get_contents($_SERVER['INDEX']);
    if (is_string($code) && function_exists('token_get_all')) {
        token_get_all($code, TOKEN_PARSE);
    }
} catch (Error $e) {
    $fault = 'PHP Parse error: ' . $e->getMessage() . ' in ' . $_SERVER['INDEX'] . ' on line ' . $e->getLine();
}
echo json_encode(['fault' => $fault], JSON_INVALID_UTF8_SUBSTITUTE);
`

// faultError says that the site can't run.
type faultError struct{ what string }

func (e *faultError) Error() string { return e.what }

// probe says whether the server answers. One of ours has to run script, whose path this is; of somebody else's, which
// may have no process to spare, it has to do that it listens.
func (a *adapter) probe(ctx context.Context, script string) error {
	c, _, err := a.client.get(ctx, true)
	if err != nil {
		return fmt.Errorf("%w: %w; is it running, and may this user connect to it?", errNoServer, err)
	}
	defer c.Close()
	if script == "" {
		return nil
	}
	answer, err := c.ask(ctx, maxHead, [][2]string{
		{"SCRIPT_FILENAME", script}, {"SCRIPT_NAME", "/probe.php"},
		{"REQUEST_METHOD", http.MethodGet}, {"REDIRECT_STATUS", "200"},
		{"SERVER_PROTOCOL", "HTTP/1.1"}, {"GATEWAY_INTERFACE", "CGI/1.1"}, {"INDEX", a.site.file(a.site.index)},
	})
	if err != nil {
		return err
	}
	return a.judge(answer)
}

// ask makes a request of the host's own, which has no body, and gives the answer with its head, but for what is beyond
// about limit. The connection is of no more use then.
func (c *conn) ask(ctx context.Context, limit int, parameters [][2]string) (answer []byte, err error) {
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	pairs := params{b: appendRequest(nil, false), open: -1}
	for _, p := range parameters {
		pairs.add(p[0], p[1])
	}
	if _, err := c.Write(appendEnd(pairs.end(), typeStdin)); err != nil {
		return nil, err
	}
	for {
		kind, content, err := c.records.next()
		switch {
		case err != nil:
			return nil, err
		case kind == typeStdout && len(answer) < limit:
			answer = append(answer, content...)
		case kind == typeEnd:
			return answer, nil
		}
	}
}

// judge reads the probe's answer.
func (a *adapter) judge(answer []byte) error {
	var told struct{ Fault string }
	if i := bytes.IndexByte(answer, '{'); i >= 0 && json.Unmarshal(answer[i:], &told) == nil && told.Fault != "" {
		return &faultError{told.Fault}
	}
	return nil
}

// final says whether a probe is not worth another try.
func final(err error) bool {
	var broken *brokenError
	var fault *faultError
	return err == nil || errors.As(err, &broken) || errors.As(err, &fault)
}
