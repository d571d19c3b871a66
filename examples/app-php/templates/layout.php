<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title><?= $e($title) ?></title>
    <link rel="stylesheet" href="/app.css">
</head>
<body>
    <nav><a href="/">Notes</a> <a href="/upload">Upload</a> <a href="/report.csv?rows=100000">Report</a> <a href="/slow?ms=2000">Slow</a> <a href="/broken">Broken</a></nav>
    <main>
        <h1><?= $e($title) ?></h1>
<?= $content ?>
    </main>
</body>
</html>
