<?php

declare(strict_types=1);

namespace Chat;

use WorkerHost\{Connection, Worker};
use WorkerHost\Http\{Request, Response};

/**
 * What happens in the rooms. Whatever a handler does here takes effect when it returns, all together, and in whichever
 * worker it runs.
 */
final class Chat
{
    /** Change this and run `host reload`: every open page shows the new one, and none is disconnected. */
    public const GREETING = 'Good to see you. Pull up a chair and say hello.';

    /** The name in addresses => the name that people read. */
    public const ROOMS = ['lobby' => 'Lobby', 'kitchen' => 'Kitchen', 'workshop' => 'Workshop'];

    private bool $announced = false;

    public function __construct(private readonly Worker $worker, private readonly History $history)
    {
    }

    /**
     * A page has connected, to /chat?room=lobby&name=Ada. An application would take the user from a cookie of its own
     * here, in place of the name.
     */
    public function open(Connection $c, ?Request $upgrade): ?Response
    {
        $room = $upgrade?->query['room'] ?? null;
        $name = $upgrade?->query['name'] ?? null;
        if ($upgrade?->path !== '/chat' || !is_string($room) || !isset(self::ROOMS[$room])) {
            return Response::text("There is no such room.\n", 404);
        }
        if (!self::isText($name, 24)) {
            return Response::text("A name has 1 to 24 characters.\n", 400);
        }
        $c->session['room'] = $room;
        $c->bindUid($name);
        $c->join(self::group($room));

        return null;
    }

    public function message(Connection $c, string $data): void
    {
        $message = json_decode($data, true);
        match ($message['type'] ?? null) {
            'hello' => $this->hello($c, (int) ($message['after'] ?? 0)),
            'say' => $this->say($c, $message['id'] ?? null, $message['text'] ?? null),
            default => $c->close(1008, 'expected {"type": "hello"} or {"type": "say"}'),
        };
    }

    /** The connection is gone from its room by now. */
    public function close(Connection $c, int $code): void
    {
        $this->tellWhoIsHere($c->session['room']);
    }

    /** Runs every half second in each worker: the first time, it has every page show that there is new code. */
    public function announce(): void
    {
        if (!$this->announced) {
            $this->announced = true;
            $this->worker->connections()
                ->sendToGroup(array_map(self::group(...), array_keys(self::ROOMS)), $this->json('generation'));
        }
    }

    /**
     * The first that a page says once it is connected, with the number of the last message that it has. It gets the
     * later ones, and misses none: by now it is in the room's group, so that whatever comes into the history from here
     * on is sent to it as well.
     */
    private function hello(Connection $c, int $after): void
    {
        $c->send($this->json('welcome', ['messages' => $this->history->after($c->session['room'], $after)]));
        $this->tellWhoIsHere($c->session['room']);
    }

    /** @param mixed $id made by the page, so that a message that comes twice is kept once */
    private function say(Connection $c, mixed $id, mixed $text): void
    {
        if (!is_string($id) || preg_match('/^[\w-]{1,64}$/D', $id) !== 1 || !self::isText($text, 500)) {
            $c->close(1008, 'a message has an id, and 1 to 500 characters');

            return;
        }
        $room = $c->session['room'];
        $generation = $this->worker->place()->generation;
        // The file knows nothing of "all or nothing". If this worker dies after the next line, another one gets the
        // event again: it finds the message kept and sends it.
        $message = $this->history->add($room,
            ['id' => $id, 'name' => $c->uid, 'text' => $text, 'generation' => $generation]);
        $this->worker->connections()->sendToGroup(self::group($room), $this->json('message', ['message' => $message]));
    }

    /**
     * Lists may overtake each other on the way from different workers. Each is at least as new as the time in it, so a
     * page goes by the one with the latest.
     */
    private function tellWhoIsHere(string $room): void
    {
        $at = intdiv(hrtime(true), 1000);
        $names = $this->worker->connections()->uids(self::group($room));
        natcasesort($names);
        $this->worker->connections()->sendToGroup(self::group($room),
            $this->json('here', ['at' => $at, 'names' => array_values($names)]));
    }

    /** @param array<string, mixed> $fields */
    private function json(string $type, array $fields = []): string
    {
        $fields = ['type' => $type, 'generation' => $this->worker->place()->generation,
            'greeting' => self::GREETING] + $fields;

        return json_encode($fields, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
    }

    private static function group(string $room): string
    {
        return "room:$room";
    }

    /** Whether it is so many characters of UTF-8 on one line, and not blanks alone. */
    private static function isText(mixed $text, int $longest): bool
    {
        return is_string($text) && preg_match("/^(?=.*\\S)[^\\p{Cc}]{1,$longest}$/Du", $text) === 1;
    }
}
