<?php

// What WordPress asks of a site: its database, from the pool's environment. Keys and salts it makes itself, and keeps
// them there.

define('DB_HOST', $_SERVER['DB_HOST']);
define('DB_NAME', $_SERVER['DB_NAME']);
define('DB_USER', $_SERVER['DB_USER']);
define('DB_PASSWORD', $_SERVER['DB_PASSWORD']);
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('AUTOMATIC_UPDATER_DISABLED', true); // code goes live by a reload

$table_prefix = 'wp_';

defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
