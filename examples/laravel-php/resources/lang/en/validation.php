<?php

declare(strict_types=1);

return [
    'required' => 'Give a :attribute.',
    'file' => 'The :attribute is no file.',
    'uploaded' => 'The :attribute did not arrive whole.',
    'max' => [
        'string' => 'At most :max characters for the :attribute.',
        'file' => 'At most :max KiB for the :attribute.',
    ],
];
