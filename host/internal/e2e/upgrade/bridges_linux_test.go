package upgrade

import (
	"net/http"
	"net/http/cookiejar"
	"os"
	"sync"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// bridged has each bridge do what its interface promises, and says what it did not.
const bridged = `
use WorkerHost\{Lock, Store};
use WorkerHost\Bridge\{LaravelStore, Sessions, SimpleCache};
require 'Psr/SimpleCache/autoload.php';
require 'Symfony/Component/Cache/autoload.php';
require 'Illuminate/Cache/autoload.php';
function is(mixed $got, mixed $want, string $what): void {
    if ($got != $want) { throw new Exception("$what: " . json_encode($got) . ', want ' . json_encode($want)); }
}
session_set_save_handler(new Sessions(Store::of('sessions')));
$laravel = new LaravelStore(Store::of('laravel'), 'p:');
Worker::create()->superglobals(capture: true)->onRequest(function (Request $r) use ($laravel) {
    switch ($r->path) {
        case '/session':
            session_start();
            $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
            usleep(20000);
            session_write_close();
            return Response::text((string) $_SESSION['n']);
        case '/psr16':
            $c = new SimpleCache(Store::of('psr'));
            is($c->get('k', 'd'), 'd', 'nothing');
            is($c->set('k', new ArrayObject([1]), 60), true, 'set');
            is($c->get('k'), new ArrayObject([1]), 'an object');
            $c->set('null', null);
            is([$c->has('null'), $c->get('null', 'd')], [true, null], 'null is a value');
            $c->setMultiple(['a' => 1, 'b' => false], new DateInterval('PT1M'));
            is($c->getMultiple(['a', 'b', 'c'], 0), ['a' => 1, 'b' => false, 'c' => 0], 'many');
            $c->set('a', 1, 0);
            is($c->has('a'), false, 'no time to live');
            try { $c->get('a:b'); is(1, 0, 'no key'); } catch (Psr\SimpleCache\InvalidArgumentException) {}
            $c->clear();
            is($c->has('k'), false, 'clear');
            return 'ok';
        case '/psr6':
            $p = new Symfony\Component\Cache\Adapter\Psr16Adapter(new SimpleCache(Store::of('psr6')));
            $item = $p->getItem('k');
            is($item->isHit(), false, 'no hit');
            $p->save($item->set(['v'])->expiresAfter(60));
            is($p->getItem('k')->get(), ['v'], 'item');
            is($p->get('made', fn () => 'm'), 'm', 'contracts');
            return 'ok';
        case '/laravel':
            $repository = new Illuminate\Cache\Repository($laravel);
            is($repository->get('k', 'd'), 'd', 'nothing');
            $repository->put('k', ['v'], 60);
            is($repository->get('k'), ['v'], 'put');
            is([$repository->add('k', 1, 60), $repository->increment('n', 2), $repository->decrement('n')], [false, 2, 1],
                'add, increment');
            is($repository->many(['k', 'n', 'x']), ['k' => ['v'], 'n' => 1, 'x' => null], 'many');
            is($repository->remember('r', 60, fn () => 'r'), 'r', 'remember');
            is([$repository->forget('k'), $repository->get('k')], [true, null], 'forget');
            $lock = $laravel->lock('l', 10);
            is([$lock->get(), $laravel->lock('l', 10)->get()], [true, false], 'lock');
            is($laravel->restoreLock('l', 'other')->release(), false, "another's lock");
            is($laravel->restoreLock('l', $lock->owner())->release(), true, 'restored');
            usleep(2000);
            is($laravel->lock('l', 10)->get(), true, 'free again');
            return 'ok';
    }
})->run();
`

func TestTheBridgesOfStoresDoWhatTheirInterfacesPromise(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"Psr/SimpleCache", "Symfony/Component/Cache", "Illuminate/Cache"} {
		if _, err := os.Stat("/usr/share/php/" + file + "/autoload.php"); err != nil {
			t.Skip("no ", file)
		}
	}
	h := harness.StartPHP(t, harness.PHPWorker(t, bridged), "", "workers = 3", "")
	for _, path := range []string{"/psr16", "/psr6", "/laravel"} {
		if status, text := h.Get(path); status != 200 || text != "ok" {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	jar, err := cookiejar.New(nil)
	harness.Must(t, err)
	client := &http.Client{Jar: jar}
	visit := func() {
		answer, err := client.Get(h.URL + "/session")
		if err != nil {
			t.Error(err)
			return
		}
		answer.Body.Close()
		if answer.StatusCode != 200 {
			t.Error(answer.Status)
		}
	}
	visit()
	var all sync.WaitGroup
	for range 12 {
		all.Go(visit)
	}
	all.Wait()
	answer, err := client.Get(h.URL + "/session")
	harness.Must(t, err)
	defer answer.Body.Close()
	var text [8]byte
	if n, _ := answer.Body.Read(text[:]); string(text[:n]) != "14" {
		t.Errorf("the session has seen %s of 14 requests", text[:n])
	}
}
