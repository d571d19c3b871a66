<?php

declare(strict_types=1);

use WorkerHost\Bridge\Grpc\Code;
use WorkerHost\Bridge\Grpc\GrpcException;
use WorkerHost\Bridge\Grpc\Stream;
use Workerhost\Sums\V1\Division;
use Workerhost\Sums\V1\Number;

/** What sums.proto names: a call of each kind. */
final class Sums
{
    public function Divide(Division $in): Number
    {
        if ($in->getDivisor() === 0) {
            throw new GrpcException(Code::InvalidArgument, 'nothing can be divided by 0', [$in]);
        }

        return new Number(['value' => intdiv($in->getDividend(), $in->getDivisor())]);
    }

    public function Count(Number $in): iterable
    {
        for ($n = 1; $n <= $in->getValue(); $n++) {
            yield new Number(['value' => $n]);
        }
    }

    public function Add(#[Stream(Number::class)] iterable $in): Number
    {
        $sum = 0;
        foreach ($in as $number) {
            $sum += $number->getValue();
        }

        return new Number(['value' => $sum]);
    }

    public function Total(#[Stream(Number::class)] iterable $in): iterable
    {
        $sum = 0;
        foreach ($in as $number) {
            yield new Number(['value' => $sum += $number->getValue()]);
        }
    }
}
