// examples/shop-php, in a browser, and with many customers while its workers are killed.

package examples

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// killWorker ends one, by its slot.
func killWorker(h *harness.Host, slot int) {
	workers := h.Status().Pools[0].Workers
	if pid := workers[slot%len(workers)].PID; pid > 0 {
		if process, err := os.FindProcess(pid); err == nil {
			process.Kill()
		}
	}
}

// Set SHOP_SCREENSHOTS to a folder to look at the page.
func TestTheShopSellsWhileItsWorkersDieAndItsHostIsReloaded(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "shop-php")
	arguments := []string{"-l", harness.FreeAddress(t), "-c", filepath.Join(folder, "host.toml")}
	h := harness.StartWith(t, arguments[1], arguments...)
	greeting := "The new tea is here."
	page := []string{"shop.js", h.URL, greeting}
	if shots := os.Getenv("SHOP_SCREENSHOTS"); shots != "" {
		page = append(page, shots)
	}
	s := harness.RunScript(t, page...)
	s.Expect("kill", func() {
		for slot := range 4 {
			killWorker(h, slot)
		}
	})
	s.Expect("reload", func() {
		edit(t, filepath.Join(folder, "src/Page.php"), "Four teas, twelve tins of each.", greeting)
		h.Reload()
	})
	s.Expect("stop", func() {
		h.Kill(syscall.SIGTERM)
		<-h.Exited
	})
	s.Expect("start", func() { h = harness.StartWith(t, arguments[1], arguments...) })
	s.Expect("night", func() {
		if out, code := h.Run("cron", "run", "nightly"); code != 0 {
			t.Errorf("%d: %s", code, out)
		}
	})
	s.Ends("done")
}

// customer orders as the page does.
type customer struct {
	url    string
	client http.Client
	placed map[string]int // by id, how many tins
}

func newCustomer(t *testing.T, url string) *customer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	harness.Must(t, err)
	c := &customer{url: url, client: http.Client{Jar: jar, Timeout: 20 * time.Second}, placed: map[string]int{}}
	c.state(t) // with a cookie from now on
	return c
}

type shopState struct {
	Stock  struct{ Left map[string]int }
	Orders []struct {
		ID      string
		Invoice bool
	}
}

// state is what the page asks for, with a cookie; it asks until there is an answer.
func (c *customer) state(t *testing.T) (s shopState) {
	t.Helper()
	for _, path := range []string{"/", "/state"} {
		for late := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			resp, err := c.client.Get(c.url + path)
			if err == nil {
				err = json.NewDecoder(resp.Body).Decode(&s)
				resp.Body.Close()
				if resp.StatusCode == 200 && (path == "/" || err == nil) {
					break
				}
			}
			if time.Now().After(late) {
				t.Errorf("%s does not answer: %v", path, err)
				return s
			}
		}
	}
	return s
}

// order asks with one id until there is an answer.
func (c *customer) order(t *testing.T, product string, quantity int) (status int) {
	id := fmt.Sprintf("o%016x%016x", rand.Uint64(), rand.Uint64())
	form := url.Values{"id": {id}, "product": {product}, "quantity": {fmt.Sprint(quantity)}}
	for late := time.Now().Add(60 * time.Second); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		resp, err := c.client.PostForm(c.url+"/orders", form)
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode < 500 {
			if resp.StatusCode == 200 {
				c.placed[id] = quantity
			}
			return resp.StatusCode
		}
	}
	t.Errorf("order %s has no answer", id)
	return 0
}

func TestTheShopLosesNoOrderAndSellsNothingTwiceThoughItsWorkersAreKilled(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "shop-php")
	edit(t, filepath.Join(folder, "host.toml"), "SHOP_RATE:-30", "SHOP_RATE:-100000")
	h := harness.Start(t, "-c", filepath.Join(folder, "host.toml"))
	over, killed := make(chan struct{}), 0
	var harm, crowd sync.WaitGroup
	harm.Go(func() {
		reloaded := false
		for pace := time.NewTicker(250 * time.Millisecond); ; {
			select {
			case <-over:
				pace.Stop()
				return
			case <-pace.C:
			}
			if killed < 20 {
				killWorker(h, rand.IntN(4))
				killed++
			}
			if killed == 5 && !reloaded {
				reloaded = true
				edit(t, filepath.Join(folder, "src/Page.php"), "Four teas", "Our four teas")
				h.Run("reload") // which may fail, as its new workers may be killed
			}
		}
	})
	products := []string{"assam", "sencha", "rooibos", "lapsang"}
	customers := make([]*customer, 8)
	for i := range customers {
		customers[i] = newCustomer(t, h.URL)
		crowd.Go(func() {
			c := customers[i]
			for n := range 14 { // more than there is
				if status := c.order(t, products[(i+n)%4], 1); status != 200 && status != 409 {
					t.Errorf("an order was answered with %d", status)
				}
				for product, left := range c.state(t).Stock.Left {
					if left < 0 {
						t.Errorf("there are %d of %s", left, product)
					}
				}
			}
		})
	}
	crowd.Wait()
	close(over)
	harm.Wait()
	if killed < 3 {
		t.Errorf("only %d workers were killed", killed)
	}
	sold := 0
	for _, c := range customers {
		sold += len(c.placed)
		h.Eventually("an invoice for each order", func() bool {
			made := map[string]bool{}
			for _, o := range c.state(t).Orders {
				made[o.ID] = o.Invoice
			}
			for id := range c.placed {
				if !made[id] {
					return false
				}
			}
			return len(made) == len(c.placed)
		})
		for id := range c.placed {
			file := harness.ReadFile(t, filepath.Join(folder, "var/invoices", id+".pdf"))
			if !strings.HasPrefix(file, "%PDF-1.4\n") || !strings.Contains(file, id) ||
				!strings.HasSuffix(file, "%%EOF\n") {
				t.Errorf("the invoice of %s is %.100q", id, file)
			}
		}
	}
	if left := customers[0].state(t).Stock.Left; sold != 48 || fmt.Sprint(left) !=
		"map[assam:0 lapsang:0 rooibos:0 sencha:0]" {
		t.Errorf("of 48 tins %d were sold, and there are %v", sold, left)
	}
}

func TestAnOrderOfTheShopIsOneThoughItsWorkersDieAtTheWorstMoments(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "shop-php")
	orders := filepath.Join(folder, "src/Orders.php")
	for i, moment := range []string{
		"        if ($known !== null && $known['customer']", // the goods are taken, and nobody knows
		"        $order['invoice'] = true;",                 // the invoice is there, and nobody knows
		"        $this->stock->change(static function (array $stock) use ($id)",
		"        $this->worker->connections()->sendToGroup(self::channels($customer)[1]",
	} {
		edit(t, orders, moment, fmt.Sprintf("        if (@mkdir(__DIR__ . '/../var/died%d')) { "+
			"posix_kill(getmypid(), SIGKILL); }\n%s", i, moment))
	}
	h := harness.Start(t, "-c", filepath.Join(folder, "host.toml"))
	c := newCustomer(t, h.URL)
	if status := c.order(t, "assam", 2); status != 200 {
		t.Errorf("the order was answered with %d", status)
	}
	h.Eventually("the order with its invoice", func() bool {
		orders := c.state(t).Orders
		return len(orders) == 1 && c.placed[orders[0].ID] == 2 && orders[0].Invoice
	})
	h.Eventually("the last of the deaths", func() bool {
		died, err := filepath.Glob(filepath.Join(folder, "var/died*"))
		return err == nil && len(died) == 4
	})
	if left := c.state(t).Stock.Left["assam"]; left != 10 {
		t.Errorf("there are %d left of 12, after an order of 2", left)
	}
}

func TestTheShopRefusesWhatIsNoOrderAndTooMany(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "shop-php")
	edit(t, filepath.Join(folder, "host.toml"), "SHOP_RATE:-30", "SHOP_RATE:-3")
	b := newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml")))
	const good = "id=o0123456789abcdef&product=assam&quantity=1"
	b.expect("POST", "/orders", formType, good, 403, jsonType)
	p := b.sees("/", 200, htmlType, "<h1>Teas &amp; Leaves</h1>", `data-left="12"`)
	if policy := p.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("Content-Security-Policy: %q", policy)
	}
	for _, bad := range []string{"", "id=x&product=assam", good + "0", good + "&product=coffee",
		good + "&id=..%2Fo0123456789abcdef", good + "&quantity=-1", good + "&quantity[]=1"} {
		b.expect("POST", "/orders", formType, bad, 422, jsonType)
	}
	one := b.expect("POST", "/orders", formType, good, 200, jsonType, `"quantity":1`)
	if again := b.expect("POST", "/orders", formType, good, 200, jsonType); strings.ReplaceAll(again.body, "true",
		"false") != one.body {
		t.Errorf("the same order is %s, and then %s", one.body, again.body)
	}
	newBrowser(b.Host).sees("/invoices/o0123456789abcdef.pdf", 404, "text/plain; charset=utf-8")
	statuses := []int{}
	for i := range 7 { // beyond what two minutes allow
		more := strings.NewReader(strings.Replace(good, "0123", fmt.Sprint(4000+i), 1))
		statuses = append(statuses, b.do("POST", "/orders", formType, more).StatusCode)
	}
	if !slices.Contains(statuses, 200) || !slices.Contains(statuses, 429) {
		t.Errorf("more orders than may be were answered with %v", statuses)
	}
	r, err := http.NewRequest("GET", b.URL+"/nightly", nil)
	harness.Must(t, err)
	r.Header.Set("X-Worker-Cron", "nightly")
	b.send(r).check(t, 404, "text/plain; charset=utf-8")
	b.sees("/shop.js", 200, "text/javascript; charset=utf-8", "new EventSource(")
	b.sees("/shop.css", 200, "text/css; charset=utf-8", "prefers-color-scheme: dark")
}
