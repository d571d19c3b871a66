<?php

declare(strict_types=1);

header('Content-Type: text/plain; charset=utf-8');
printf("%s, asked for %s\n", $_SERVER['SERVER_SOFTWARE'], $_SERVER['PATH_INFO'] ?? 'nothing');
