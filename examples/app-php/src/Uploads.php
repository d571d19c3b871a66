<?php

declare(strict_types=1);

namespace App;

use WorkerHost\Http\{Request, Response, UploadedFile};

/** A form with a file. The host has written the file to disk by the time that this runs; moveTo() keeps it. */
final class Uploads
{
    private const LARGEST = 8 * 1024 * 1024;

    public function __construct(private readonly string $folder)
    {
    }

    /** @param array<string, string> $problems by field */
    public function form(Request $request, array $problems = []): Response
    {
        $fields = ['title' => 'Upload', 'given' => $request->form['title'] ?? '', 'problems' => $problems];

        return Page::response('upload', $fields, $problems === [] ? 200 : 422);
    }

    public function receive(Request $request): Response
    {
        $title = $request->form['title'] ?? '';
        $file = $request->files[0] ?? null;
        $problems = array_filter([
            'title' => is_string($title) && preg_match('/^.{1,80}$/Du', trim($title)) === 1 ? ''
                : 'A title has 1 to 80 characters.',
            'file' => self::problem($file),
        ]);
        if ($problems !== []) {
            return $this->form(is_string($title) ? $request : Request::create('GET', '/upload'), $problems);
        }
        // The client's name for it is only ever shown, or reduced to what no path or shell minds.
        $kept = bin2hex(random_bytes(8)) . '-' . substr(preg_replace('/[^A-Za-z0-9._-]+/', '_', $file->name), -60);
        $file->moveTo("$this->folder/$kept");

        return Page::response('uploaded', ['title' => trim($title), 'file' => $file, 'kept' => $kept,
            'hash' => hash_file('sha256', "$this->folder/$kept")], 201);
    }

    /**
     * The host reads and sends the file; this worker is free at once. Never shown inline: it might be HTML, with
     * scripts.
     */
    public function download(Request $request): Response
    {
        $name = $request->attribute('name');
        if (preg_match('/^[0-9a-f]{16}-([A-Za-z0-9._-]+)$/D', $name, $parts) !== 1
            || !is_file("$this->folder/$name")) {
            return Page::response('error', ['title' => '404', 'message' => 'There is no such file.'], 404);
        }

        return Response::file("$this->folder/$name", download: $parts[1],
            headers: ['X-Content-Type-Options' => 'nosniff']);
    }

    private static function problem(?UploadedFile $file): string
    {
        return match (true) {
            $file === null, $file->error !== UPLOAD_ERR_OK => 'Choose a file.',
            $file->size > self::LARGEST => 'The file is larger than 8 MiB.',
            default => '',
        };
    }
}
