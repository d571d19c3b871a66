<?php

use ChatAi\{Chat, Page};

/** @var list<array<string, string>> $turns @var int $generation @var string $model */
$e = static fn (string $text): string => htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
?>
<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
    <meta name="color-scheme" content="light dark">
    <title>Ask</title>
    <link rel="icon" href="/chat.svg">
    <link rel="stylesheet" href="/chat.css">
    <script type="module" src="/chat.js"></script>
</head>
<body>
    <header>
        <h1><img src="/chat.svg" alt="" width="28" height="28">Ask</h1>
        <p id="about"><span class="model"><?= $e($model) ?></span> <span class="unseen">, </span><span class="code">generation
            <?= $generation ?></span></p>
        <form id="forget" method="post" action="/forget"<?= $turns === [] ? ' hidden' : '' ?>>
            <button class="quiet">Start over<span class="unseen">, and delete this conversation</span></button>
        </form>
    </header>
    <main>
        <section id="welcome"<?= $turns === [] ? '' : ' hidden' ?>>
            <h2><?= $e(Page::GREETING) ?></h2>
            <ul>
                <li><button class="idea">Who waits for you while you talk?</button></li>
                <li><button class="idea">What happens to this answer at a reload?</button></li>
                <li><button class="idea">Where is our conversation kept?</button></li>
            </ul>
        </section>
        <ol id="turns" role="log" aria-label="Conversation">
<?php foreach ($turns as $turn) { ?>
            <li data-id="<?= $e($turn['id']) ?>" data-state="<?= $e($turn['state']) ?>">
                <p class="question"><span class="unseen">You asked: </span><?= $e($turn['question']) ?></p>
                <div class="answer"><?= $e($turn['answer']) ?></div>
                <p class="note"><?= $e($turn['note']) ?></p>
                <p class="facts"><?= $e($turn['facts']) ?></p>
            </li>
<?php } ?>
        </ol>
        <noscript><p class="note">To ask, this page needs JavaScript.</p></noscript>
    </main>
    <form id="ask">
        <p id="problem" role="alert"></p>
        <div class="box">
            <label for="text" class="unseen">Question</label>
            <textarea id="text" rows="1" maxlength="<?= Chat::LONGEST ?>" placeholder="Ask something" enterkeyhint="send"
                autofocus></textarea>
            <button id="send">Send</button>
            <button id="stop" type="button" hidden>Stop</button>
        </div>
    </form>
    <template id="turn">
        <li>
            <p class="question"><span class="unseen">You asked: </span></p>
            <div class="answer"></div>
            <p class="note"></p>
            <p class="facts"></p>
        </li>
    </template>
</body>
</html>
