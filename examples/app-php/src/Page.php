<?php

declare(strict_types=1);

namespace App;

use WorkerHost\Http\Response;

/** Turns a template into an HTML response. */
final class Page
{
    /** @param array<string, mixed> $variables what the template may use; `title` is the layout's */
    public static function response(string $template, array $variables, int $status = 200): Response
    {
        $variables['content'] = self::render($template, $variables);

        return Response::html(self::render('layout', $variables), $status);
    }

    /** Text made safe between tags and in a quoted attribute. */
    public static function escape(string|int $text): string
    {
        return htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
    }

    /** @param array<string, mixed> $variables */
    private static function render(string $template, array $variables): string
    {
        $e = self::escape(...);
        ob_start();
        try {
            (static function () use ($template, $variables, $e): void {
                extract($variables, EXTR_SKIP);
                require __DIR__ . "/../templates/$template.php";
            })();

            return (string) ob_get_contents();
        } finally {
            ob_end_clean();
        }
    }
}
