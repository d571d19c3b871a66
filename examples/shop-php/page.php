<?php

use Shop\{Page, Stock};

/** @var array{serial: int, left: array<string, int>} $stock @var array<array<string, mixed>> $orders
 *  @var int $generation */
$e = static fn (string $text): string => htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
$price = static fn (int $cents): string => sprintf('%d.%02d €', intdiv($cents, 100), $cents % 100);
?>
<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Teas &amp; Leaves</title>
    <link rel="icon" href="/shop.svg">
    <link rel="stylesheet" href="/shop.css">
    <script type="module" src="/shop.js"></script>
</head>
<body data-serial="<?= $stock['serial'] ?>">
    <header>
        <img src="/shop.svg" alt="" width="40" height="40">
        <div>
            <h1>Teas &amp; Leaves</h1>
            <p><?= $e(Page::GREETING) ?></p>
        </div>
        <p id="link" role="status">Connecting</p>
    </header>
    <main>
        <ul id="products">
<?php foreach (Stock::PRODUCTS as $key => $product) { ?>
            <li data-product="<?= $e($key) ?>">
                <h2><?= $e($product['name']) ?></h2>
                <p class="about"><?= $e($product['about']) ?></p>
                <p class="facts"><b><?= $price($product['cents']) ?></b> <span class="left" data-left="<?=
                    $stock['left'][$key] ?>"></span></p>
                <form method="post" action="/orders">
                    <input type="hidden" name="product" value="<?= $e($key) ?>">
                    <label><span class="unseen">Tins of <?= $e($product['name']) ?></span>
                        <select name="quantity"><option>1<option>2<option>3</select></label>
                    <button>Order<span class="unseen"> <?= $e($product['name']) ?></span></button>
                </form>
            </li>
<?php } ?>
        </ul>
        <noscript><p class="problem">To order, this page needs JavaScript.</p></noscript>
        <p id="problem" class="problem" role="alert"></p>
        <section>
            <h2>Your orders</h2>
            <p id="none">None yet. Each gets an invoice in a moment.</p>
            <ol id="orders">
<?php foreach ($orders as $order) { ?>
                <li data-order="<?= $e((string) json_encode($order)) ?>"></li>
<?php } ?>
            </ol>
        </section>
    </main>
    <footer><p>Generation <?= $generation ?> of the code has made this page.</p></footer>
    <template id="order">
        <span class="what"></span><span class="price"></span><span class="state"><span class="wait">Making the
            invoice</span><a target="_blank">Invoice</a></span>
    </template>
</body>
</html>
