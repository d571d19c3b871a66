// inspect.go asks PHP about its extensions and settings, for host doctor.

package php

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/workerhost/workerhost/host/internal/config"
)

// State is what a worker of a pool would find in its PHP.
type State struct {
	PHP        Binary
	Extensions []string          // in lower case
	Ini        map[string]string // every setting that has a value, with the pool's own and ours
	Files      []string          // the php.ini files that were read
}

// Inspect finds the pool's PHP as Find does, and starts it once more to ask about its settings.
func Inspect(ctx context.Context, pool *config.Pool) (*State, error) {
	php, err := Find(ctx, pool)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	const code = `$files = array_filter(array_map('trim', explode(',', php_ini_loaded_file() . ',' . php_ini_scanned_files())));
echo "\n` + probeMark + `", json_encode(['Extensions' => array_map('strtolower', get_loaded_extensions()), 'Files' => array_values($files),
    'Ini' => (object) array_filter(ini_get_all(null, false), 'is_string')], JSON_INVALID_UTF8_SUBSTITUTE);`
	cmd, _, clean, err := probing(ctx, php.Path, pool, "-r", code)
	if err != nil {
		return nil, err
	}
	defer clean()
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: it did not tell its settings within %s", php.Path, probeTimeout)
	}
	_, printed, found := bytes.Cut(out, []byte(probeMark))
	state := &State{PHP: php}
	if !found {
		err = errors.Join(err, errors.New(strings.TrimSpace(complaints.String())))
	} else if err == nil {
		err = json.Unmarshal(printed, state)
	}
	if err != nil {
		return nil, fmt.Errorf("%s did not tell its settings: %w", php.Path, err)
	}
	return state, nil
}
