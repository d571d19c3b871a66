<?php

declare(strict_types=1);

namespace LineServer;

use WorkerHost\{Connection, Worker};

/** One line in, one line out, and a line to whoever watches the key. */
final class Commands
{
    private const HELP = 'SET key value | GET key | DELETE key | KEYS | WATCH key | UNWATCH key | STATS | QUIT';

    public function __construct(private readonly Worker $worker, private readonly Store $store)
    {
    }

    /** The answer, what watchers are told, and the counter in the session take effect together, when this returns. */
    public function run(Connection $c, string $line): void
    {
        $c->session['commands']++;
        [$command, $key, $value] = explode(' ', trim($line), 3) + ['', '', ''];
        $command = strtoupper($command);
        if (in_array($command, ['SET', 'GET', 'DELETE', 'WATCH', 'UNWATCH'], true)
            && preg_match('/^[\w.:-]{1,64}$/D', $key) !== 1) {
            $c->send("ERROR $command wants a key: 1 to 64 of A-Z a-z 0-9 _ . : -");

            return;
        }
        match ($command) {
            'SET' => $c->send($this->set($key, $value)),
            'GET' => $c->send($this->get($key)),
            'DELETE' => $c->send($this->delete($key)),
            'KEYS' => $c->send(rtrim('KEYS ' . implode(' ', array_keys($this->store->all())))),
            'WATCH' => $this->watch($c, $key),
            'UNWATCH' => $this->unwatch($c, $key),
            'STATS' => $c->send($this->stats($c)),
            'HELP' => $c->send(self::HELP),
            'QUIT' => $this->quit($c),
            default => $c->send('ERROR no such command; HELP tells which there are'),
        };
    }

    /**
     * Should this worker die once the file is written, another one runs the command again: it does the same, and
     * watchers hear of it once.
     */
    private function set(string $key, string $value): string
    {
        if ($value === '' || preg_match('//u', $value) !== 1) {
            return 'ERROR SET wants a value, of UTF-8';
        }
        if (!$this->store->set($key, $value)) {
            return 'ERROR the store is full; DELETE makes room';
        }
        $this->worker->connections()->sendToGroup("key:$key", "CHANGED $key $value");

        return 'OK';
    }

    private function get(string $key): string
    {
        $value = $this->store->all()[$key] ?? null;

        return $value === null ? 'NONE' : "VALUE $value";
    }

    private function delete(string $key): string
    {
        $this->store->delete($key);
        $this->worker->connections()->sendToGroup("key:$key", "DELETED $key");

        return 'OK';
    }

    /**
     * The OK and the group take effect together: whoever has read the OK, and asks for the value then, misses no
     * change.
     */
    private function watch(Connection $c, string $key): void
    {
        $c->join("key:$key");
        $c->send('OK');
    }

    private function unwatch(Connection $c, string $key): void
    {
        $c->leave("key:$key");
        $c->send('OK');
    }

    private function stats(Connection $c): string
    {
        $place = $this->worker->place();

        $clients = $this->worker->connections()->count();

        return "STATS generation=$place->generation worker=$place->slot clients=$clients "
            . "commands={$c->session['commands']}";
    }

    private function quit(Connection $c): void
    {
        $c->send('BYE');
        $c->close();
    }
}
