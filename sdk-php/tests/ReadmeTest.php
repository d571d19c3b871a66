<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Tests\Support\FakeHost;

/** The examples of README.md are right: whole ones are run, parts of some are at least PHP. */
final class ReadmeTest extends TestCase
{
    /** @return iterable<int, array{string}> */
    public function examples(): iterable
    {
        preg_match_all('/^```php\n(.*?)^```/ms', (string) file_get_contents(__DIR__ . '/../README.md'), $matches);
        foreach ($matches[1] as $code) {
            yield [$code];
        }
    }

    /** @dataProvider examples */
    public function testAnExampleIsRight(string $code): void
    {
        if (!str_starts_with($code, '<?php')) {
            try {
                token_get_all("<?php\n$code", \TOKEN_PARSE);
                self::assertTrue(true);
            } catch (\ParseError $e) {
                self::fail($e->getMessage() . " in\n$code");
            }
            if (!str_contains($code, 'onRequest') && !str_contains($code, '/srv/')) {
                $code = "Worker::create()->onRequest(function () { $code return 'Hello'; })->run();";
            } else {
                return;
            }
        }
        $code = preg_replace(['/^<\?php$/m', '/^use WorkerHost.*$/m', '/^require .*$/m'], '', $code);
        $answer = FakeHost::serving($code)->get();
        self::assertSame(200, $answer->status);
        self::assertStringStartsWith('Hello', $answer->body);
    }

    public function testThePartOfManyResponsesRunsToo(): void
    {
        foreach ($this->examples() as [$code]) {
            if (str_contains($code, "'/srv/app/files/report.pdf'")) {
                eval(str_replace("'/srv/app/files/report.pdf'", var_export(__FILE__, true), $code));
                $this->addToAssertionCount(1);
            }
        }
        self::assertSame(1, $this->getNumAssertions());
    }
}
