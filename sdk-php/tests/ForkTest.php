<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Inheritance;

/**
 * A template and its children (SPEC.md §14), with the host's end by hand.
 *
 * @requires extension pcntl
 * @requires extension posix
 * @requires OS Linux
 */
final class ForkTest extends TestCase
{
    private string $folder;
    private Codec $codec;
    /** @var resource */
    private $socket;
    /** @var resource|null */
    private $process = null;

    protected function setUp(): void
    {
        $this->codec = new Codec(false);
        $this->folder = \sys_get_temp_dir() . '/workerhost-fork-' . \bin2hex(\random_bytes(6));
        \mkdir($this->folder, 0700);
        $this->socket = \stream_socket_server("unix://$this->folder/control");
    }

    protected function tearDown(): void
    {
        if ($this->process !== null) {
            \proc_terminate($this->process, \SIGKILL);
            \proc_close($this->process);
        }
        \fclose($this->socket);
        \array_map(\unlink(...), \glob("$this->folder/*"));
        \rmdir($this->folder);
    }

    public function testEachChildServesOnItsOwnLinkAndUndoesNothingOfTheTemplates(): void
    {
        $first = $this->link('first');
        $template = $this->start('register_shutdown_function(fn () => file_put_contents($_SERVER["LOG"], "undone", 8));
            $w = WorkerHost\Worker::create(); $w->onStart(function () { mt_rand(); echo "once"; })
            ->onFork(fn () => file_put_contents($_SERVER["LOG"], getmypid() . " ", 8))
            ->onRequest(fn () => $w->place()->slot . " " . mt_rand())->run(); echo "returned";');
        self::assertSame("template\n", \fgets($template));
        $this->hello($first, 0);
        self::assertSame("ready\n", \fgets($template));
        $second = $this->link('second');
        $answers = [];
        foreach (['first' => [$first, 0], 'second' => [$second, 7]] as $name => [$link, $slot]) {
            \fwrite($template, "fork $name\n");
            $child = $this->accept();
            self::assertSame("child $name\n", \fgets($child));
            self::assertSame("forked $name\n", \fgets($template));
            if ($slot !== 0) {
                $this->hello($link, $slot);
            }
            \fwrite($child, "go\n");
            self::assertSame("open\n", \fgets($child));
            $children[$name] = [$child, $link];
        }
        foreach ($children as $name => [$child, $link]) {
            $said = $this->read($link, Frame::READY);
            self::assertStringStartsWith(Frame::MAGIC, $link->bytes);
            \fwrite($link->to, $this->codec->frame([Frame::REQUEST, 1, 1, 'GET', '/', '1.1', 'http', 'here',
                '192.0.2.1:5', []]));
            $answers[$name] = $this->read($link, Frame::RESPONSE)[5];
            self::assertStringContainsString("$said[3] ", (string) \file_get_contents("$this->folder/log"));
            \fwrite($link->to, $this->codec->frame([Frame::DRAIN, 0, 0]));
            self::assertSame("end 0\n", \fgets($child));
            self::assertFalse(\fgets($child));
        }
        self::assertStringStartsWith('0 ', $answers['first']);
        self::assertStringStartsWith('7 ', $answers['second']);
        self::assertNotSame(\substr($answers['first'], 2), \substr($answers['second'], 2));
        self::assertStringNotContainsString('undone', (string) \file_get_contents("$this->folder/log"));
        self::assertStringNotContainsString('returned', (string) \file_get_contents("$this->folder/log"));
        \stream_socket_shutdown($template, \STREAM_SHUT_WR);
        self::assertSame(0, \proc_close($this->process));
        $this->process = null;
        self::assertSame(1, \substr_count((string) \file_get_contents("$this->folder/log"), 'undone'));
    }

    public function testAChildThatIsNotLetGoOnEndsWithoutAWord(): void
    {
        $first = $this->link('first');
        $template = $this->start('WorkerHost\Worker::create()->onFork(fn () => file_put_contents($_SERVER["LOG"], "ran"))
            ->onRequest(fn () => "")->run();');
        self::assertSame("template\n", \fgets($template));
        $this->hello($first, 0);
        self::assertSame("ready\n", \fgets($template));
        \fwrite($template, "fork first\n");
        $child = $this->accept();
        self::assertSame("child first\n", \fgets($child));
        self::assertSame("forked first\n", \fgets($template));
        \fclose($child);
        self::assertSame(0, \preg_match('/ran/', (string) @\file_get_contents("$this->folder/log")));
        \fclose($template);
        self::assertSame(0, \proc_close($this->process));
        $this->process = null;
    }

    public function testWhatCannotBeSharedIsNamed(): void
    {
        $control = \stream_socket_pair(\STREAM_PF_UNIX, \STREAM_SOCK_STREAM, 0)[0];
        $before = Inheritance::found($this->folder, $control);
        $server = \stream_socket_server('tcp://127.0.0.1:0');
        $address = \stream_socket_get_name($server, false);
        $client = \stream_socket_client("tcp://$address");
        $file = \fopen('/etc/passwd', 'rb');
        $log = \fopen("$this->folder/some.log", 'ab');
        $text = Inheritance::found($this->folder . '/none', $control);
        foreach (["TCP socket at $address", "TCP connection to $address", '/etc/passwd', 'onFork()'] as $part) {
            self::assertStringContainsString($part, $text);
        }
        self::assertStringNotContainsString('some.log', $text);
        self::assertStringNotContainsString($address, $before);
        unset($client, $file, $log);
    }

    private function link(string $name): \stdClass
    {
        \posix_mkfifo("$this->folder/$name.in", 0600);
        \posix_mkfifo("$this->folder/$name.out", 0600);

        // Opened for both directions, they meet nobody's end.
        return (object) ['to' => \fopen("$this->folder/$name.in", 'r+b'),
            'from' => \fopen("$this->folder/$name.out", 'r+b'), 'bytes' => '', 'at' => 8];
    }

    /** @return resource the connection of the template that runs this code */
    private function start(string $code)
    {
        \file_put_contents("$this->folder/worker.php", '<?php require '
            . \var_export(\dirname(__DIR__) . '/autoload.php', true) . "; $code");
        $log = ['file', "$this->folder/log", 'a'];
        // Of what this process has open it must inherit nothing, as under the host.
        $close = 'for f in /proc/$$/fd/*; do n=${f##*/}; [ $n -gt 2 ] && eval "exec $n>&-"; done; exec "$@"';
        $this->process = \proc_open(['bash', '-c', $close, 'bash', \PHP_BINARY, "$this->folder/worker.php"],
            [['file', '/dev/null', 'r'], $log, $log], $pipes, null,
            ['WORKERHOST_FORK' => "$this->folder/first", 'LOG' => "$this->folder/log"] + \getenv());

        return $this->accept();
    }

    /** @return resource */
    private function accept()
    {
        $connection = \stream_socket_accept($this->socket, 20);
        self::assertNotFalse($connection, (string) @\file_get_contents("$this->folder/log"));
        \stream_set_timeout($connection, 20);

        return $connection;
    }

    private function hello(\stdClass $link, int $slot): void
    {
        \fwrite($link->to, $this->codec->frame([Frame::HELLO, 0, [1], 'test', 1, $slot, Frame::MAX, 262144, 'fake',
            false, [], []]));
    }

    /** The next message of that type. @return list<mixed> */
    private function read(\stdClass $link, int $type): array
    {
        \stream_set_blocking($link->from, false);
        for ($until = \microtime(true) + 20; \microtime(true) < $until;) {
            $length = Frame::length($link->bytes, $link->at, Frame::MAX);
            if ($length !== null && \strlen($link->bytes) >= $link->at + 4 + $length) {
                $message = $this->codec->message(\substr($link->bytes, $link->at + 4, $length));
                $link->at += 4 + $length;
                if ($message[0] === $type) {
                    return $message;
                }
                continue;
            }
            $read = [$link->from];
            $write = $except = null;
            \stream_select($read, $write, $except, 1);
            $link->bytes .= \fread($link->from, 65536);
        }
        self::fail('nothing comes: ' . (string) @\file_get_contents("$this->folder/log"));
    }
}
