// Package sdkphp carries the PHP SDK inside the host's binary, for `host sdk php DIR`.
package sdkphp

import "embed"

// FS holds the SDK as a program needs it, without its tests: autoload.php, functions.php, franken.php,
// workerman.php, composer.json, LICENSE, README.md and src.
//
//go:embed autoload.php functions.php franken.php workerman.php composer.json LICENSE README.md src
var FS embed.FS
