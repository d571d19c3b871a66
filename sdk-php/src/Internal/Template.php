<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal A process that loads the code once, and from which the workers are forked (SPEC.md §14): what it says to
 * the host, and what a child of it says.
 */
final class Template
{
    private const VARIABLE = 'WORKERHOST_FORK';
    private const NEEDED = ['pcntl_fork', 'pcntl_waitpid', 'posix_kill', 'stream_socket_client'];

    /** Whether this process was forked from it, and is a worker. */
    private bool $forked = false;

    /**
     * @param resource $control to the host
     * @param string   $name    of the link that it boots on
     */
    private function __construct(private readonly string $folder, private readonly string $name, private $control)
    {
    }

    /**
     * This process as a template, if the host has started it as one.
     *
     * @throws LinkError
     */
    public static function find(): ?self
    {
        $announced = \getenv(self::VARIABLE);
        if ($announced === false) {
            return null;
        }
        \putenv(self::VARIABLE);
        unset($_ENV[self::VARIABLE], $_SERVER[self::VARIABLE]);
        foreach (self::NEEDED as $function) {
            if (!\function_exists($function)) {
                Process::complain("fork = true needs PHP's $function(): install the extensions pcntl and posix, and "
                    . 'see that disable_functions leaves it there');
                exit(1);
            }
        }
        $folder = \dirname($announced);
        $control = self::dial($folder);
        \fwrite($control, "template\n");

        return new self($folder, \basename($announced), $control);
    }

    /**
     * The link that it boots on.
     *
     * @return array{resource, resource} to read from and to write to
     *
     * @throws LinkError
     */
    public function pipes(): array
    {
        return $this->open($this->name);
    }

    /** What the process has open that it must not share with its children, and what to do; '' for nothing. */
    public function unfit(): string
    {
        return Inheritance::found($this->folder, $this->control);
    }

    /**
     * Forks whenever the host says so, and returns in each child, and at the end.
     *
     * @param Link $link that it boots on: the first child's
     *
     * @return bool|null in a child, whether it has a link of its own, on which HELLO comes; null: this is the
     *                   template, which has nothing left to do but to end
     */
    public function serve(Link $link): ?bool
    {
        \gc_collect_cycles();
        \gc_mem_caches();
        \fwrite($this->control, "ready\n");
        while (($name = $this->order()) !== null) {
            if ($name !== $this->name) {
                $link->close();
            }
            $between = \pcntl_fork();
            if ($between === 0) {
                // The one in between ends, so that the child becomes the host's own.
                $child = \pcntl_fork();
                if ($child === 0) {
                    $this->become($name, $link);

                    return $name !== $this->name;
                }
                if ($child === -1) {
                    $this->tell("failed $name " . \pcntl_strerror(\pcntl_get_last_error()));
                }
                self::vanish();
            }
            if ($between === -1) {
                $this->tell("failed $name " . \pcntl_strerror(\pcntl_get_last_error()));
                continue;
            }
            $link->close();
            while (\pcntl_waitpid($between, $status) === -1 && \pcntl_get_last_error() === \PCNTL_EINTR);
            $this->tell("forked $name");
        }
        $link->close();

        return null;
    }

    /** The link that is to be forked for; null at the end. */
    private function order(): ?string
    {
        for (;;) {
            $read = [$this->control];
            $write = $except = null;
            if (@\stream_select($read, $write, $except, null) !== 1) { // a signal has cut it short
                continue;
            }
            $line = \fgets($this->control);
            if ($line === false) {
                return null;
            }
            if (\str_starts_with($line, 'fork ')) {
                return \rtrim(\substr($line, 5));
            }
        }
    }

    private function tell(string $line): void
    {
        @\fwrite($this->control, "$line\n");
    }

    /** The child's first steps: the host has to know it before it does anything. */
    private function become(string $name, Link $link): void
    {
        $this->forked = true;
        $template = $this->control;
        try {
            $this->control = self::dial($this->folder);
            $this->tell("child $name");
            if (\fgets($this->control) !== "go\n") {
                self::vanish(); // it is wanted no more
            }
            if ($name !== $this->name) {
                $link->reopen(...$this->open($name));
            }
            $this->tell('open');
        } catch (LinkError $e) {
            @\fwrite($template, "failed $name {$e->getMessage()}\n");
            self::vanish();
        }
        \fclose($template);
        \mt_srand(\random_int(0, 0x7FFFFFFF)); // else all children would draw the same numbers
    }

    /** Whether this process is a worker that was forked, which ends by finish(). */
    public function isChild(): bool
    {
        return $this->forked;
    }

    /**
     * Ends this child, at once: PHP would run the template's shutdown functions and destructors first, and undo what
     * the other children need.
     */
    public function finish(int $status): never
    {
        $this->tell("end $status");
        self::vanish();
    }

    private static function vanish(): never
    {
        \posix_kill((int) \getmypid(), \SIGKILL);
        exit(1); // never
    }

    /** @return resource */
    private static function dial(string $folder)
    {
        return @\stream_socket_client("unix://$folder/control", $code, $error)
            ?: throw new LinkError('the host at its socket', $error);
    }

    /** @return array{resource, resource} */
    private function open(string $name): array
    {
        return [$this->pipe("$name.in", 'rb'), $this->pipe("$name.out", 'wb')];
    }

    /**
     * A pipe by its name. Of what PHP has opened as a file it reads on until it has all that was asked for, and of a
     * descriptor's copy what is there.
     *
     * @return resource
     */
    private function pipe(string $name, string $mode)
    {
        $path = "$this->folder/$name";
        $file = @\fopen($path, $mode);
        foreach ($file === false ? [] : \scandir('/proc/self/fd') as $number) {
            if (@\readlink("/proc/self/fd/$number") === $path && ($pipe = @\fopen("php://fd/$number", $mode))) {
                \fclose($file);

                return $pipe;
            }
        }
        throw new LinkError("to open $path", \error_get_last()['message'] ?? 'nothing at its place');
    }
}
