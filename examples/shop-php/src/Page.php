<?php

declare(strict_types=1);

namespace Shop;

use WorkerHost\Http\{Request, Response};
use WorkerHost\Worker;

/** Who asks, and for what. All that moves in the page is public/shop.js. */
final class Page
{
    /** Change this and run `host reload`: the next page has the new one. */
    public const GREETING = 'Four teas, twelve tins of each.';

    private const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src "
        . "'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    public function __construct(
        private readonly Worker $worker,
        private readonly Stock $stock,
        private readonly Orders $orders,
        private readonly Invoices $invoices,
    ) {
    }

    public function __invoke(Request $request): Response
    {
        $customer = $request->cookies['customer'] ?? '';
        $known = is_string($customer) && preg_match('/^[0-9a-f]{32}$/D', $customer) === 1;
        if (preg_match('~^/invoices/(o[0-9a-f]{16,64})\.pdf$~D', $request->path, $match) === 1) {
            return $known ? $this->invoice($customer, $match[1]) : self::nothing();
        }

        return match ($request->path) {
            '/' => $known ? $this->page($customer) : $this->welcome($request),
            '/orders' => match (true) {
                $request->method !== 'POST' => Response::text("Only POST.\n", 405, ['Allow' => 'POST']),
                !$known => Response::json(['error' => 'Load the page first.'], 403),
                default => $this->order($request, $customer),
            },
            '/events' => $known ? Response::hold(groups: Orders::channels($customer)) : self::nothing(),
            '/state' => $known ? $this->state($customer) : self::nothing(),
            // what clients send as this header the host has removed
            '/nightly' => $request->header('x-worker-cron') !== '' ? Response::text($this->orders->nightly())
                : self::nothing(),
            '/shop.css', '/shop.js', '/shop.svg' => Response::file(__DIR__ . '/../public' . $request->path,
                headers: ['Cache-Control' => 'no-cache']),
            default => self::nothing(),
        };
    }

    /** An application has a cookie of its own for who is signed in. This one gives each browser a name. */
    private function welcome(Request $request): Response
    {
        $customer = bin2hex(random_bytes(16));

        return $this->page($customer)->withCookie('customer', $customer, maxAge: 30 * 86400,
            secure: $request->scheme === 'https', sameSite: 'Strict');
    }

    private function page(string $customer): Response
    {
        $stock = $this->stock->now();
        $orders = array_map(Orders::shown(...), array_reverse($this->orders->all($customer)));
        $generation = $this->worker->place()->generation;
        ob_start();
        require __DIR__ . '/../page.php';

        return Response::html((string) ob_get_clean(), headers: ['Cache-Control' => 'no-store',
            'Content-Security-Policy' => self::POLICY, 'X-Content-Type-Options' => 'nosniff',
            'Referrer-Policy' => 'no-referrer']);
    }

    /** What the page may have missed before it heard its first event. */
    private function state(string $customer): Response
    {
        $orders = array_map(Orders::shown(...), array_values($this->orders->all($customer)));
        ['serial' => $serial, 'left' => $left] = $this->stock->now();

        return Response::json(['stock' => ['serial' => $serial, 'left' => $left], 'orders' => $orders],
            headers: ['Cache-Control' => 'no-store']);
    }

    private function order(Request $request, string $customer): Response
    {
        [$id, $product, $quantity] = [$request->form['id'] ?? '', $request->form['product'] ?? '',
            $request->form['quantity'] ?? '1'];
        if (!is_string($id) || preg_match('/^o[0-9a-f]{16,64}$/D', $id) !== 1
            || !is_string($product) || !isset(Stock::PRODUCTS[$product])
            || !is_string($quantity) || preg_match('/^[1-3]$/D', $quantity) !== 1) {
            return Response::json(['error' => 'This is no order.'], 422);
        }
        $address = (string) preg_replace('/:\d+$/D', '', $request->remoteAddress);
        if (!$this->orders->mayOrder($address)) {
            return Response::json(['error' => 'That was a lot of tea. Wait a minute.'], 429, ['Retry-After' => '60']);
        }
        try {
            $order = $this->orders->place($customer, $id, $product, (int) $quantity);
        } catch (Busy) {
            return Response::json(['error' => 'Everybody orders at once. Try again.'], 503, ['Retry-After' => '1']);
        }

        return $order === null ? Response::json(['error' => 'There is not enough left of it.'], 409)
            : Response::json(['order' => Orders::shown($order)]);
    }

    private function invoice(string $customer, string $id): Response
    {
        $order = $this->orders->all($customer)[$id] ?? null;

        return $order !== null && $order['invoice'] && is_file($this->invoices->path($id))
            ? Response::file($this->invoices->path($id), headers: ['Content-Type' => 'application/pdf',
                'Cache-Control' => 'private, no-store', 'X-Content-Type-Options' => 'nosniff'])
            : self::nothing();
    }

    private static function nothing(): Response
    {
        return Response::text("There is no such page.\n", 404);
    }
}
