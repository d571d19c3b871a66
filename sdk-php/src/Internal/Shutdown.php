<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Log;

/** @internal PHP's shutdown: what the host is told where exit() or a fatal error has cut code off. */
final class Shutdown
{
    /** Given back when memory has run out, so that the client still gets an answer. */
    private ?string $reserve;

    public function __construct(private readonly Loop $loop, private readonly Link $link)
    {
        $this->reserve = \str_repeat("\0", 65536);
    }

    /**
     * Runs at PHP's shutdown. Where code was cut off by exit() or a fatal error it still gives the host its answer, so
     * that nobody tries the request again. Of an event it says nothing: the host takes it for a death, and has another
     * worker handle it once more (SPEC.md §9.8).
     *
     * @param bool $last whether this is the very end. Where what the code prints is the body, exit() is a way to end
     *     it,
     *                   and what shutdown functions and destructors print is part of it
     */
    public function run(bool $last = false): void
    {
        if (Process::isChild()) {
            return;
        }
        $this->loop->ends();
        $error = \error_get_last();
        $fatal = $error !== null && ($error['type'] & (
            \E_ERROR | \E_PARSE | \E_CORE_ERROR | \E_COMPILE_ERROR | \E_USER_ERROR)) !== 0;
        $later = $this->tell($last, $fatal, $error);
        if ($last) {
            $this->loop->finish($fatal ? 255 : 0);
        } elseif (!$later) { // behind what the code has registered, which belongs to its answer
            \register_shutdown_function(fn () => $this->loop->finish($fatal ? 255 : 0));
        }
    }

    /**
     * @param array{type: int, message: string, file: string, line: int}|null $error
     *
     * @return bool whether it is to be called once more, at the very end
     */
    private function tell(bool $last, bool $fatal, ?array $error): bool
    {
        if (!$this->loop->isBooting()) {
            $this->link->end(); // first of all, since the code's own shutdown functions may take a while
        }
        if (!$this->loop->isBusy()) {
            return false; // nothing is cut off
        }
        $requests = $this->loop->requests();
        $request = $requests?->request;
        $this->reserve = null;
        if (\ini_get('memory_limit') !== '-1') {
            \ini_set('memory_limit', (string) (\memory_get_usage(true) + 16777216));
        }
        $what = $fatal ? "{$error['message']} in {$error['file']}:{$error['line']}" : 'the code called exit()';
        if ($this->loop->isBooting()) {
            $this->link->send([Frame::FAILED, 0, $fatal ? $what : $this->loop->unready(), '']);

            return false;
        }
        $exited = !$fatal && $requests?->prints() === true;
        if ($exited && !$last && Printed::atEnd(fn () => $this->run(true))) {
            return true;
        }
        Printed::release();
        $event = $this->loop->takeEvent();
        $connection = $event === null ? [] : Events::whose($event);
        Log::error(
            $fatal ? "this worker ends: $what"
                : "this worker ends: $what, which ends the whole process; return from the handler instead",
            match (true) {
                $request !== null => ['method' => $request->method, 'target' => $request->target],
                $event !== null => ['event' => Message::name($event[0]), 'connection' => $connection[0],
                    'remote' => $connection[2]],
                $this->loop->others() > 0 => [],
                default => ['in' => 'every()'],
            } + ($this->loop->others() > 0 ? ['others' => $this->loop->others()] : [])
                + ($fatal || ($exits = Exits::text()) === '' ? [] : ['exit_stands_at' => $exits]),
        );
        if ($exited && $last) {
            $requests->exited();
        } elseif ($request !== null) {
            $requests->cutOff($what);
        }

        return false;
    }
}
