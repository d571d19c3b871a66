        <form method="post" action="/notes">
            <input name="text" maxlength="200" placeholder="A new note" aria-label="A new note" required autofocus>
            <button>Add</button>
<?php if ($problem !== '') { ?>
            <p class="problem"><?= $e($problem) ?></p>
<?php } ?>
        </form>
        <ul>
<?php foreach ($notes as $text) { ?>
            <li><?= $e($text) ?></li>
<?php } ?>
        </ul>
        <footer>Visit <?= $e($visits) ?> of this browser. Worker <?= $e($pid) ?> has run since <?= $e($since) ?>; its page views: <?= $e($served) ?>.</footer>
