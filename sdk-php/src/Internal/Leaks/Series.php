<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Leaks;

/**
 * @internal The same request, run several times: what grows or changes with each of them. What does so once only, as a
 * cache does that fills, is none of it.
 */
final class Series
{
    /** The fewest bytes of memory that each run has to keep: applications without a leak keep none. */
    private const LEAST = 48;
    private const MOST_FINDINGS = 50;
    /** Lists of PHP's own, whose newest element is shown as it is. */
    private const LISTS = ['open files and streams', 'open descriptors', 'declared classes', 'declared functions',
        'constants', 'loaded files', 'autoloaders', 'libxml errors'];

    /** How many runs were compared. */
    public int $runs = 0;
    /** @var array<int, int> prints by key, as the last run left them */
    private array $prints = [];
    /** @var array<int, int> what each run has made grow: its size before the first of them */
    private array $grown = [];
    /** @var array<int, true> what each run has changed */
    private array $changed = [];
    /** @var array<string, array{?string, ?string}> likewise, of the surroundings: the last change */
    private array $set = [];
    /** @var list<int> bytes that each run has kept */
    private array $kept = [];
    private bool $cut = false;
    /** The request before, of another page. */
    private string $last = '';
    /** @var array<int, int> what was not the same after that: its print then */
    private array $differs = [];
    /** @var list<array{string, string, string}> path, class and property of each PDO in a transaction */
    private array $transactions = [];

    /** One of a request, "GET /", that has not been started. */
    public function __construct(private readonly Roots $roots, public readonly string $request)
    {
    }

    /**
     * Takes down what there is before the first run.
     *
     * @param self|null $last the series of the request before, which is over
     */
    public function start(?self $last = null): void
    {
        $this->prints = $this->take();
        if ($last === null || $last->request === $this->request) {
            return;
        }
        $this->last = $last->request;
        $nothing = Value::nothing();
        foreach ($last->prints as $key => $before) {
            if (($this->prints[$key] ?? $before) !== $before && !isset($last->changed[$key])
                && !\in_array($before, $nothing, true)) {
                $this->differs[$key] = $before;
            }
        }
    }

    /** Takes down anew what there is, since others have had their requests meanwhile. */
    public function renew(): void
    {
        $this->prints = $this->take();
    }

    /**
     * Takes down what a run has left.
     *
     * @param array<string, array{?string, ?string}> $set  what it has changed of the surroundings
     * @param int                                    $kept how many bytes of memory it has kept
     */
    public function compare(array $set, int $kept): void
    {
        $first = $this->runs++ === 0;
        $grown = $changed = [];
        $prints = $this->take();
        foreach ($first ? $this->prints : $this->grown + $this->changed as $key => $_) {
            $before = $this->prints[$key] ?? null;
            $after = $prints[$key] ?? null;
            if ($before === $after || $before === null || $after === null) {
                continue;
            }
            $changed[$key] = true;
            if (Value::size($after) > Value::size($before) && ($first || isset($this->grown[$key]))) {
                $grown[$key] = $this->grown[$key] ?? Value::size($before);
            }
        }
        [$this->grown, $this->changed, $this->prints] = [$grown, $changed, $prints];
        $this->set = $first ? $set : \array_intersect_key($set, $this->set);
        $this->kept[] = $kept;
    }

    /** @return array<int, int> prints by key */
    private function take(): array
    {
        $prints = [];
        $walk = Walk::over($this->everything(), static function (Value $value) use (&$prints): void {
            $prints[$value->key()] = $value->print();
        });
        [$this->cut, $this->transactions] = [$walk->cut, $walk->transactions];

        return $prints;
    }

    /** @return \Generator<array{string, mixed, string, string}> */
    private function everything(): \Generator
    {
        yield from $this->roots->all();
        yield ['open files and streams', self::streams(), '', ''];
        yield ['open descriptors', @\scandir('/proc/self/fd') ?: [], '', ''];
        yield ['declared classes', \get_declared_classes(), '', ''];
        yield ['declared functions', \get_defined_functions()['user'], '', ''];
        yield ['constants', \array_keys(\get_defined_constants(true)['user'] ?? []), '', ''];
        yield ['loaded files', \get_included_files(), '', ''];
        yield ['autoloaders', \spl_autoload_functions(), '', ''];
        if (\function_exists('libxml_get_errors')) {
            $errors = \array_map(static fn (\LibXMLError $e): string => \trim($e->message), \libxml_get_errors());
            yield ['libxml errors', $errors, '', ''];
        }
    }

    /** @return array<int, string> */
    private static function streams(): array
    {
        $all = [];
        foreach (\get_resources() as $id => $resource) {
            $type = \get_resource_type($resource);
            $all[$id] = $type;
            if (\str_ends_with($type, 'stream')) {
                $meta = \stream_get_meta_data($resource);
                // a URL may have a password in it, or a token
                $name = \preg_replace(['~//[^/@]*@~', '~(://[^?]*)\?.*~s'], ['//', '$1?…'],
                    $meta['uri'] ?? $meta['stream_type']);
                $all[$id] = "$name, mode {$meta['mode']}";
            }
        }

        return $all;
    }

    /** Which PDO connections the last run has left in a transaction. @return list<array<string, mixed>> findings */
    public function transactions(): array
    {
        $places = $this->transactions === [] ? [] : (new Places())->where('->\s*beginTransaction\s*\(');

        return \array_map(static fn (array $at): array => self::finding('left', 'transaction', $at[0],
            'a PDO connection is in a transaction', $at[1], $at[2], $places), $this->transactions);
    }

    /** What every run has made grow, and what every run has changed. @return list<array<string, mixed>> */
    public function findings(): array
    {
        if ($this->runs === 0) {
            return [];
        }
        $places = new Places();
        $findings = $notes = [];
        foreach ($this->set as $name => $change) {
            $findings[] = self::finding('left', 'setting', $name, Surroundings::shown($name, $change)
                . ', by each request anew', '', '', Surroundings::places($places, $name, $change[1]));
        }
        Walk::over($this->everything(), function (Value $value, mixed $within)
            use (&$findings, &$notes, $places): ?bool {
            $key = $value->key();
            if (isset($this->grown[$key])) {
                $findings[$value->path] = $this->growth($value, $this->grown[$key], $places);
            } elseif (isset($this->changed[$key])) {
                if ($within === null && !\in_array($value->path, self::LISTS, true)) {
                    $notes[] = self::finding('changes', 'value', $value->path,
                        (\is_object($value->value) ? 'replaced' : 'changed') . ' by each request: '
                        . $value->kind(), $value->class, $value->property, $places->of($value));
                }

                return true;
            } elseif (isset($this->differs[$key])) {
                // an array with more in it is a cache
                if ($within === null && !\in_array($value->path, self::LISTS, true) && (!\is_array($value->value)
                    || Value::size($value->print()) <= Value::size($this->differs[$key]))) {
                    $notes[] = self::finding('changes', 'value', $value->path, "not as {$this->last} has left it: "
                        . $value->kind(), $value->class, $value->property, $places->of($value));
                }

                return true;
            }

            return $within;
        });
        if (isset($findings['open files and streams'])) {
            unset($findings['open descriptors']); // the same once more
        }
        $least = \min($this->kept);
        if ($least >= self::LEAST) {
            $hidden = !\in_array('grows', \array_column($findings, 'rank'), true);
            $why = $hidden ? '; what holds it is out of sight: shutdown functions, handlers below others, '
                . 'what extensions keep' : '';
            $findings[] = self::finding('grows', 'memory', 'memory', self::bytes($least)
                . " more after each request$why", '', '',
                $hidden ? $places->where('\bregister_shutdown_function\s*\(') : []);
        }

        return \array_slice([...\array_values($findings), ...$notes], 0, self::MOST_FINDINGS);
    }

    /** Whether there was more than is looked at. */
    public function isCut(): bool
    {
        return $this->cut;
    }

    /** @return array<string, mixed> */
    private function growth(Value $value, int $before, Places $places): array
    {
        $now = Value::size($value->print());
        $each = \intdiv($now - $before, $this->runs);
        $list = \in_array($value->path, self::LISTS, true);
        $what = \is_string($value->value) ? \sprintf('%s more after each request', self::bytes($each))
            : \sprintf('%s%d more after each request (%d → %d)',
                ($now - $before) % $this->runs === 0 ? '' : 'about ', $each, $before, $now);
        $newest = $list ? $value->value[\array_key_last($value->value)] : $value->newest();
        $found = match ($value->path) {
            'open files and streams' => $places->where('\b(?:fopen|opendir|popen|proc_open|tmpfile|f?sockopen'
                . '|stream_socket_\w+)\s*\(|\bnew\s+\\\\?Spl(?:Temp)?FileObject\b'),
            'autoloaders' => $places->where('\bspl_autoload_register\s*\('),
            'libxml errors' => $places->where('\blibxml_use_internal_errors\s*\('),
            'constants' => $places->where('\bdefine\s*\('),
            default => $places->of($value),
        };
        if (\is_string($newest) && $newest !== '' && \strlen($newest) < 300) {
            $what .= ", the newest: $newest";
        }

        return self::finding('grows', $list ? 'list' : 'value', $value->path, $what, $value->class, $value->property,
            $found) + ['before' => $before, 'after' => $now];
    }

    private static function bytes(int $count): string
    {
        return match (true) {
            $count >= 1 << 20 => \round($count / (1 << 20), 1) . ' MB',
            $count >= 1 << 10 => \round($count / (1 << 10), 1) . ' KB',
            default => "$count bytes",
        };
    }

    /**
     * @param 'grows'|'left'|'changes' $rank
     * @param list<string>             $places
     *
     * @return array<string, mixed>
     */
    public static function finding(string $rank, string $kind, string $path, string $what, string $class = '',
        string $property = '', array $places = []): array
    {
        $path = \preg_replace('~\0[^\s:]*~', '', $path); // where an anonymous class stands
        $path = \strlen($path) > 300 ? \substr($path, 0, 300) . '…' : $path;

        return ['rank' => $rank, 'kind' => $kind, 'path' => self::text($path),
            'class' => self::text(\preg_replace('~\0.*~s', '', $class)), 'property' => self::text($property),
            'what' => self::text($what), 'places' => \array_map(self::text(...), $places)];
    }

    /** Fit for a log and for JSON: a key may be any bytes. */
    private static function text(string $bytes): string
    {
        $json = (string) \json_encode($bytes, \JSON_INVALID_UTF8_SUBSTITUTE);

        return \preg_replace('/[\x00-\x1f\x7f]/', '?', \json_decode($json));
    }
}
