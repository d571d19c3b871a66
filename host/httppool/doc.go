// Package httppool serves a pool of workers from any Go program: as an [http.Handler], for a server of one's own or
// for one that others have written, and as a function from request to response. It answers as the host does, with
// the same code: a slow client holds no worker, bodies and responses wait in memory and then on disk, forms are taken
// apart for workers that want it, a client that leaves cancels its request, and a response that breaks off never
// looks whole.
//
//	pool, err := httppool.New(workers.Settings{Command: []string{"php", "worker.php"}}, httppool.Options{})
//	err = pool.Start(ctx)
//	defer pool.Stop(context.Background())
//	http.ListenAndServe(":8080", pool.Handler())
//
// Pool.Reload replaces the workers one at a time, to pick up new code, and no request fails because of it. The rest of
// what a pool can do is that of [workers.Pool], whose methods it has.
//
// What the host does beyond that is the server's here: it has its own limits for connections and headers, and should
// refuse what is ambiguous, as net/http does. Whoever trusts a proxy in front puts the client's address into
// [http.Request.RemoteAddr]; X-Forwarded-For and the like go to the workers as they came. There are no long-lived
// connections but those of workers in Go that speak WebSockets themselves, by Hijack, where the server has one: a
// response that a worker wants held is a 502, and a WebSocket's handshake a request as any other.
package httppool
