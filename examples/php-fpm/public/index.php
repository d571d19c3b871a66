<?php

declare(strict_types=1);

// As PHP has always been: this script answers for every path that is no file, and knows of no other request. Nothing
// here knows of the host.

const UPLOADS = __DIR__ . '/uploads';

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
match (true) {
    $path === '/' => page('Files', listOfUploads() . form()),
    $path === '/upload' && $_SERVER['REQUEST_METHOD'] === 'POST' => upload(),
    preg_match('~^/hello/(\w+)$~', (string) $path, $found) === 1 => page("Hello, $found[1]!", ''),
    default => page('There is no such page.', '', 404),
};

function page(string $title, string $content, int $status = 200): void
{
    http_response_code($status);
    echo "<!DOCTYPE html>\n<title>$title</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n",
        "<h1>$title</h1>\n", $content;
}

function form(): string
{
    return '<form method="post" action="/upload" enctype="multipart/form-data">'
        . "<input type=\"file\" name=\"file\" required> <button>Upload</button></form>\n";
}

function listOfUploads(): string
{
    $items = '';
    foreach (glob(UPLOADS . '/*') ?: [] as $file) {
        $name = basename($file);
        $items .= sprintf(
            "<li><a href=\"/uploads/%s\">%s</a>, %d bytes\n",
            rawurlencode($name),
            htmlspecialchars($name),
            filesize($file),
        );
    }

    return $items === '' ? "<p>There is none yet.\n" : "<ul>\n$items</ul>\n";
}

function upload(): void
{
    $file = $_FILES['file'] ?? ['error' => UPLOAD_ERR_NO_FILE];
    $name = basename((string) ($file['name'] ?? ''));
    if ($file['error'] !== UPLOAD_ERR_OK || $name === '' || $name[0] === '.') {
        page('That is no file.', form(), 422);

        return;
    }
    if (!is_dir(UPLOADS)) {
        mkdir(UPLOADS);
    }
    move_uploaded_file($file['tmp_name'], UPLOADS . '/' . $name);
    chmod(UPLOADS . '/' . $name, 0644);
    header('Location: /', true, 303);
}
