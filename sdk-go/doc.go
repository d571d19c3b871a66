// Package sdk turns an [net/http] program into a worker of the host. One line changes:
//
//	sdk.ListenAndServe(":8080", handler) // instead of http.ListenAndServe(":8080", handler)
//
// and `host serve .` builds it, runs it and puts it behind HTTP; `host reload` puts new code live without a failed
// request. By itself the program stays the server that it was; [Serve] is for one that is a worker and no more.
//
// What a handler may rely on:
//
//   - Requests run concurrently, each in a goroutine of its own, as under net/http; [WithConcurrency] is the limit.
//   - The request is the client's: method, target, headers, Host, remote address, TLS version, cipher and server name,
//     and the certificate that it has shown to a listener with client_ca, in VerifiedChains. Its body streams, and
//     never more of it than a window (256 KiB) waits in memory.
//   - The response is net/http's: implicit 200, content sniffing, Content-Length checks, 1xx, trailers in both of
//     net/http's ways, HEAD, 204 and 304, [net/http.Flusher], [net/http.ResponseController] with deadlines. Up to 64
//     KiB are gathered before anything is sent; Flush sends at once. A Write waits while a slow client has used up the
//     window.
//   - The request's context ends when the client leaves, when the host gives up waiting, and when the handler returns;
//     [context.Cause] tells which.
//   - A panic harms its own request: 500, or a broken-off response if the head was out already, and a log entry with
//     the stack. [net/http.ErrAbortHandler] breaks the response off, or ends the connection without one, and leaves
//     no entry.
//   - What the program prints goes to the host's log, never to the wire: os.Stdout, log, slog, and child processes
//     alike. [LogHandler] sends slog records with their attributes and the request that they belong to.
//   - When the host drains the worker, what has begun is finished and Serve returns nil. When the host is gone, what
//     runs is cancelled and Serve returns.
//
// [Worker] adds what comes over connections that the host keeps: WebSockets, TCP, UDP, and responses that are held
// ([Hold]) for server-sent events and long polls. [Connections] reaches all of them from any handler, and from timers
// ([Every]). Connections outlive workers, so no reload closes one.
//
// [Fetch] leaves the response to a request that the host makes, of a language model or any other API: the worker is
// free at once, and the answer streams to the client through reloads.
//
// [Tasks] pushes work that is no request: it waits on disk until the OnTask of a [Worker] has done it.
//
// [net/http.Hijacker] is there for WebSockets, so that gorilla/websocket, coder/websocket and
// [net/http/httputil.ReverseProxy] run as they are; such a connection ends with its worker.
//
// What differs from net/http stands in one table, in this module's sdk-go/README.md.
//
// The wire is SPEC.md in package protocol; section numbers in comments refer to it.
package sdk
