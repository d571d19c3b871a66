// Package harness drives the real host with real workers over real sockets, as a user would. The packages beside it
// are the tests; each begins with Main.
//
//	func TestMain(m *testing.M) { harness.Main(m) }
//
//	h := harness.StartPHP(t, harness.Pages(t, "1"), "", "workers = 2", "")
//	status, text := h.Get("/hello")
//	h.Reload()
//
// What it starts dies with the test binary, however that ends.
package harness
