<?php

declare(strict_types=1);

namespace App;

use Symfony\Contracts\Service\ResetInterface;

/**
 * A service that keeps state for one request. The kernel lives on, and so does this object: Symfony calls reset()
 * between two requests.
 */
final class Journal implements ResetInterface
{
    /** @var list<string> */
    private array $entries = [];
    private int $resets = 0;

    public function add(string $entry): void
    {
        $this->entries[] = $entry;
    }

    /** @return list<string> */
    public function entries(): array
    {
        return $this->entries;
    }

    public function resets(): int
    {
        return $this->resets;
    }

    public function reset(): void
    {
        $this->entries = [];
        $this->resets++;
    }
}
