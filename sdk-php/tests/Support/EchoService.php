<?php

declare(strict_types=1);

namespace WorkerHost\Tests\Support;

use Google\Protobuf\StringValue;
use WorkerHost\Bridge\Grpc\Code;
use WorkerHost\Bridge\Grpc\Context;
use WorkerHost\Bridge\Grpc\GrpcException;
use WorkerHost\Bridge\Grpc\Stream;

/** A service of gRPC with methods of all kinds. */
final class EchoService
{
    public function Say(StringValue $in): StringValue
    {
        return new StringValue(['value' => $in->getValue() . '!']);
    }

    public function Many(StringValue $in): \Generator
    {
        for ($i = 0; $i < 3; $i++) {
            yield new StringValue(['value' => $i . $in->getValue()]);
        }
    }

    public function Gather(#[Stream(StringValue::class)] iterable $in): StringValue
    {
        $texts = [];
        foreach ($in as $one) {
            $texts[] = $one->getValue();
        }

        return new StringValue(['value' => implode(',', $texts)]);
    }

    public function Chat(#[Stream(StringValue::class)] \Traversable $in, Context $call): iterable
    {
        foreach ($in as $one) {
            yield new StringValue(['value' => 're:' . $one->getValue()]);
        }
    }

    public function Refuse(StringValue $in, Context $call): StringValue
    {
        $call->trailer('t', 't1');
        throw new GrpcException(Code::FailedPrecondition, "not now: é, % and \n", [$in]);
    }

    public function Meta(StringValue $in, Context $call): StringValue
    {
        $call->header('A', '1');
        $call->header('a', '2');
        $call->header('raw-bin', "\x00\xff");
        $call->trailer('t-bin', "\x01\x02");
        $bytes = array_map('bin2hex', $call->metadata('b-bin'));

        return new StringValue(['value' => implode('|', [implode(',', $call->metadata('K')), implode(',', $bytes),
            $call->service, $call->method, (string) ceil($call->timeLeft() ?? 0)])]);
    }

    /** None of gRPC's. */
    public function helper(string $text): string
    {
        return $text;
    }
}
