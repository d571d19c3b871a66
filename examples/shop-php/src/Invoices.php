<?php

declare(strict_types=1);

namespace Shop;

/** Invoices: a PDF for each order, in a folder. A page of PDF is not much, so this writes it by hand. */
final class Invoices
{
    public function __construct(private readonly string $folder)
    {
    }

    /** Before the worker is ready. */
    public function open(): void
    {
        if (!is_dir($this->folder) && !@mkdir($this->folder, 0770, true) && !is_dir($this->folder)) {
            throw new \RuntimeException("can't create $this->folder: make it, or name another folder in SHOP_DATA");
        }
    }

    public function path(string $id): string
    {
        return "$this->folder/$id.pdf";
    }

    /**
     * Makes it, all at once: whoever finds the file finds all of it, and one that is made again is the same.
     *
     * @param array<string, mixed> $order
     */
    public function make(array $order): void
    {
        $path = $this->path($order['id']);
        $new = "$path." . bin2hex(random_bytes(4));
        if (file_put_contents($new, self::pdf($order)) === false || !rename($new, $path)) {
            throw new \RuntimeException("can't write $path");
        }
    }

    /** Removes those that are older than so many seconds, and says how many. */
    public function remove(int $age): int
    {
        $old = array_filter(glob("$this->folder/*.pdf*") ?: [], static fn (string $path): bool =>
            filemtime($path) < time() - $age);
        array_map('unlink', $old);

        return count($old);
    }

    /** @param array<string, mixed> $order */
    private static function pdf(array $order): string
    {
        $product = Stock::PRODUCTS[$order['product']];
        $price = static fn (int $cents): string => sprintf('%d.%02d €', intdiv($cents, 100), $cents % 100);
        $lines = [
            self::text(72, 760, 'Teas & Leaves', 24, 'F2'),
            self::text(72, 738, '12 Harbour Lane', 10),
            self::text(72, 690, 'Invoice', 16, 'F2'),
            self::text(72, 668, 'Order ' . $order['id'], 10),
            self::text(72, 653, gmdate('j F Y, H:i', $order['at']) . ' UTC', 10),
            self::line(632),
            self::text(72, 612, "$order[quantity] × $product[name]", 12),
            self::text(440, 612, $price($order['cents']), 12),
            self::text(72, 596, $product['about'], 10),
            self::line(580),
            self::text(72, 558, 'To pay', 12, 'F2'),
            self::text(440, 558, $price($order['cents']), 12, 'F2'),
            self::text(72, 500, 'Thank you. The kettle is on.', 10),
        ];
        $content = implode("\n", $lines);

        return self::file([
            '<< /Type /Catalog /Pages 2 0 R >>',
            '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
            '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R'
                . ' /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>',
            '<< /Length ' . strlen($content) . " >>\nstream\n$content\nendstream",
            '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
            '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>',
        ]);
    }

    /** @param list<string> $objects numbered from 1; the first is the catalog */
    private static function file(array $objects): string
    {
        $pdf = "%PDF-1.4\n%\xE2\xE3\xCF\xD3\n";
        $places = "0000000000 65535 f \n";
        foreach ($objects as $i => $object) {
            $places .= sprintf("%010d 00000 n \n", strlen($pdf));
            $pdf .= $i + 1 . " 0 obj\n$object\nendobj\n";
        }
        $start = strlen($pdf);
        $count = count($objects) + 1;

        return "{$pdf}xref\n0 $count\n{$places}trailer\n<< /Size $count /Root 1 0 R >>\nstartxref\n$start\n%%EOF\n";
    }

    private static function text(int $x, int $y, string $text, int $size, string $font = 'F1'): string
    {
        $text = addcslashes(str_replace(['€', '×'], ["\x80", "\xD7"], $text), '()\\'); // all else here is ASCII

        return "BT /$font $size Tf $x $y Td ($text) Tj ET";
    }

    private static function line(int $y): string
    {
        return "0.7 G 72 $y m 523 $y l S";
    }
}
