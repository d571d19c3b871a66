<?php

declare(strict_types=1);

namespace WorkerHost\Http;

use WorkerHost\Internal\Silence;

/**
 * A file that came with a form. The host wrote it to disk and removes it when the request is done; moveTo() keeps it.
 */
final class UploadedFile
{
    public readonly string $fullPath;

    /**
     * @param string $field    the form field's name, as the client wrote it
     * @param string $name     the file's name at the client, without folders: never use it as a path
     * @param string $type     the media type that the client claims
     * @param int    $size     in bytes
     * @param string $path     where the file is; '' if there is none
     * @param int    $error    one of PHP's UPLOAD_ERR_ constants: UPLOAD_ERR_OK, UPLOAD_ERR_NO_FILE when none was
     *                         chosen, or UPLOAD_ERR_PARTIAL when the form ended in the midst of it
     * @param string $fullPath the name with the folders that the client sent, as it does for a folder that was chosen;
     *                         '' means $name
     */
    public function __construct(
        public readonly string $field,
        public readonly string $name,
        public readonly string $type,
        public readonly int $size,
        public readonly string $path,
        public readonly int $error = \UPLOAD_ERR_OK,
        string $fullPath = '',
    ) {
        $this->fullPath = $fullPath === '' ? $name : $fullPath;
    }

    /**
     * Moves the file to $target, replacing what is there, with the permissions that a new file would have.
     *
     * @throws \RuntimeException if there is no file, or it can't be moved there
     */
    public function moveTo(string $target): void
    {
        if ($this->error !== \UPLOAD_ERR_OK) {
            throw new \RuntimeException(
                "field '{$this->field}' came without a file; look at its error before moveTo()");
        }
        if (!\is_file($this->path)) {
            throw new \RuntimeException(
                "the file of field '{$this->field}' is gone: it was moved before, or its request is done");
        }
        Silence::begin();
        try {
            if (!@\rename($this->path, $target)) {
                $why = \error_get_last()['message'] ?? 'unknown reason';
                throw new \RuntimeException("can't move the file of field '{$this->field}' to $target: $why");
            }
            // The host keeps uploads private (0600).
            @\chmod($target, 0666 & ~\umask());
        } finally {
            \restore_error_handler();
        }
    }
}
