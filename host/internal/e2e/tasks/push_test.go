package tasks

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAPushTakesEffectWhenTheHandlerReturnsAndNotAtAllWhenItThrows(t *testing.T) {
	t.Parallel()
	h, dir := start(t, `
$worker->onRequest(function (Request $r) use ($worker) {
    $now = $r->path === '/now';
    $id = $worker->tasks()->push('q', ['path' => $r->path, 'text' => "é\n"], id: "id $r->path", now: $now);
    $worker->tasks()->pushAll('q', ["b$r->path" => ['path' => "b$r->path", 'text' => "é\n"]]);
    if ($r->path !== '/well') {
        throw new \RuntimeException('no');
    }
    return $id;
})->onTask('q', function (Task $t): void {
    if ($t->payload['text'] !== "é\n" || $t->queue !== 'q' || $t->attempts !== 5 || $t->pushed < 1e9) {
        throw new \Error('another payload');
    }
    note($t->payload['path']);
})->run();`, "", "workers = 2")
	for path, want := range map[string]string{"/well": "200 id /well", "/throws": "500", "/now": "500"} {
		if status, body := h.Get(path); !strings.HasPrefix(fmt.Sprint(status, " ", body), want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if done := await(h, dir, 3); done["/well"] != 1 || done["b/well"] != 1 || done["/now"] != 1 {
		t.Error(done)
	}
	time.Sleep(300 * time.Millisecond) // what must not come
	if done := noted(dir); len(done) != 3 {
		t.Error(done)
	}
}

func TestATaskThatThrowsComesAgainAndWhatItSaidOfItselfIsKept(t *testing.T) {
	t.Parallel()
	h, dir := start(t, `
$worker->onRequest(function (Request $r) use ($worker) {
    try {
        return ['value' => $worker->tasks()->pushAndWait('q', $r->path, timeout: 20)];
    } catch (\WorkerHost\TaskFailed $e) {
        return ['failed' => $e->getMessage()];
    } catch (\Throwable $e) {
        return [$e::class => $e->getMessage()];
    }
})->onTask('q', function (Task $t) use ($worker) {
    $t->progress(['attempt' => $t->attempt]);
    switch ($t->payload) {
        case '/throws':
            $worker->tasks()->push('q', '/nothing');
            throw new \RuntimeException("attempt $t->attempt");
        case '/fails':
            $worker->tasks()->push('q', '/follows');
            $t->fail('no such user');
            return null;
        case '/released':
            if ($t->attempt === 1) {
                $t->release(0.2);
                return null;
            }
            break;
        case '/dies':
            if ($t->attempt === 1) {
                posix_kill(getmypid(), SIGKILL);
            }
    }
    note($t->payload);
    return [$t->payload, $t->attempt];
})->run();`, "attempts = 2\nbackoff = [\"100ms\"]\nconcurrency = 2", "workers = 4")
	for path, want := range map[string]string{
		"/plain":    `{"value":["/plain",1]}`,
		"/throws":   `{"failed":"RuntimeException: attempt 2 in `,
		"/fails":    `{"failed":"no such user"}`,
		"/released": `{"value":["/released",2]}`,
		"/dies":     `{"value":["/dies",2]}`,
	} {
		if _, body := h.Get(path); !strings.HasPrefix(strings.ReplaceAll(body, `\/`, "/"), want) {
			t.Errorf("%s: %s, not %s", path, body, want)
		}
	}
	if done := await(h, dir, 4); done["/follows"] != 1 || done["/nothing"] != 0 {
		t.Error(done)
	}
}

func TestWhatIsTooLargeOrUnknownIsAClearError(t *testing.T) {
	t.Parallel()
	h, _ := start(t, `
$worker->onRequest(function (Request $r) use ($worker) {
    try {
        match ($r->path) {
            '/large' => $worker->tasks()->push('q', str_repeat('x', 1 << 20)),
            '/larger' => $worker->tasks()->push('q', [str_repeat('x', 1 << 20), str_repeat('x', 5000)]),
            '/object' => $worker->tasks()->push('q', new \stdClass()),
            '/unknown' => $worker->tasks()->push('other', 1, now: true),
            '/staged' => $worker->tasks()->push('other', 1),
        };
    } catch (\Throwable $e) {
        return $e::class . ': ' . $e->getMessage();
    }
    return 'pushed';
})->onTask('q', fn (Task $t) => null)->run();`, "", "workers = 2")
	for path, want := range map[string]string{
		"/larger":  "LengthException: ",
		"/object":  "TypeError: payload holds an object",
		"/unknown": "WorkerHost\\CallFailed: the host says: there is no queue",
		"/staged":  "",
	} {
		status, body := h.Get(path)
		if !strings.HasPrefix(body, want) || path == "/staged" && status == 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	h.Logs.Await(t, "[queue.other]")
}

func TestTasksOfOneKeyRunInTheirOrder(t *testing.T) {
	t.Parallel()
	h, dir := start(t, `
$worker->onRequest(function (Request $r) use ($worker) {
    for ($i = 0; $i < 20; ++$i) {
        foreach (['a', 'b', 'c'] as $key) {
            $worker->tasks()->push('q', "$key$i", key: $key);
        }
    }
    return 'ok';
})->onTask('q', function (Task $t): void {
    if ($t->payload === 'b7' && $t->attempt === 1) {
        throw new \RuntimeException('not yet');
    }
    usleep(random_int(0, 2000));
    note($t->payload);
})->run();`, "backoff = [\"200ms\"]\nconcurrency = 4", "workers = 4")
	if status, body := h.Get("/"); status != 200 {
		t.Fatal(body)
	}
	await(h, dir, 60)
	next := map[byte]int{}
	for _, line := range noted(dir) {
		if want := fmt.Sprintf("%c%d", line[0], next[line[0]]); line != want {
			t.Fatalf("%s came in the place of %s: %v", line, want, noted(dir))
		}
		next[line[0]]++
	}
}
