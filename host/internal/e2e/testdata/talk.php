<?php
// What most tests of connections talk to. A client's first word says what it wants; its version is put in when it is
// deployed.

use WorkerHost\{Connection, Connections};

const VERSION = '@VERSION@';
$worker = Worker::create();
$all = $worker->connections();
$here = __DIR__;

$talk = static function (Connection $c, string $data) use ($all, $here): void {
    [$word, $rest] = explode(' ', $data, 2) + [1 => ''];
    [$first, $second] = explode(' ', $rest, 2) + [1 => ''];
    match ($word) {
        // n attempt version, and how many such messages the session knows of: what a handler that died half-way did is
        // not to be seen in it
        'n' => (static function () use ($c, $rest): void {
            $c->send("$rest $c->attempt " . VERSION . ' ' . ($c->session['n'] = ($c->session['n'] ?? 0) + 1));
            usleep(300); // so that one who kills workers finds them at work
        })(),
        'say' => $c->send($rest),
        'join' => $c->join($first),
        'leave' => $c->leave($first),
        'bind' => $c->bindUid($first),
        'group' => $all->sendToGroup($first, $second),
        'others' => $all->sendToGroup($first, $second, except: $c->id),
        'user' => $all->sendToUid($first, $second),
        'all' => $all->sendToAll($rest),
        'tell' => $all->send($first, $second),
        'id' => $c->send($c->id),
        'who' => $c->send(json_encode([$all->count(), $all->count($first), count($all->ids($first)),
            $all->uids($first), $all->isOnline($second)])),
        'set' => $c->session[$first] = json_decode($second, true),
        'unset' => (static function () use ($c, $first): void { unset($c->session[$first]); })(),
        'session' => $c->send(json_encode($c->session, \JSON_PRESERVE_ZERO_FRACTION)),
        'state' => $c->send(json_encode([$c->uid, $c->groups, $c->protocol, $c->listener])),
        'of' => $c->send(json_encode($all->session($first))),
        'bump' => (static function () use ($all, $c, $first, $second): void {
            for ($i = 0; $i < (int) $second; ++$i) {
                $all->updateSession($first, static fn (array $s): array => ['count' => ($s['count'] ?? 0) + 1] + $s);
            }
            $c->send('bumped ' . getmypid());
        })(),
        'throw' => (static function () use ($c): never {
            $c->send('never');
            $c->session['thrown'] = true;
            throw new \LogicException('thrown on purpose');
        })(),
        'now' => (static function () use ($c): never {
            $c->send('never');
            $c->send('at once', now: true);
            throw new \LogicException('thrown on purpose');
        })(),
        'die' => (static function () use ($c, $first): void { // in as many attempts as the message says
            $c->send("survived as attempt $c->attempt");
            $c->session['deaths'] = ($c->session['deaths'] ?? 0) + 1;
            $c->join('dead');
            $c->attempt > (int) $first || posix_kill(getmypid(), 9);
        })(),
        'exit' => (static function () use ($c): void { // in the first attempt
            $c->send("survived as attempt $c->attempt");
            $c->attempt > 1 || exit(0);
        })(),
        'garbage' => (static function () use ($c): void { // likewise
            $c->send("survived as attempt $c->attempt");
            if ($c->attempt === 1) {
                fwrite(fopen('php://fd/4', 'wb'), "rubbish on the wire\n");
                sleep(60);
            }
        })(),
        'print' => (static function () use ($c): void {
            echo "printed\n";
            fwrite(\STDOUT, "written\n");
            system('echo by a child');
            $c->send('printed');
        })(),
        'wait' => (static function () use ($c, $here, $first): void {
            file_put_contents("$here/$first.new", (string) getmypid());
            rename("$here/$first.new", "$here/$first");
            while (!file_exists("$here/go")) {
                usleep(2000);
                clearstatcache();
            }
            $c->send('went ' . VERSION);
        })(),
        'close' => $c->close((int) $first, $second),
        'big' => $c->send(str_repeat('x', (int) $first)),
        // COUNT SIZE, at a rate that one who reads can keep up with
        'flood' => (static function () use ($all, $first, $second): void { // COUNT SIZE FROM
            [$size, $from] = array_map(intval(...), explode(' ', $second)) + [1 => 0];
            for ($i = $from; $i < $from + (int) $first; ++$i) {
                usleep(200);
                $all->sendToGroup('flood', str_pad("$i ", $size, '.'), now: true);
            }
        })(),
        default => $c->send("what is $word?", binary: true),
    };
};

$worker
    ->onOpen(static function (Connection $c, ?Request $upgrade): ?Response {
        $query = $upgrade?->query ?? [];
        if (isset($query['refuse'])) {
            return Response::text('not today', (int) $query['refuse'], ['X-Why' => 'closed']);
        }
        if ($upgrade !== null && ($query['subprotocol'] ?? '') !== '') {
            $c->accept($query['subprotocol'], ['X-Version' => VERSION]);
        }
        if (isset($query['die'])) {
            posix_kill(getmypid(), 9);
        }
        foreach (explode(',', $query['join'] ?? '') as $group) {
            $group === '' || $c->join($group);
        }
        if (isset($query['uid'])) {
            $c->bindUid($query['uid']);
        }
        if ($upgrade?->path === '/echo') {
            $c->session['echo'] = true;
        }
        if (isset($query['greet'])) {
            $c->send('welcome ' . ($upgrade->cookies['name'] ?? 'stranger'));
        }
        $c->session['name'] = $query['name'] ?? '';

        return null;
    })
    ->onMessage(static function (Connection $c, string $data, bool $binary) use ($talk): void {
        if ($c->session['echo'] ?? false) {
            $c->send($data, binary: $binary);
        } else {
            $talk($c, $data);
        }
    })
    ->onClose(static function (Connection $c, int $code, string $reason, bool $clean) use ($here, $all): void {
        $line = ($c->session['name'] ?? '') . " $c->protocol $code " . ($clean ? 'clean' : 'unclean') . " $reason";
        file_put_contents("$here/closed", "$line\n", \FILE_APPEND | \LOCK_EX);
        $all->sendToGroup('watchers', "closed $line");
    })
    ->onRequest(static function (Request $r) use ($all): mixed {
        $query = $r->query;
        switch ($r->path) {
            case '/send':
                $all->sendToGroup($query['group'], $query['text']);

                return 'sent by ' . VERSION;
            case '/throw':
                $all->sendToAll('never');
                throw new \LogicException('thrown on purpose');
            case '/events':
                $last = $r->headers['last-event-id'][0] ?? 'none';

                return Response::hold(new \WorkerHost\Http\ServerSentEvent("after $last by " . VERSION, event: 'begin',
                    id: '1', retry: 50), groups: 'events', uid: $query['uid'] ?? '',
                    session: ['name' => $query['name'] ?? 'sse']);
            case '/event':
                $all->sendToGroup('events', new \WorkerHost\Http\ServerSentEvent($query['text'], id: $query['id']));

                return 'sent';
            case '/poll':
                return Response::hold(groups: 'polls', once: true, timeout: (float) ($query['timeout'] ?? 0),
                    headers: ['Content-Type' => 'text/plain'], session: ['name' => 'poll']);
            case '/count':
                return (string) $all->count();
        }

        return Response::text('hello ' . VERSION);
    })
    ->run();
