<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Connections;
use WorkerHost\Http\ServerSentEvent;
use WorkerHost\Log;
use WorkerHost\Worker;

/**
 * @internal FrankenPHP's worker API (franken.php): the script keeps the global scope and its own loop, and each
 * frankenphp_handle_request() takes one request of ours. The first one says READY, so all that the script does before
 * it is its boot.
 */
final class Franken
{
    private static Program $program;
    private static Loop $loop;
    private static Connections $connections;
    private static bool $ready = false;
    /** Whether nothing more will come. */
    private static bool $over = false;
    /** @var (callable(): mixed)|null what answers the request at hand */
    private static $callback = null;

    /** Before the script: takes the host's HELLO. */
    public static function start(): void
    {
        $_SERVER['FRANKENPHP_WORKER'] = '1';
        $_SERVER['REQUEST_METHOD'] = 'GET'; // it boots in a request of nobody's, so code that asks sees no console
        $_SERVER['QUERY_STRING'] = '';
        self::$program = $program = new Program();
        $program->capture();
        $program->wantsInput = true;
        $program->unready = 'the script ended before it called frankenphp_handle_request()';
        $program->handler = static function (): void {
            (self::$callback)();
        };
        self::$connections = new Connections($program->acts);
        try {
            $sdk = 'php/' . Worker::VERSION . ' (PHP ' . \PHP_VERSION . ", FrankenPHP's API)";
            self::$loop = Loop::connect($program, $sdk) ?? throw new LinkError('a host at the other end', 'none');
        } catch (LinkError $e) {
            Process::complain($e->getMessage());
            exit(1);
        }
        Sapi::change();
        \register_shutdown_function(self::end(...));
    }

    /** What a bridge adds timers to, and learns the worker's place from. */
    public static function program(): Program
    {
        return self::$program;
    }

    /** Before the first frankenphp_handle_request(): the host hears why this worker does not boot, and it ends. */
    public static function refuse(\Throwable $e): never
    {
        self::$loop->refuse($e);
    }

    /**
     * As frankenphp_handle_request(): waits for a request, and answers it with what $callback prints.
     *
     * @param callable(): mixed $callback what it returns is of no interest; what it throws is logged, and the client
     *                                    gets a 500
     *
     * @return bool false once there will be no more, and the script is to end
     */
    public static function handle(callable $callback): bool
    {
        if (self::$callback !== null) {
            throw new \Error('frankenphp_handle_request() was called by what it has called');
        }
        self::$callback = $callback;
        try {
            if (!self::$ready) {
                self::$ready = true;
                self::$loop->boot();
            }
            while (!self::$over) {
                $type = self::$loop->step();
                self::$over = $type === null;
                if ($type === Frame::REQUEST) {
                    return true;
                }
            }

            return false;
        } catch (LinkError $e) {
            self::$loop->abandon();
            Process::complain($e->getMessage());
            exit(1);
        } finally {
            self::$callback = null;
        }
    }

    /** The script has come to its end, or called exit(). */
    private static function end(): void
    {
        if (!self::$ready || Process::isChild() || self::$loop->isBusy()) {
            return; // that Shutdown sees to
        }
        try {
            self::$loop->leave();
        } catch (LinkError) {
            // The host knows, or is gone.
        }
        self::$loop->finish(0);
    }

    /** As frankenphp_log(). @param array<string, mixed> $context */
    public static function log(string $message, int $level, array $context): void
    {
        match (true) {
            $level >= 8 => Log::error($message, $context),
            $level >= 4 => Log::warn($message, $context),
            $level >= 0 => Log::info($message, $context),
            default => Log::debug($message, $context),
        };
    }

    /**
     * As mercure_publish(): a topic is a group of connections here, and whoever is in several of them gets it once.
     *
     * @param string|list<string> $topics
     *
     * @return string the id of the event
     */
    public static function publish(string|array $topics, string $data, ?string $id, ?string $type, ?int $retry): string
    {
        $id ??= 'urn:uuid:' . \vsprintf('%s%s-%s-%s-%s-%s%s%s', \str_split(\bin2hex(\random_bytes(16)), 4));
        self::$connections->sendToGroup($topics, new ServerSentEvent($data, (string) $type, $id, $retry), now: true);

        return $id;
    }
}
