<?php

// The blog: PHP as it has been written for twenty years, under a php-fpm of the host's own.

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$title = str_starts_with($path, '/drafts') ? 'Drafts of ' . $_SERVER['PHP_AUTH_USER'] : 'Blog';
?>
<!doctype html>
<title><?= htmlspecialchars($title) ?></title>
<h1><?= htmlspecialchars($title) ?></h1>
<p>You are at <?= htmlspecialchars($_SERVER['HTTP_HOST'] . $path) ?>.</p>
