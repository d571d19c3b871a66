<?php

declare(strict_types=1);

namespace App;

use WorkerHost\Http\{Request, Response};

/** The page that a browser sees first, and those that show how a worker behaves. */
final class Home
{
    private int $served = 0;
    private readonly string $since;

    public function __construct(private readonly Notes $notes)
    {
        $this->since = date('H:i:s');
    }

    public function index(Request $request, string $problem = '', int $status = 200): Response
    {
        $visits = 1 + (int) ($request->cookies['visits'] ?? 0);

        return Page::response('index', [
            'title' => 'Notes',
            'notes' => $this->notes->all(),
            'problem' => $problem,
            'visits' => $visits,
            'pid' => getmypid(),
            // Properties outlive a request: this one counts for as long as the worker lives.
            'served' => ++$this->served,
            'since' => $this->since,
        ], $status)->withCookie('visits', (string) $visits, maxAge: 30 * 86400);
    }

    public function add(Request $request): Response
    {
        $text = $request->form['text'] ?? '';
        if (!Api::valid($text)) {
            return $this->index($request, 'A note has 1 to 200 characters.', 422);
        }
        $this->notes->add($text);

        return Response::redirect('/', 303);
    }

    /** Takes `?ms=` milliseconds, as a page does that waits for a database. The other workers answer meanwhile. */
    public function slow(Request $request): Response
    {
        $ms = max(0, min(10_000, (int) ($request->query['ms'] ?? 500)));
        usleep($ms * 1000);

        return Response::json(['slept_ms' => $ms, 'pid' => getmypid()]);
    }

    /** The client sees a 500 that tells nothing; the host's log has the trace, and this worker lives on. */
    public function broken(Request $request): Response
    {
        throw new \RuntimeException('the database of example.internal refused our password');
    }
}
