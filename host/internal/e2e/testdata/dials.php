<?php
// A worker that dials: what the environment names as soon as it is ready, and what its clients ask for. A client's
// message is a command; what happens on dials all clients hear.

use WorkerHost\{CallFailed, Connection, Log};

$worker = Worker::create();
$all = $worker->connections();
$asked = static function (string $name, string $url, string $framing = 'raw') use ($all): string {
    try {
        return $all->dial($url, $name, session: ['from' => 'php'], groups: ['feeds'], uid: "u-$name",
            headers: str_starts_with($url, 'tcp') ? [] : ['X-Key' => '{secret:KEY}'],
            subprotocols: str_starts_with($url, 'ws') ? ['v9', 'v2'] : [], framing: $framing, reconnectMax: 0.1);
    } catch (CallFailed $e) {
        return $e->getCode() . ' ' . $e->getMessage();
    }
};
if (getenv('FEED')) {
    $worker->after(0, static fn () => Log::info('asked: ' . $asked('feed', getenv('FEED') . '@VERSION@')));
}
$worker
    ->onOpen(static function (Connection $c, ?Request $r) use ($all): void {
        if ($c->dial === '') {
            $c->join('clients');
            return;
        }
        $line = [$c->protocol, $c->reconnects, $c->subprotocol ?: '-', $c->listener, implode(',', $c->groups), $c->uid,
            $c->session['from'] ?? '-', $r === null ? 'no request' : 'a request'];
        $c->session['from'] = 'before';
        $all->sendToGroup('clients', "open $c->dial " . implode(' ', $line));
    })
    ->onMessage(static function (Connection $c, string $data, bool $binary, array $about) use ($all, $asked): void {
        if ($c->dial !== '') {
            $all->sendToGroup('clients', "$c->dial: $data" . ($about === [] ? '' : ' ' . ($about['event'] ?? '-') . ' '
                . ($about['id'] ?? '-')));
            return;
        }
        [$command, $name, $rest] = explode(' ', $data, 3) + [1 => '', ''];
        match ($command) {
            'dial' => $c->send($asked($name, ...explode(' ', $rest))),
            'close' => $c->send($all->closeDial($name) ? 'closed' : 'none'),
            'id' => $c->send($all->dialId($name) === null ? 'down' : 'up'),
            'to' => $all->send($all->dialId($name) ?? 'nobody', $rest),
            'hangup' => $all->close($all->dialId($name) ?? 'nobody', 4001, $rest),
        };
    })
    ->onClose(static function (Connection $c, int $code) use ($all): void {
        if ($c->dial !== '') {
            $all->sendToGroup('clients', "close $c->dial $code");
        }
    });
$worker@MORE@->run();
