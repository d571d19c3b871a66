        <p><?= $e($message) ?> <a href="/">To the notes</a></p>
