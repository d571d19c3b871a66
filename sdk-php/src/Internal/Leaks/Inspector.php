<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Leaks;

use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Failure;
use WorkerHost\Internal\Printed;
use WorkerHost\Internal\Program;
use WorkerHost\Log;

/**
 * @internal Looks for state that one request leaves for the next. The host has the variable WORKERHOST_LEAKS set for
 * workers that are to look, repeats a safe request with the header X-Worker-Leaks: 1, then 2 and so on, and asks
 * for what was found with X-Worker-Leaks: report.
 *
 * The first repetition fills what the request before it has not, and shows which settings every request sets: those
 * that the request before it has changed are put back for it. The others are compared.
 */
final class Inspector
{
    public const VARIABLE = 'WORKERHOST_LEAKS';
    private const HEADER = 'x-worker-leaks';
    private const MOST_TARGETS = 1000;

    private readonly Roots $roots;
    private ?Series $series = null;
    /** The one before. */
    private ?Series $last = null;
    /** The request at hand, or the last one. */
    private string $request = '';
    /** The number of its repetition; 0 for a request that is none; null when there was none since the last look. */
    private ?int $run = null;
    /** How many output buffers it has left. */
    private int $buffers = 0;
    /** @var array<string, string> as the last look has found them */
    private array $surroundings;
    private int $memory = 0;
    /** @var array<string, array<string, array{?string, ?string}>> by request: what it has changed of them */
    private array $left = [];
    /** @var array<string, array{?string, ?string}> what was put back, to see whether the request sets it again */
    private array $tried = [];
    /** @var array<string, list<callable>> handlers that were taken off for the same reason */
    private array $taken = [];
    /** @var array<string, array<string, mixed>> what was found by now, besides that of the series */
    private array $findings = [];

    private function __construct(Program $program)
    {
        foreach (\glob(__DIR__ . '/*.php') ?: [] as $file) { // classes that come later would be seen
            \class_exists(__NAMESPACE__ . '\\' . \basename($file, '.php'));
        }
        $this->roots = new Roots([
            'onRequest' => $program->handler, 'onOpen' => $program->events->open,
            'onMessage' => $program->events->message, 'onClose' => $program->events->close,
            'onBuffer' => $program->events->buffer, 'onStop' => $program->stoppers,
        ]);
        $this->surroundings = Surroundings::read();
    }

    /** One for the program, if the host wants leaks looked for; null otherwise. */
    public static function wanted(Program $program): ?self
    {
        \putenv(self::VARIABLE);
        unset($_ENV[self::VARIABLE], $_SERVER[self::VARIABLE]);

        return $program->handler === null ? null : new self($program);
    }

    /**
     * The handler, with what there is to do before and after it.
     *
     * @param callable(Request): mixed $handler
     *
     * @return \Closure(Request): mixed
     */
    public function around(callable $handler): \Closure
    {
        return function (Request $request) use ($handler): mixed {
            $word = $request->header(self::HEADER);
            if ($word === 'report') {
                return Response::json($this->report("$request->method $request->target"));
            }
            $this->request = "$request->method $request->target";
            $this->run = (int) $word;
            if ($this->run === 1) {
                $this->putBack();
            }
            $level = Printed::level();
            $result = $handler($request);
            $this->buffers = Printed::level() - $level;

            return $result;
        };
    }

    /** Before the next message is waited for: looks at what the last request has left. */
    public function look(): void
    {
        if ($this->run === null) {
            return;
        }
        try {
            $this->compare($this->run);
        } catch (\Throwable $e) {
            Log::warn('leaks can not be looked for: ' . Failure::summary($e), ['trace' => (string) $e]);
            $this->series = null;
        }
        $this->run = null;
        $this->buffers = 0;
        \gc_collect_cycles();
        $this->memory = \memory_get_usage();
    }

    private function compare(int $run): void
    {
        \gc_collect_cycles();
        $kept = \memory_get_usage() - $this->memory;
        $now = Surroundings::read();
        $changes = Surroundings::changes($this->surroundings, $now);
        if ($run === 0) {
            $this->left[$this->request] = $changes + ($this->left[$this->request] ?? []);
            if (\count($this->left) > self::MOST_TARGETS) {
                \array_shift($this->left);
            }
            $this->series?->renew();
        } elseif ($run === 1) {
            $now = $this->judge($now);
            $this->series = new Series($this->roots, $this->request);
            $this->series->start($this->last);
            $this->last = null;
        } elseif ($this->series !== null) {
            $this->series->compare($changes, $kept);
        }
        if ($run > 0) {
            $this->note($this->series?->transactions() ?? []);
        }
        if ($this->buffers > 0) {
            $this->note([Series::finding('changes', 'buffer', 'output buffers',
                "$this->buffers left open; it is ended for the request", '', '',
                (new Places())->where('\bob_start\s*\('))]);
        }
        $this->surroundings = $now;
    }

    /** Before the first repetition: what the request has changed is as it was before. */
    private function putBack(): void
    {
        $this->tried = $this->left[$this->request] ?? [];
        unset($this->left[$this->request]);
        foreach ($this->tried as $name => [$before]) {
            if (\in_array($name, Handlers::KINDS, true)) {
                $this->taken[$name] = Handlers::unstack($name, (string) $before);
            } else {
                Surroundings::write($name, $before);
            }
        }
        $now = Surroundings::read();
        foreach ($this->tried as $name => [$before]) {
            if (($now[$name] ?? null) !== $before) {
                unset($this->tried[$name]); // it can't be put back, so nobody knows
                Handlers::restack($name, $this->taken[$name] ?? []);
            }
        }
    }

    /**
     * After the first repetition: what it has set once more every request sets. The rest was set once and for all, as
     * by a framework that boots with the first request, and is set so again.
     *
     * @param array<string, string> $now
     *
     * @return array<string, string> the surroundings then
     */
    private function judge(array $now): array
    {
        $places = new Places();
        foreach ($this->tried as $name => [$before, $after]) {
            $is = $now[$name] ?? null;
            if ($is !== $before) {
                $this->note([Series::finding('left', 'setting', $name, Surroundings::shown($name, [$before, $is])
                    . ', and not set back', '', '', Surroundings::places($places, $name, $is))]);
            } elseif (isset($this->taken[$name])) {
                Handlers::restack($name, $this->taken[$name]);
            } else {
                Surroundings::write($name, $after);
            }
        }
        $this->tried = $this->taken = [];

        return Surroundings::read();
    }

    /** @param list<array<string, mixed>> $findings */
    private function note(array $findings): void
    {
        foreach ($findings as $finding) {
            $this->findings["$finding[kind] $finding[path]"] ??= $finding;
        }
    }

    /** What was found of the series, which ends. @return array<string, mixed> */
    private function report(string $request): array
    {
        $this->note($this->series?->findings() ?? []);
        $report = [
            'request' => $request, 'runs' => $this->series?->runs ?? 0,
            'incomplete' => $this->series?->isCut() ?? false, 'findings' => \array_values($this->findings),
        ];
        [$this->last, $this->series] = [$this->series, null];
        $this->findings = [];

        return $report;
    }
}
