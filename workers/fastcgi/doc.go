// Package fastcgi has PHP that knows nothing of this host answer a pool's requests: code that expects a fresh PHP
// for each, under php-fpm or another FastCGI server, unmodified.
//
// A [Launcher] gives a pool workers that take many requests at once. Each is a php-fpm master with its children, on
// a socket of its own, or, with Address, a server that somebody else runs; and in this process the adapter, a
// worker's end of the link that hands each request on to a child. So the queue, priority, deadlines, retries,
// warm-up, reload and stop are the pool's, as for any worker. A request's lease lasts as long as a child is at work
// for it, also when its client has left: there are never more requests than children, and none waits where the pool
// can't see it.
//
//	record.go    the protocol's records (FastCGI 1.0 §3.3)
//	client.go    connections, and which of them are kept
//	call.go      one request over one connection
//	head.go      what a CGI program says before its body
//	params.go    the parameters of a request
//	site.go      which script answers for a path
//	handler.go   the adapter
//	pipe.go      the link between the pool and it
//	launcher.go  the worker that a pool has of all this
//	fpm.go       php-fpm's configuration
//	status.go    what it tells of its children
//	slowlog.go   and of slow requests
package fastcgi
