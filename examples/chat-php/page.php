<?php

use Chat\Chat;

/** @var string $room @var int $generation */
$e = static fn (string $text): string => htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
?>
<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title><?= $e(Chat::ROOMS[$room]) ?> · Chat</title>
    <link rel="icon" href="/chat.svg">
    <link rel="stylesheet" href="/chat.css">
    <script type="module" src="/chat.js"></script>
</head>
<body data-room="<?= $e($room) ?>" data-generation="<?= $generation ?>">
    <header>
        <h1><?= $e(Chat::ROOMS[$room]) ?></h1>
        <nav aria-label="Rooms">
<?php foreach (Chat::ROOMS as $key => $title) { ?>
            <a href="/?room=<?= $e($key) ?>"<?= $key === $room ? ' aria-current="page"' : '' ?>><?= $e($title) ?></a>
<?php } ?>
        </nav>
        <p id="state" role="status" data-state="off"><span id="link">Not connected</span><span id="code" hidden></span></p>
    </header>
    <main>
        <p id="greeting"><?= $e(Chat::GREETING) ?></p>
        <form id="enter">
            <label for="name">Your name</label>
            <div class="row">
                <input id="name" maxlength="24" pattern=".*\S.*" required autocomplete="nickname" autofocus>
                <button>Enter</button>
            </div>
        </form>
        <section id="room" hidden>
            <p id="here"><span class="label">Here now</span> <span id="names"></span></p>
            <div id="scroll" role="log" tabindex="0" aria-label="Messages">
                <ol id="messages"></ol>
            </div>
            <form id="say">
                <label for="text" class="unseen">Message</label>
                <input id="text" maxlength="500" autocomplete="off" enterkeyhint="send" placeholder="Write a message">
                <button>Send</button>
            </form>
        </section>
    </main>
    <noscript>This page needs JavaScript.</noscript>
</body>
</html>
