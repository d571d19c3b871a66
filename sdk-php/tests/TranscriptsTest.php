<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;
use WorkerHost\Tests\Support\Transcript;

/** The worker's end of protocol/vectors/transcripts, whose README.md has the program. */
final class TranscriptsTest extends TestCase
{
    private const PROGRAM = <<<'PHP'
        $worker = Worker::create();
        $worker->onRequest(function (Request $request) use ($worker) {
            switch ($request->target) {
                case '/hello': return 'Hello, World!';
                case '/echo': return $request->body();
                case '/send': $worker->connections()->sendToAll('sent'); return 'asked';
                case '/ids': try {
                    return implode(' ', $worker->connections()->ids());
                } catch (CallFailed $e) {
                    return "code {$e->getCode()}";
                }
                case '/throw': $worker->connections()->sendToAll('lost'); throw new RuntimeException('thrown');
                case '/break': return Response::stream(function () { yield 'first'; throw new RuntimeException('x'); });
            }
        });
        $worker->onOpen(function () {});
        $worker->onMessage(function (Connection $connection, string $text) {
            $connection->send($text === 'throw' ? 'lost' : $text);
            if ($text === 'throw') {
                throw new RuntimeException('thrown');
            }
        });
        $worker->onClose(function () {});
        $worker->run();
        PHP;

    /** @return iterable<string, array{Transcript}> */
    public static function transcripts(): iterable
    {
        foreach (Transcript::all() as $transcript) {
            if ($transcript->for !== 'host') {
                yield $transcript->name => [$transcript];
            }
        }
    }

    /** @dataProvider transcripts */
    public function testTheWorkerKeepsToTheTranscript(Transcript $transcript): void
    {
        $host = FakeHost::serving(self::PROGRAM);
        $ends = 'exit 0';
        $done = []; // by an act's flag, and not shown yet
        foreach ($transcript->lines as [$number, $kind, $text, $frame]) {
            $place = "{$transcript->name}.txt:$number: $text";
            if ($kind === '>' && $frame !== null) {
                $host->send($frame);
            } elseif ($kind === '>' && $text === 'end') {
                $host->endInput();
            } elseif ($frame !== null && $frame[0] === Frame::DONE && isset($done[$frame[1]])) {
                unset($done[$frame[1]]);
            } elseif ($kind === '<' && $frame !== null) {
                $message = match ($frame[0]) {
                    Frame::READY => $host->ready,
                    Frame::LOG => $host->nextLog(),
                    default => $host->next(),
                };
                $isAct = $frame[0] === $message[0] && $frame[0] >= Frame::SEND && $frame[0] <= Frame::ACCEPT;
                if ($isAct && $message[2] === ($frame[2] | Frame::FLAG_DONE) && $message[2] !== $frame[2]) {
                    $done[$message[1]] = true;
                    $message[2] = $frame[2];
                }
                $got = json_encode($message, \JSON_PARTIAL_OUTPUT_ON_ERROR);
                self::assertTrue(Transcript::fits($frame, $message), "$place\ngot $got\n" . $host->log());
            } elseif ($kind === '<') {
                self::assertSame([], $host->next(), $place);
                $ends = $text;
            }
        }
        self::assertSame($ends, 'exit ' . $host->end(), $host->log());
    }
}
