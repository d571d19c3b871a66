<?php

declare(strict_types=1);

namespace App\Controller;

use Symfony\Component\HttpFoundation\File\UploadedFile;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;

/** Takes a form with a file, and keeps the file long enough to tell of it. */
final class Upload
{
    public function __invoke(Request $request): JsonResponse
    {
        $file = $request->files->get('file');
        if (!$file instanceof UploadedFile || !$file->isValid()) {
            return new JsonResponse(['error' => 'Send a form with a file in the field "file".'], 422);
        }
        $kept = $file->move(sys_get_temp_dir(), uniqid('upload-', true));
        try {
            return new JsonResponse([
                'title' => $request->request->get('title', ''),
                'name' => $file->getClientOriginalName(),
                'type' => $file->getClientMimeType(),
                'size' => $kept->getSize(),
                'sha256' => hash_file('sha256', $kept->getPathname()),
            ], 201);
        } finally {
            unlink($kept->getPathname());
        }
    }
}
