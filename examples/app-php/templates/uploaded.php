        <dl>
            <dt>Name</dt><dd><?= $e($file->name) ?></dd>
            <dt>Type, says the browser</dt><dd><?= $e($file->type) ?></dd>
            <dt>Size</dt><dd><?= $e($file->size) ?> bytes</dd>
            <dt>SHA-256</dt><dd><code><?= $e($hash) ?></code></dd>
        </dl>
        <p><a href="/uploads/<?= $e($kept) ?>">Download it again</a></p>
