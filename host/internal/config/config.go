// Package config turns host.toml, the environment and the command's flags into typed, checked settings.
//
// config.go is the schema: one struct per table, one field per key. The struct tags are the single source for
// the decoder, for the defaults and for the reference that Keys returns:
//
//	key      the key's name in the file
//	default  the value of an absent key, written as in the file
//	absent   what absence means, where no literal can say it
//	min,max  the bounds of a number, a size or a duration
//	oneof    the words that are allowed
//	for      the protocols of a listener that it has a meaning for
//	bytes    any: NUL bytes, too
//	live     yes: a reload puts it into effect; without it, it waits for a restart (tables other than those of pools
//	         and listeners, whose settings are all live)
//	holds    the type shown in the reference, where the Go type does not say it
//	means    the sentence of the reference
//
// The usual way is Load, then Apply, which also completes what depends on the flags. Neither touches anything on disk
// or starts a process. Nothing in the package is safe for use by several goroutines while Apply runs; afterwards a
// Config is read-only.
package config

import (
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/workerhost/workerhost/host/internal/privilege"
)

// FileName is the file that is read from the working directory when no other is named.
const FileName = "host.toml"

// DefaultAddress is where the host listens when neither file nor flags say.
const DefaultAddress = "127.0.0.1:8080"

// Config is everything that host.toml and the flags can say. Paths in it are absolute, with symlinks left as they were
// written.
type Config struct {
	Path     string   // the file as the user named it; "" if there is none
	Folder   string   // the folder that relative paths start from: the file's, or the working directory
	Dev      bool     // --dev: error pages show the trace
	Warnings Problems // what is allowed but is probably a mistake, with the line; see WarningsAt

	Control       string        `key:"control" holds:"path, or the table [control]" absent:"in $XDG_RUNTIME_DIR, else /run/workerhost or a private folder in the temporary directory" means:"socket that host reload, status and stop talk to"`
	Remote        Remote        `key:"control"`
	State         string        `key:"state" holds:"path" absent:"the first of $STATE_DIRECTORY, else /var/lib/host where this user may write there, else host in $XDG_STATE_HOME" means:"folder for what outlives the host, such as certificates; made, mode 0700, once something needs it"`
	StopDelay     time.Duration `key:"stop_delay" live:"yes" default:"0s" min:"0" means:"time between being asked to stop and stopping: /readyz is red, and all is served as before, so that whoever sends clients here can send them elsewhere first"`
	UpgradeLinger time.Duration `key:"upgrade_linger" live:"yes" default:"1h" min:"0" means:"how long after a host upgrade the old process stays for long-lived connections over TLS, whose messages it passes on; then they are closed with 1012, over shutdown_spread"`
	UpgradeBinary string        `key:"upgrade_binary" live:"yes" holds:"path" absent:"the host's own, as it is on disk by then" means:"program that host upgrade starts in the host's place"`
	Log           Log           `key:"log"`
	Admin         Admin         `key:"admin"`
	Faults        Faults        `key:"faults"`
	Engine        Engine        `key:"engine"`
	Cluster       Cluster       `key:"cluster"`
	Tracing       *Tracing      `key:"tracing"` // nil: nothing is traced
	HTTP          HTTP          `key:"http"`
	ACME          ACME          `key:"acme"`
	Reload        Reloading     `key:"reload"`
	Deploy        Deploy        `key:"deploy"`
	Listen        []Listen      `key:"listen"`
	Routes        []*Route      `key:"route"`
	Dials         []*Dial       `key:"dial"`
	Pushers       []*Pusher     `key:"pusher"`  // by name
	Channels      []*Channel    `key:"channel"` // by pattern
	Pools         []*Pool       `key:"pool"`    // in the order of the file
	Services      []*Service    `key:"service"` // by name
	Cron          []*Cron       `key:"cron"`
	Stores        []*Store      `key:"store"` // by name
	Queues        []*Queue      `key:"queue"` // by name

	ErrorFiles map[string]ErrorPage // what error_pages name, by the file

	replaced bool           // the listeners are those of flags
	lines    map[string]int // the line of each key, by its path: "pool.web.workers", "listen.0.address"
}

// Log says what the host logs and how it looks.
type Log struct {
	Level  string   `key:"level" live:"yes" default:"info" oneof:"trace debug info warn error" means:"least severe message that is logged"`
	Format string   `key:"format" default:"auto" oneof:"auto text json" means:"auto is text on a terminal, JSON elsewhere"`
	Redact []string `key:"redact" live:"yes" holds:"array of names" absent:"[]" means:"more query parameters and headers whose values are REDACTED in logs, spans, webhooks and the journal, besides Authorization, Cookie, Set-Cookie, X-Worker-Generation, token, access_token, authorization, code, key, password, secret, signature, auth_signature, jwt, sid, and passwords in URLs"`
}

// Admin says where the host answers probes and Prometheus.
type Admin struct {
	Listen string `key:"listen" holds:"host:port" absent:"off" means:"address of /livez, /readyz and /metrics, which ask for no password: keep it private"`
}

// Listen is one address that the host serves.
type Listen struct {
	Address  string `key:"address" holds:"address" absent:"required" means:"host:port, :port or unix:/path, where a socket that systemd passes is taken over; fd:NAME is the one of that FileDescriptorName, whatever its address is"`
	Protocol string `key:"protocol" default:"http" oneof:"http tcp udp" means:"what clients speak; WebSockets and held responses belong to http"`
	Pool     string `key:"pool" absent:"the only pool; with routes and several pools, none" means:"pool that answers, and with routes what none of them takes; without one that is 404"`
	Strict   bool   `key:"strict_hosts" for:"http" absent:"false" means:"what no route takes is 421 if its host's name is in no route"`
	MaxConns int    `key:"max_connections" default:"0" min:"0" max:"1000000" means:"open connections of this listener, so that it leaves room for others; 0 is [http] max_connections alone"`
	TLS      *TLS   `key:"tls" absent:"off"`
	HTTP3    bool   `key:"http3" for:"http" absent:"false" means:"HTTP/3 as well, at the same port over UDP; it takes tls"`
	SocketFile
	Sockets

	at string // where the file has it; "" for one that a flag gave
}

// HTTP holds the limits of every HTTP listener. Time-outs run anew with each progress, since a transfer may be long.
type HTTP struct {
	MaxHeader       Size          `key:"max_header" live:"yes" default:"64KiB" min:"1KiB" max:"16MiB" means:"largest request line and headers together; beyond it 431"`
	MaxBody         Size          `key:"max_body" live:"yes" default:"1GiB" min:"0" means:"largest request body; beyond it 413"`
	HeaderTimeout   time.Duration `key:"header_timeout" live:"yes" default:"10s" min:"1ms" means:"time for a client to send all its headers, or in HTTP/2 a header block that it has begun"`
	ReadTimeout     time.Duration `key:"read_timeout" live:"yes" default:"30s" min:"0" means:"time without a byte of a request body, until its answer has begun; 0 is for ever"`
	WriteTimeout    time.Duration `key:"write_timeout" live:"yes" default:"30s" min:"0" means:"time without a client taking a byte of a response; 0 is for ever"`
	IdleTimeout     time.Duration `key:"idle_timeout" live:"yes" default:"120s" min:"0" means:"time that a connection may wait for its next request; 0 is for ever"`
	BodyBuffer      Size          `key:"body_buffer" live:"yes" default:"1MiB" min:"0" means:"part of a request body kept in memory, or 64KiB once all together fill 256MiB; the rest goes to disk"`
	ResponseBuffer  Size          `key:"response_buffer" live:"yes" default:"1MiB" min:"0" means:"part of a response kept in memory for a slow client, or 64KiB once all together fill 256MiB; the rest goes to disk"`
	SpoolDirectory  string        `key:"spool_directory" holds:"path" absent:"the temporary directory" means:"where bodies too large for memory wait"`
	SpoolQuota      Size          `key:"spool_quota" default:"4GiB" min:"0" means:"disk that all waiting bodies may take together"`
	Public          string        `key:"public" live:"yes" holds:"path" absent:"off" means:"folder of static files, served before the workers are asked, who find it in $DOCUMENT_ROOT; a folder in it that has an index.html is answered with that, behind a slash; dotfiles, PHP code and what editors leave beside files (.bak, ~ and the like) are not; symlinks that lead out of it are followed into file_roots, where the pool names some"`
	MaxFormFiles    int           `key:"max_form_files" live:"yes" default:"64" min:"0" means:"most files in one form; beyond it 413"`
	MaxFormFileSize Size          `key:"max_form_file_size" live:"yes" default:"256MiB" min:"0" means:"largest file in a form; beyond it 413"`
	MaxFormFields   int           `key:"max_form_fields" live:"yes" default:"1000" min:"0" means:"most fields, other than files, in one form; beyond it 413"`
	MaxConnections  int           `key:"max_connections" live:"yes" default:"16384" min:"0" max:"1000000" means:"open connections of all listeners together, if the limit on open files (ulimit -n) leaves room for so many; one more gets 503 and is closed; 0 is as many as there is room for"`
	MaxPerAddress   int           `key:"max_connections_per_address" live:"yes" default:"0" min:"0" max:"1000000" means:"open connections from one address, or one IPv6 /64, trusted proxies aside; 0 is without a limit"`
	TrustedProxies  []string      `key:"trusted_proxies" live:"yes" absent:"off" means:"networks, such as \"10.0.0.0/8\", addresses, or \"unix\", whose X-Forwarded-For, -Proto, -Host and Forwarded headers tell who the client is; from all others these headers are removed"`
	RateLimit       RateLimit     `key:"rate_limit" live:"yes"`
	Compression     Compression   `key:"compression" live:"yes" holds:"true, false or table" absent:"true" means:"compress answers of text-like types for clients that take zstd, gzip or Brotli, and send what lies compressed beside a static file (app.js.br, .zst, .gz); host help compression, which says when not to"`
	CacheSize       Size          `key:"cache_size" live:"yes" default:"64MiB" min:"1MiB" max:"1TiB" means:"memory that the stored answers of all routes with cache may take together"`
	Lane            bool          `key:"lane" default:"true" means:"plain HTTP/1.1 in cleartext, WebSockets, TCP and held responses are served on event loops, at about two thirds of the cost of a request and half the memory of a connection; false gives each a goroutine, as on systems other than Linux"`
	ErrorPages      ErrorPages    `key:"error_pages" live:"yes" holds:"table of files" absent:"{}" means:"pages for errors that the host answers, by their status, such as { 502 = \"errors/502.html\", 5xx = \"errors/5xx.html\" }; read at the start and at each reload; programs that ask for JSON get a problem of RFC 9457"`
	InterceptErrors bool          `key:"intercept_errors" live:"yes" default:"false" means:"error_pages stand in for what workers answer with these statuses, too, unless the client asks for JSON"`
	AccessLog       string        `key:"access_log" live:"yes" holds:"\"off\", \"text\", \"json\" or path" default:"off" means:"a line for each request: text and json go to standard output; a file is JSON if its name ends in .json, and is reopened on SIGUSR2"`
	RequestID       string        `key:"request_id" live:"yes" default:"X-Request-Id" means:"header that carries a request's id both ways: a client's own is kept if it is fit for a log, otherwise one is made; \"\" is off"`
}

// RateLimit bounds what one client may ask for.
type RateLimit struct {
	Requests int `key:"requests" default:"0" min:"0" max:"1000000" means:"requests per second from one address, or one IPv6 /64, in the long run; beyond it 429; 0 is off"`
	Burst    int `key:"burst" absent:"twice the requests" min:"1" max:"1000000" means:"requests that may come at once"`
}

// Pool is one set of workers that run the same code. Exactly one of Command, Worker, FPM and FastCGI is set. FileRoots
// is nil where the file has none: the pool then takes each generation's own directory, resolved. A Queue of 0 lets
// nothing wait.
type Pool struct {
	Name string

	Command []string `key:"command" absent:"worker is given instead" means:"program and arguments of one worker, without a shell; a relative path with a slash starts from directory; on Windows a name alone is looked for there first, and .exe may be left out"`
	Worker  string   `key:"worker" holds:"path" absent:"command is given instead" means:"a .php file, or a folder that holds worker.php or a Go main package; a relative path starts from directory, and without that from the folder of host.toml"`
	Site
	Directory      string            `key:"directory" holds:"path" absent:"the worker's folder; for a command, the folder of host.toml" means:"working directory; symlinks in it are followed anew at each reload"`
	Workers        int               `key:"workers" absent:"2 per CPU, at least 4; 1 for Go" min:"1" max:"10000" means:"how many worker processes, always; without it, others that take several requests at once are one for each CPU"`
	MinWorkers     int               `key:"min_workers" default:"1" min:"1" max:"10000" means:"with max_workers, fewest worker processes"`
	MaxWorkers     int               `key:"max_workers" default:"0" min:"0" max:"10000" means:"instead of workers: most worker processes; a few at a time start while requests wait or all workers are busy; 0 is off"`
	IdleTimeout    time.Duration     `key:"idle_timeout" default:"60s" min:"1ms" means:"with max_workers, time without a request after which a worker that min_workers does not ask for is ended, one at a time"`
	MaxPoolMemory  Size              `key:"max_pool_memory" default:"0" min:"0" means:"with max_workers, resident memory of all workers together that one more of average size must not pass; 0 is without a limit"`
	Env            map[string]string `key:"env" absent:"{}" means:"variables of the workers, over those that they inherit"`
	InheritEnv     []string          `key:"inherit_env" holds:"array of names" absent:"[], and everything for a worker of the command line" means:"variables of the host's environment that workers get, besides PATH, HOME, LANG, LC_*, TZ, PHPRC, PHP_INI_SCAN_DIR; APP_* is all that begin so, * is all"`
	Concurrency    int               `key:"concurrency" default:"0" min:"0" max:"65536" means:"most requests at once in one worker; 0 is what the worker says of itself"`
	StartTimeout   time.Duration     `key:"start_timeout" default:"30s" min:"1ms" means:"time for a new worker to be ready"`
	Warmup         []Warmup          `key:"warmup" holds:"array of paths of URLs, or tables" absent:"[]" means:"paths, such as \"/health\", that a new worker has to answer with a status below 400, or with that of { path = \"/up\", status = 401 }, within start_timeout before it gets any client's request; sent as GET to the Host localhost with the header X-Worker-Warmup: 1. \"recent\", alone or among them, is the 20 pages that were asked for most of late, without a cookie, a password or a secret in the query, whatever they answer now"`
	RequestTimeout time.Duration     `key:"request_timeout" default:"60s" min:"0" means:"time from a worker taking a request to the head of its response, and after it the longest silence, until all code for the request has run; 0 is for ever"`
	SlowRequest    time.Duration     `key:"slow_request" default:"0" min:"0" means:"requests that a worker has for longer are logged, as they pass this and as they end; 0 is off"`
	SlowTrace      bool              `key:"slow_trace" absent:"false" means:"have slow_request log where the code stands, too; the question is a signal, which cuts short a sleep, or a wait for several streams, in healthy code as well. With fpm it is php-fpm that looks, once slow_request has passed in whole seconds"`
	Retry          string            `key:"retry" default:"safe" oneof:"safe idempotency-key never" means:"which requests are tried once more if their worker dies without a word after it began: GET, HEAD and OPTIONS; also those with an Idempotency-Key header; or none"`
	Reload         string            `key:"reload" default:"rolling" oneof:"rolling never" means:"what a reload does with the workers: replaces them one after the other, or leaves them alone; as a table, what it has to pass"`
	Gates          Gates             `key:"reload"`
	Deploy         Deploy            `key:"deploy"`
	Surge          int               `key:"surge" default:"1" min:"1" max:"10000" means:"how many workers a reload may replace at once"`
	InPlace        bool              `key:"in_place" absent:"false" means:"end an old worker before the new one starts, when memory is short or only one may hold a port or a lock; requests wait meanwhile"`
	Park           time.Duration     `key:"park" default:"0" min:"0" means:"for how long the workers that a reload replaces stay beside the new ones, idle and without a request, so that host rollback has them serve again in moments; it takes their memory, and a release in a folder of its own behind a symlink; 0 ends them at once"`
	ParkWorkers    int               `key:"park_workers" absent:"all" min:"1" max:"10000" means:"with park, how many of them stay; host rollback starts the others"`
	DrainTimeout   time.Duration     `key:"drain_timeout" default:"30s" min:"1ms" means:"time for an old worker to finish what it has"`
	StopTimeout    time.Duration     `key:"stop_timeout" default:"5s" min:"1ms" means:"time between asking a process to stop and killing it"`
	Queue          int               `key:"queue" default:"1024" min:"0" max:"1000000" means:"requests that may wait for a worker; beyond it 503. Datagrams take half of the places at most"`
	Priority       []string          `key:"priority" holds:"array of paths of URLs" absent:"[]" means:"paths, such as \"/health\", whose requests pass in front of the queue, and have places of their own when it is full"`
	Measure        []string          `key:"measure" holds:"array of paths of URLs" absent:"[]" means:"routes whose service times /metrics shows apart, at most 20: a path, such as \"/login\", or all paths below one, as \"/api/*\"; all other requests are \"other\""`
	QueueTimeout   time.Duration     `key:"queue_timeout" default:"10s" min:"1ms" means:"time that a request may wait for a worker, in all; beyond it 503"`
	MaxRequests    int               `key:"max_requests" default:"0" min:"0" means:"requests after which a worker is replaced, between two requests and one worker at a time; from worker to worker up to a tenth more or less; 0 is never"`
	MaxAge         time.Duration     `key:"max_age" default:"0" min:"0" means:"age at which a worker is replaced, likewise; 0 is never"`
	MaxMemory      Size              `key:"max_memory" default:"0" min:"0" means:"resident memory with which a worker is replaced, likewise: it is looked at after requests and each second; 0 is never"`
	MaxMemoryHard  Size              `key:"max_memory_hard" default:"0" min:"0" means:"resident memory with which a worker is ended even in the middle of a request; 0 is never"`
	LogRate        Size              `key:"log_rate" default:"1MiB" min:"0" means:"how much one worker may put into the log in a second, in the long run, and eight times that at once; what is more is dropped and counted; 0 is without a limit"`
	RequestBody    string            `key:"request_body" absent:"buffer; stream for workers that take several requests at once" oneof:"buffer stream" means:"buffer: a worker gets a request when its body is whole; stream: at once, as it does a call of gRPC in any case"`
	FileRoots      []string          `key:"file_roots" holds:"array of paths" absent:"the pool's directory" means:"folders from which a worker may have the host send files"`
	Delivery       string            `key:"delivery" default:"at-least-once" oneof:"at-least-once at-most-once" means:"at-least-once: an event whose worker died is given to another one, as attempt 2; at-most-once: it is dropped, and its connection closed"`
	Wire           string            `key:"wire" default:"descriptors" oneof:"descriptors stdio" means:"where frames travel: descriptors 3 and 4, or plain stdin and stdout"`
	BuildTags      []string          `key:"build_tags" holds:"array of names" absent:"[]" means:"for a Go package, build tags: go build -tags"`
	BuildLDFlags   string            `key:"build_ldflags" absent:"none" means:"likewise, flags of the linker: go build -ldflags, such as \"-s -w -X main.version=1.2\""`
	BuildFlags     []string          `key:"build_flags" holds:"array of flags" absent:"[]" means:"likewise, other flags of go build, such as [\"-trimpath\", \"-mod=vendor\"]"`
	PHP            string            `key:"php" holds:"path" absent:"php on $PATH" means:"PHP binary for a .php worker"`
	API            string            `key:"api" absent:"what the script calls" oneof:"sdk frankenphp workerman" means:"what a .php worker is written for: our SDK, FrankenPHP's worker mode, which host help frankenphp describes, or Workerman and GatewayWorker, which host help workerman does"`
	Fork           bool              `key:"fork" absent:"false" means:"load a .php worker once for each generation, in a template, and fork the workers from it: they start in moments and share its memory, which is no part of theirs in max_memory; Linux alone, and PHP needs pcntl; host help fork"`
	Unchecked      []string          `key:"unchecked" holds:"array of patterns" absent:"[]" means:"files below directory or root, or below the Composer project that it is the public folder of, whose PHP syntax a reload does not look at when they have changed, in the manner of deny: \"stubs/*\"; [\"*\"] is all"`
	PHPIni         Settings          `key:"php_ini" absent:"{}" means:"php.ini settings for a .php worker, in php.ini's own syntax"`
	User           string            `key:"user" absent:"the host's" means:"user that workers run as, by name or number, with the groups of that user; the host has to be root"`
	Group          string            `key:"group" absent:"the user's" means:"group that workers run as, by name or number"`
	Realm          string            `key:"realm" absent:"the pool's user; \"default\" without one" means:"name of those who know each other's connections: groups, users, ids and sessions of other realms are not there for a pool's workers; host help realms"`
	Umask          string            `key:"umask" holds:"octal digits" absent:"the host's" means:"permissions, such as \"027\", that new files of workers don't get"`
	Rlimits        Rlimits           `key:"rlimits"`
	Confine        *Confine          `key:"confine"`
	Canary         Canary            `key:"canary"`
	Fetch          Fetch             `key:"fetch"`

	// Identity is whom User and Group stand for; nil where neither is set.
	Identity *privilege.Identity
	// Kind says what Worker turned out to be; Program where Command is set.
	Kind Kind
	// Script is the .php file of a PHPFile pool. It is relative to Directory when it lies inside, so that a worker
	// started in a pinned release runs that release's code and not what a symlink points at by then.
	Script string

	// Release is where Directory is to lead, in a reload that brings a release that its symlink does not lead to yet;
	// "" is where its symlinks lead.
	Release string

	// Unsized says that Workers is a default.
	Unsized bool

	at string // where the file has it; "" for one that a flag gave
}

// Warmup is a request that a new worker has to answer. In the file it is a path, or a table.
type Warmup struct {
	Path   string `key:"path"`
	Status int    `key:"status" min:"100" max:"599"` // 0: any below 400
}

// Settings are php.ini settings by name. A true of the file is "1" and a false "0".
type Settings map[string]string

// Default returns the settings of a host without a file: every limit at its default, no listener and no pool yet.
// Apply completes it.
func Default() (*Config, error) {
	folder, err := os.Getwd() // keeps the symlinks of $PWD
	if err != nil {
		return nil, err
	}
	c := &Config{Folder: folder}
	setDefaults(c)
	setDefaults(&c.Log)
	setDefaults(&c.HTTP)
	setDefaults(&c.ACME)
	setDefaults(&c.Engine)
	setDefaults(&c.HTTP.RateLimit)
	c.HTTP.Compression = *newCompression()
	setDefaults(&c.Reload)
	setDefaults(&c.Deploy)
	return c, nil
}

// Pool returns the pool of that name, or nil.
func (c *Config) Pool(name string) *Pool {
	for _, p := range c.Pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func newPool(name string) *Pool {
	p := &Pool{Name: name, Workers: defaultWorkers(), Unsized: true}
	setDefaults(p)
	setDefaults(&p.Gates)
	setDefaults(&p.Deploy)
	setDefaults(&p.Canary)
	setDefaults(&p.Fetch)
	return p
}

// defaultWorkers is generous because PHP mostly waits for databases. GOMAXPROCS knows of container limits.
func defaultWorkers() int { return max(4, 2*runtime.GOMAXPROCS(0)) }

// absolute resolves a path of the file without following symlinks.
func absolute(folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}
