<?php

declare(strict_types=1);

namespace App\Http\Controllers;

use Illuminate\Http\RedirectResponse;
use Illuminate\Http\Request;

/** Takes a form with a file, if it is as it should be; else Laravel sends the browser back, with what is wrong. */
final class Uploads
{
    public function __invoke(Request $request): RedirectResponse
    {
        $request->validate(['title' => 'required|max:80', 'file' => 'required|file|max:2048']);
        $file = $request->file('file');
        $size = $file->getSize();
        $name = $file->store('uploads');

        return redirect()->route('home')->with('uploaded', $request->input('title') . ": $size bytes, kept as $name");
    }
}
