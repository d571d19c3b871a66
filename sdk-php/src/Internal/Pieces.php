<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal An answer that no frame takes comes in pieces, and is put together here (SPEC.md §10.4). Its twin is
 * protocol/pieces.go.
 */
final class Pieces
{
    /** The most bytes of frames that an answer may come in. */
    public const MOST = 268435456;
    /** What READY says of it. */
    public const FEATURE = 'pieces';

    /** @var list<mixed>|string|null null: none has come */
    private array|string|null $value = null;
    private int $size = 0;

    /** Whether a RESULT of this value may say that more of it follows. */
    public static function joinable(mixed $value): bool
    {
        return \is_string($value) || \is_array($value) && \array_is_list($value);
    }

    /**
     * Takes a RESULT of an answer, and says whether it is whole.
     *
     * @param list<mixed> $result
     * @param int         $size   of its payload
     *
     * @throws LinkError
     */
    public function add(array $result, int $size): bool
    {
        [, , , $value, , $more] = $result;
        if ($this->value === null) {
            if (!$more) {
                return true;
            }
            $this->value = \is_string($value) ? '' : [];
        }
        if (!self::joinable($value) || \is_string($value) !== \is_string($this->value)) {
            throw new LinkError('pieces of a RESULT that are all lists, or all bytes', \get_debug_type($value));
        }
        if (($this->size += $size) > self::MOST) {
            throw new LinkError('at most ' . self::MOST . ' bytes of a RESULT in pieces', 'more');
        }
        if (\is_string($value)) {
            $this->value .= $value;
        } else {
            foreach ($value as $element) {
                $this->value[] = $element;
            }
        }

        return !$more;
    }

    /** All of the answer, of which $last is the last piece. */
    public function value(mixed $last): mixed
    {
        return $this->value ?? $last;
    }
}
