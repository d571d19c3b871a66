<?php

declare(strict_types=1);

use App\Http\Controllers\Pages;
use App\Http\Controllers\Uploads;
use Illuminate\Support\Facades\Route;

Route::get('/', [Pages::class, 'home'])->name('home');
Route::get('/hello/{name}', [Pages::class, 'hello'])->name('hello');
Route::get('/broken', [Pages::class, 'broken']);
Route::get('/report.csv', [Pages::class, 'report']);
Route::post('/upload', Uploads::class)->name('upload');
Route::get('/up', static fn () => 'up')->withoutMiddleware('web');
