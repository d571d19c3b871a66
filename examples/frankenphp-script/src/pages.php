<?php

declare(strict_types=1);

// The pages, by their paths, as they would be written for php-fpm.

return [
    '/' => static function (): void {
        $visits = 1 + (int) ($_COOKIE['visits'] ?? 0);
        setcookie('visits', (string) $visits, ['path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
        echo "<h1>Hello</h1><p>Visit $visits of this browser</p>";
    },

    '/login' => static function (): void {
        session_start();
        if ($_SERVER['REQUEST_METHOD'] === 'POST' && ($_POST['name'] ?? '') !== '') {
            session_regenerate_id(true);
            $_SESSION['name'] = $_POST['name'];
            header('Location: /me');

            return;
        }
        http_response_code(422);
        echo '<form method="post"><input name="name"><button>Log in</button></form>';
    },

    '/me' => static function (): void {
        session_start();
        $name = $_SESSION['name'] ?? null;
        if ($name === null) {
            header('Location: /login', true, 303);
            exit; // ends the worker; the page is sent all the same, and another worker takes its place
        }
        $_SESSION['seen'] = 1 + ($_SESSION['seen'] ?? 0);
        echo 'You are ', htmlspecialchars($name), ", seen {$_SESSION['seen']} times, now by worker ", getmypid();
    },

    '/logout' => static function (): void {
        session_start();
        session_destroy();
        setcookie(session_name(), '', 1, '/');
        header('Location: /');
    },

    '/upload' => static function (string $data): void {
        $file = $_FILES['file'] ?? null;
        if ($file === null || $file['error'] !== UPLOAD_ERR_OK) {
            http_response_code(422);
            echo '<form method="post" enctype="multipart/form-data">', '<input type="file" name="file"><button>Send</button></form>';

            return;
        }
        $target = "$data/" . bin2hex(random_bytes(8));
        if (!move_uploaded_file($file['tmp_name'], $target)) {
            throw new RuntimeException("can't keep the upload");
        }
        header('Content-Type: application/json');
        http_response_code(201);
        $title = filter_input(INPUT_POST, 'title');
        echo json_encode(['title' => $title, 'name' => $file['name'], 'sha256' => hash_file('sha256', $target)]);
        unlink($target);
    },

    '/echo' => static function (): void {
        header('Content-Type: ' . ($_SERVER['CONTENT_TYPE'] ?? 'application/octet-stream'));
        readfile('php://input');
    },

    '/stream' => static function (): void {
        header('Content-Type: text/event-stream');
        foreach (range(1, min(100, (int) ($_GET['n'] ?? 3))) as $i) {
            echo "data: $i\n\n";
            flush();
            usleep(100_000);
        }
    },

    '/report' => static function (): void {
        header('Content-Type: text/csv; charset=utf-8');
        header_register_callback(static fn () => header('X-Made-By: ' . php_sapi_name()));
        for ($i = 1; $i <= 200_000; ++$i) {
            echo $i, ',', $i * $i, "\r\n";
        }
    },

    '/later' => static function (): void {
        echo 'This is all that the client waits for.';
        frankenphp_finish_request();
        frankenphp_log('the rest is done', FRANKENPHP_LOG_LEVEL_INFO, ['path' => $_SERVER['REQUEST_URI']]);
    },

    '/broken' => static fn () => throw new LogicException('broken on purpose'),
];
